//! Events: what happened. A use case appends exactly one to the transaction that made it true;
//! everything else that has to follow is a reader of them.
//!
//! An event names ids and facts. It never carries a secret, and never personal data in the clear.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::KeyId;
use crate::{EventId, SessionId, Timestamp, UserId};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)+) => {
        /// What kind of thing happened. The text is what the ledger, the audit log and the API show.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in the ledger.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

kinds! {
    /// Somebody made an account and is signed in.
    AccountRegistered => "account.registered",
    /// An administrator was made by the first-start link or the command line.
    AdministratorCreated => "administrator.created",
    /// The one-time link for the first administrator was made.
    SetupLinkCreated => "setup_link.created",
    /// A person changed their own profile.
    ProfileUpdated => "profile.updated",
    /// Somebody signed in.
    SessionStarted => "session.started",
    /// A session's refresh token was exchanged for the next one.
    SessionRefreshed => "session.refreshed",
    /// One session ended: signed out, or ended from the list of sessions.
    SessionEnded => "session.ended",
    /// All sessions but the asking one ended.
    OtherSessionsEnded => "session.others_ended",
    /// A refresh token that had been replaced came back: the session was ended as stolen.
    RefreshTokenReused => "session.refresh_token_reused",
    /// Somebody asked for a link to sign in with.
    SignInLinkRequested => "sign_in.link_requested",
    /// A password did not match, or the account does not exist or may not sign in.
    SignInFailed => "sign_in.failed",
    /// The last allowed failure: the account is locked for a while.
    AccountLocked => "account.locked",
    /// A person changed their password.
    PasswordChanged => "password.changed",
    /// An account was suspended.
    AccountSuspended => "account.suspended",
    /// A suspension was lifted.
    AccountReinstated => "account.reinstated",
    /// An account was deleted; it can still come back.
    AccountDeleted => "account.deleted",
    /// A deleted account came back.
    AccountRestored => "account.restored",
    /// An administrator ended all sessions of an account.
    AccountSignedOut => "account.signed_out",
    /// An account has other roles than before.
    RolesChanged => "account.roles_changed",
    /// An administrator made an account.
    AccountCreated => "account.created",
    /// An invitation was sent to an account that nobody has used yet.
    InvitationSent => "invitation.sent",
    /// Somebody chose the password of the account that they were invited to, and is signed in.
    InvitationAccepted => "invitation.accepted",
    /// Somebody who may look after accounts changed one.
    AccountUpdated => "account.updated",
    /// What an account says of a person was destroyed; its number stays.
    AccountErased => "account.erased",
    /// An administrator forgot the failures that had locked an account.
    AccountUnlocked => "account.unlocked",
    /// Accounts came from a file.
    AccountsImported => "accounts.imported",
    /// All accounts were written to a file on Usher's own machine.
    AccountsExported => "accounts.exported",
    /// A person has another picture, or none.
    AvatarChanged => "avatar.changed",
    /// A person asked for another address.
    EmailChangeRequested => "email.change_requested",
    /// An account has another address.
    EmailChanged => "email.changed",
    /// Somebody asked for the mail that verifies an address once more.
    EmailVerificationRequested => "email.verification_requested",
    /// Somebody showed that the address of an account is theirs.
    EmailVerified => "email.verified",
    /// Somebody signed up with the address of an account.
    RegistrationRepeated => "registration.repeated",
    /// Somebody asked for the link to choose another password with.
    PasswordResetRequested => "password.reset_requested",
    /// A person chose another password without knowing the one before.
    PasswordReset => "password.reset",
    /// A role was made.
    RoleCreated => "role.created",
    /// A role has other permissions, includes or words than before.
    RoleUpdated => "role.updated",
    /// A role was deleted.
    RoleDeleted => "role.deleted",
    /// A piece of work was begun that goes on in the background.
    JobStarted => "job.started",
    /// It ended: done, failed or cancelled.
    JobEnded => "job.ended",
    /// The result of a job was fetched.
    JobResultFetched => "job.result_fetched",
    /// A signing key was made and published.
    SigningKeyCreated => "signing_key.created",
    /// A signing key was taken back at once: what it signed is dead.
    SigningKeyWithdrawn => "signing_key.withdrawn",
    /// A service was given a token of its own.
    ServiceTokenCreated => "service_token.created",
    /// A service's token was taken back.
    ServiceTokenRevoked => "service_token.revoked",
    /// Somebody had a message told again.
    DeliveryRetried => "notification.retried",
    /// A person registered a device that messages are pushed to.
    PushDeviceRegistered => "push_device.registered",
    /// A person removed such a device.
    PushDeviceRemoved => "push_device.removed",
    /// An address was registered that is told what happens.
    WebhookCreated => "webhook.created",
    /// A webhook has another address, other kinds of events or another status than before.
    WebhookUpdated => "webhook.updated",
    /// A webhook has another secret.
    WebhookSecretRotated => "webhook.secret_rotated",
    /// Somebody had a webhook told that this works.
    WebhookTested => "webhook.tested",
    /// Somebody had a webhook told again what it had not taken.
    WebhookRetried => "webhook.retried",
    /// A webhook was removed.
    WebhookDeleted => "webhook.deleted",
    /// An application had something said to people.
    NotificationSent => "notification.sent",
    /// A person chose what they want to hear, where and when.
    NotificationPreferencesChanged => "notification.preferences_changed",
    /// A receiver of Shared Signals made a stream.
    StreamCreated => "stream.created",
    /// A stream was changed, paused, disabled or enabled.
    StreamUpdated => "stream.updated",
    /// A stream was deleted.
    StreamDeleted => "stream.deleted",
}

/// An end of trust, as verifiers apply it. Only `users::revoke` makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// Every token of the subject whose epoch is below this one is dead.
    Subject {
        /// Whose.
        subject: UserId,
        /// The lowest epoch still good.
        epoch: i64,
    },
    /// These sessions are over, and so are their tokens.
    Sessions {
        /// Whose.
        subject: UserId,
        /// Which.
        sessions: Vec<SessionId>,
    },
    /// Everything that this signing key signed is dead.
    Key {
        /// Its `kid`.
        kid: KeyId,
    },
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its own id.
    pub id: EventId,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
    /// Who did it; nobody for what the system did and for people who are not signed in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<UserId>,
    /// Whom it happened to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<UserId>,
    /// The session that it happened in or to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    /// Facts that belong to this kind.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub data: Map<String, Value>,
    /// What trust it ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revokes: Option<Revocation>,
}

impl Event {
    /// An event of this kind, now, about nobody in particular.
    pub fn new(kind: Kind, at: Timestamp) -> Self {
        Self {
            id: EventId::new(at),
            kind,
            at,
            actor: None,
            subject: None,
            session: None,
            data: Map::new(),
            revokes: None,
        }
    }

    /// Something that a person did to their own account.
    #[must_use]
    pub fn by(mut self, user: UserId) -> Self {
        self.actor = Some(user);
        self.subject = Some(user);
        self
    }

    /// Something that happened to a person, done by nobody who is known.
    #[must_use]
    pub fn about(mut self, user: UserId) -> Self {
        self.subject = Some(user);
        self
    }

    /// In or to this session.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// With one fact more.
    #[must_use]
    pub fn with(mut self, name: &str, fact: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), fact.into());
        self
    }
}
