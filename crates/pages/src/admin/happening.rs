//! What happened, in words: the names of events are for programs.

/// A kind of event, as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What.
    pub words: String,
    /// Its picture in the sprite.
    pub icon: &'static str,
}

/// Kinds by their name in the ledger.
const KNOWN: [(&str, &str, &str); 50] = [
    ("account.registered", "Signed up", "user-plus"),
    ("administrator.created", "Made as administrator", "shield-check"),
    ("account.created", "Account made by an administrator", "user-plus"),
    ("sign_in.link_requested", "Asked for a link to sign in with", "mail"),
    ("invitation.sent", "Invited again", "mail"),
    ("invitation.accepted", "Accepted the invitation and signed in", "user-plus"),
    ("account.updated", "Account changed by an administrator", "pencil"),
    ("profile.updated", "Changed the profile", "pencil"),
    ("avatar.changed", "Changed the picture", "user"),
    ("session.started", "Signed in", "laptop"),
    ("session.refreshed", "Session went on", "refresh-cw"),
    ("session.ended", "Session ended", "log-out"),
    ("session.others_ended", "Signed out everywhere else", "log-out"),
    ("session.refresh_token_reused", "A stolen session was ended", "shield-alert"),
    ("sign_in.failed", "A sign-in failed", "circle-alert"),
    ("account.locked", "Locked after wrong passwords", "lock"),
    ("account.unlocked", "Unlocked", "lock"),
    ("password.changed", "Changed the password", "key-round"),
    ("account.suspended", "Banned", "ban"),
    ("account.reinstated", "Ban lifted", "check"),
    ("account.deleted", "Deleted", "trash-2"),
    ("account.restored", "Brought back", "refresh-cw"),
    ("account.erased", "Erased", "trash-2"),
    ("account.signed_out", "Signed out everywhere", "log-out"),
    ("account.roles_changed", "Roles changed", "users"),
    ("email.change_requested", "Asked for another address", "mail"),
    ("email.changed", "Changed the address", "mail"),
    ("email.verification_requested", "Asked for the mail that verifies the address", "mail"),
    ("email.verified", "Verified the address", "mail"),
    ("registration.repeated", "Somebody signed up with this address again", "user-plus"),
    ("password.reset_requested", "Asked for another password", "key-round"),
    ("password.reset", "Chose another password by mail", "key-round"),
    ("accounts.imported", "Came from a file", "download"),
    ("accounts.exported", "Accounts were exported", "download"),
    ("signing_key.withdrawn", "A signing key was withdrawn", "key-round"),
    ("signing_key.created", "A signing key was made", "key-round"),
    ("notification.sent", "Told something by an application", "app-window"),
    ("notification.preferences_changed", "What reaches them was chosen", "bell"),
    ("notification.retried", "A message was told again", "mail"),
    ("push_device.registered", "A device is sent messages", "smartphone"),
    ("push_device.removed", "A device is sent messages no more", "smartphone"),
    ("webhook.created", "A webhook was registered", "activity"),
    ("webhook.updated", "A webhook was changed", "activity"),
    ("webhook.secret_rotated", "A webhook got another secret", "key-round"),
    ("webhook.tested", "A webhook was tested", "activity"),
    ("webhook.retried", "A webhook was told again", "activity"),
    ("webhook.deleted", "A webhook was removed", "trash-2"),
    ("role.created", "A role was made", "shield-check"),
    ("role.updated", "A role was changed", "shield-check"),
    ("role.deleted", "A role was deleted", "shield-check"),
];

impl Happening {
    /// The kind of this name; one that is not known here is shown by its name.
    pub fn of(kind: &str) -> Self {
        match KNOWN.iter().find(|(name, ..)| *name == kind) {
            Some((_, words, icon)) => Self { words: (*words).to_owned(), icon },
            None => Self { words: kind.to_owned(), icon: "activity" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_a_kind_and_others_are_shown_as_they_are() {
        for (name, ..) in KNOWN {
            assert!(kernel::Kind::ALL.iter().any(|kind| kind.as_str() == name), "{name}");
        }
        assert_eq!(Happening::of("of.tomorrow").words, "of.tomorrow");
    }
}
