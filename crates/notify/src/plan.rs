//! What an event is told as, and to whom.

use kernel::{Event, Kind, UserId};

use crate::{Category, Template};

/// One message that an event asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) user: UserId,
    pub(crate) template: Template,
    pub(crate) category: Category,
    pub(crate) ways: Ways,
}

/// On which ways something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    /// On all that there are for it.
    All,
    /// By mail alone.
    Mail,
    /// On all but by mail.
    NotMail,
}

/// What kind of event is told as what, and when.
struct Rule {
    kind: Kind,
    template: Template,
    category: Category,
    applies: fn(&Event) -> bool,
    ways: Ways,
}

const fn rule(kind: Kind, template: Template, category: Category) -> Rule {
    Rule { kind, template, category, applies: |_| true, ways: Ways::All }
}

/// Whether a link was made in the transaction of the event.
fn has_link(event: &Event) -> bool {
    event.data.contains_key("link")
}

/// Whether it is about an account that was made a moment ago.
fn is_new(event: &Event) -> bool {
    event.data.contains_key("new")
}

const RULES: &[Rule] = &[
    Rule { applies: has_link, ..rule(Kind::AccountRegistered, Template::VerifyEmail, Category::Account) },
    rule(Kind::EmailVerificationRequested, Template::VerifyEmail, Category::Account),
    // The first mail to somebody asks whether the address is theirs; who says yes is welcomed by the second.
    Rule { ways: Ways::NotMail, ..rule(Kind::AccountRegistered, Template::Welcome, Category::Account) },
    Rule { applies: is_new, ways: Ways::Mail, ..rule(Kind::EmailVerified, Template::Welcome, Category::Account) },
    rule(Kind::RegistrationRepeated, Template::RegistrationRepeated, Category::Account),
    rule(Kind::PasswordResetRequested, Template::ResetPassword, Category::Account),
    rule(Kind::PasswordReset, Template::PasswordChanged, Category::Security),
    // Where nobody comes in before their address is verified, the new password alone does not let them in.
    Rule { applies: has_link, ..rule(Kind::PasswordReset, Template::VerifyEmail, Category::Account) },
    rule(Kind::PasswordChanged, Template::PasswordChanged, Category::Security),
    Rule {
        applies: |event| event.data.contains_key("failures"),
        ..rule(Kind::SessionStarted, Template::SignInAfterFailures, Category::Security)
    },
    // One message about one sign-in: the other says where it came from, too.
    Rule {
        applies: |event| event.data.contains_key("new_device") && !event.data.contains_key("failures"),
        ..rule(Kind::SessionStarted, Template::NewDevice, Category::Security)
    },
    rule(Kind::AccountLocked, Template::AccountLocked, Category::Security),
    rule(Kind::RefreshTokenReused, Template::SessionStolen, Category::Security),
    Rule { applies: has_link, ..rule(Kind::AccountCreated, Template::Invitation, Category::Account) },
    rule(Kind::SignInLinkRequested, Template::SignInLink, Category::Account),
    rule(Kind::InvitationSent, Template::Invitation, Category::Account),
    rule(Kind::EmailChangeRequested, Template::ChangeEmail, Category::Account),
    rule(Kind::EmailChangeRequested, Template::EmailChangeRequested, Category::Security),
    rule(Kind::EmailChanged, Template::EmailChanged, Category::Security),
];

/// Whether a stranger can have this told to somebody as often as they like, so that it is told once a minute and five
/// times an hour. (What has a link is made that rarely.)
pub(crate) const fn is_bounded(template: Template) -> bool {
    matches!(template, Template::RegistrationRepeated)
}

/// Whether events of this kind may ask for a message.
pub(crate) fn is_relevant(kind: &str) -> bool {
    RULES.iter().any(|rule| rule.kind.as_str() == kind)
}

/// The messages that an event asks for. An event about nobody asks for none.
pub(crate) fn plan(event: &Event) -> Vec<Planned> {
    let Some(user) = event.subject else { return Vec::new() };
    let asked = RULES.iter().filter(|rule| rule.kind == event.kind && (rule.applies)(event));
    asked.map(|rule| Planned { user, template: rule.template, category: rule.category, ways: rule.ways }).collect()
}
