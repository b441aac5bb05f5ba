//! What can be done about a person, each with its question at an address of its own.

use std::sync::Arc;

use askama::Template;
use auth::{ChangeInvitationError, EraseError, UnlockError};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, Timestamp};
use users::api::officer::{UsersRead, forbidden};
use users::{
    Account, ChangeStatusError, Reason, SignOutEverywhereError, Status, StatusChange, SuspensionEnd, change_status,
    may, sign_out_everywhere,
};

use super::pass::{Pass, Tab};
use crate::admin::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::shell::{Mistakes, Notice};
use crate::{Pages, page};

/// Something that can be done about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// End every session.
    SignOut,
    /// Keep somebody out.
    Ban,
    /// Let them in again.
    Lift,
    /// Take the account away, for 30 days to come back.
    Delete,
    /// Bring it back.
    Restore,
    /// Forget the failures that lock it.
    Unlock,
    /// Destroy what it says of a person, for good.
    Erase,
    /// Send somebody who has no password a link to choose one.
    Invite,
    /// Take that back, and the account with it.
    Withdraw,
}

impl Deed {
    /// All of them, the gravest last.
    pub const ALL: [Self; 7] =
        [Self::Lift, Self::Restore, Self::Unlock, Self::SignOut, Self::Ban, Self::Delete, Self::Erase];

    /// What can be done about somebody who was invited, or could be: offered beside their password.
    pub const OF_INVITATIONS: [Self; 2] = [Self::Invite, Self::Withdraw];

    const fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Withdraw => "withdraw",
            Self::SignOut => "sign-out",
            Self::Ban => "ban",
            Self::Lift => "lift",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Unlock => "unlock",
            Self::Erase => "erase",
        }
    }

    fn parse(name: &str) -> Result<Self, Problem> {
        let mut all = Self::ALL.into_iter().chain(Self::OF_INVITATIONS);
        all.find(|deed| deed.name() == name).ok_or_else(Problem::not_found)
    }

    /// Where it is asked about.
    pub fn address(self, account: &Account) -> String {
        format!("/admin/users/{}/do/{}", account.id, self.name())
    }

    /// What it needs.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::SignOut | Self::Ban | Self::Lift => may::USERS_BAN,
            Self::Delete | Self::Withdraw => may::USERS_DELETE,
            Self::Restore | Self::Unlock | Self::Invite => may::USERS_WRITE,
            Self::Erase => may::USERS_ERASE,
        }
    }

    /// Whether it can be done to an account of this status.
    pub fn is_for(self, status: Status) -> bool {
        match self {
            Self::SignOut | Self::Ban | Self::Delete | Self::Unlock | Self::Invite | Self::Withdraw => {
                status == Status::Active
            }
            Self::Erase => true,
            Self::Lift => status == Status::Suspended,
            Self::Restore => status == Status::Deleted,
        }
    }

    /// Whether nobody does it to themselves: it would be a slip.
    pub const fn is_never_for_oneself(self) -> bool {
        match self {
            Self::Ban | Self::Lift | Self::Delete | Self::Restore | Self::Erase => true,
            Self::SignOut | Self::Unlock | Self::Invite | Self::Withdraw => false,
        }
    }

    /// Its words on a button, before the name.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::SignOut => "Sign out everywhere",
            Self::Ban => "Ban",
            Self::Lift => "Lift the ban on",
            Self::Delete => "Delete",
            Self::Restore => "Bring back",
            Self::Unlock => "Unlock",
            Self::Erase => "Erase for good",
            Self::Invite => "Invite",
            Self::Withdraw => "Withdraw the invitation of",
        }
    }

    /// Its picture in the sprite.
    pub const fn icon(self) -> &'static str {
        match self {
            Self::SignOut => "log-out",
            Self::Ban => "ban",
            Self::Lift => "check",
            Self::Delete => "trash-2",
            Self::Restore => "refresh-cw",
            Self::Unlock => "lock",
            Self::Erase => "triangle-alert",
            Self::Invite => "mail",
            Self::Withdraw => "x",
        }
    }

    /// Whether somebody loses something by it.
    pub const fn is_danger(self) -> bool {
        match self {
            Self::SignOut | Self::Ban | Self::Delete | Self::Erase | Self::Withdraw => true,
            Self::Lift | Self::Restore | Self::Unlock | Self::Invite => false,
        }
    }

    /// Whether it has to be said why.
    pub const fn needs_reason(self) -> bool {
        match self {
            Self::Ban | Self::Lift | Self::Delete | Self::Restore => true,
            Self::SignOut | Self::Unlock | Self::Erase | Self::Invite | Self::Withdraw => false,
        }
    }

    /// Whether the address has to be typed once more.
    pub const fn repeats_email(self) -> bool {
        matches!(self, Self::Erase)
    }

    /// Whether it may end by itself.
    pub const fn may_end(self) -> bool {
        matches!(self, Self::Ban)
    }

    /// What follows, and whether it can be undone.
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::SignOut => {
                "Every session and every token ends, on all devices, in under 1 s. They can sign in again at once."
            }
            Self::Ban => {
                "Every session ends and new ones are refused. In force everywhere in under 1 s. It can be lifted at any time."
            }
            Self::Lift => {
                "They can sign in again at once. What was ended stays ended: each device has to sign in anew."
            }
            Self::Delete => {
                "Every session ends, and lists do not show the account any more. It can be brought back for 30 days; then it is gone."
            }
            Self::Restore => "They can sign in again at once, with the password that they had.",
            Self::Unlock => "The wrong passwords so far are forgotten: they can try again at once.",
            Self::Erase => {
                "Name, address, picture, roles, password and everything personal are destroyed. What happened stays in the ledger, under the account’s number alone. Nobody can undo it."
            }
            Self::Invite => {
                "A link to choose a password goes to their address. It works once, for 7 days. A link that was sent before does not work any more."
            }
            Self::Withdraw => {
                "The link does not work any more, and the account, which nobody has used, is deleted. It can be brought back for 30 days, and invited again."
            }
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::SignOut => "signed-out",
            Self::Ban => "banned",
            Self::Lift => "lifted",
            Self::Delete => "deleted",
            Self::Restore => "restored",
            Self::Unlock => "unlocked",
            Self::Erase => "erased",
            Self::Invite => "invited",
            Self::Withdraw => "withdrawn",
        }
    }
}

/// The words for what was done. The code comes from the address bar, so it chooses among fixed texts.
pub fn done(code: &str) -> Option<Notice> {
    match code {
        "signed-out" => {
            Some(Notice::done("Signed out everywhere.", "The next thing that any device asks for is refused."))
        }
        "banned" => Some(Notice::done("Banned.", "Every session has ended, and no new one begins.")),
        "lifted" => Some(Notice::done("The ban is lifted.", "They can sign in again.")),
        "deleted" => Some(Notice::done("Deleted.", "It can be brought back for 30 days.")),
        "unlocked" => Some(Notice::done("Unlocked.", "They can try to sign in again at once.")),
        "erased" => Some(Notice::done("Erased.", "Nothing of that person is left in the account.")),
        "invited" => Some(Notice::done("Invited.", "A link to choose a password is on its way to them.")),
        "withdrawn" => {
            Some(Notice::done("The invitation is withdrawn.", "The account can be brought back for 30 days."))
        }
        "restored" => Some(Notice::done("Brought back.", "They can sign in again.")),
        _ => None,
    }
}

#[derive(Template)]
#[template(path = "admin/user/deed.html")]
struct DeedPage {
    frame: Frame,
    pass: Pass,
    deed: Deed,
    reason: String,
    until: String,
    mistakes: Mistakes,
}

/// `GET /admin/users/{id}/do/{deed}`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path((id, deed)): Path<(String, String)>,
    console: Console<UsersRead>,
) -> Result<Response, Problem> {
    let deed = Deed::parse(&deed)?;
    let account = super::find(&pages, &id).await?;
    render(&pages, &console.desk, account, deed, Returned::default()).await
}

/// What a form that failed leaves on the page.
#[derive(Default)]
struct Returned {
    status: StatusCode,
    reason: String,
    until: String,
    mistakes: Mistakes,
    notice: Option<Notice>,
}

async fn render(
    pages: &Pages,
    desk: &Desk,
    account: Account,
    deed: Deed,
    returned: Returned,
) -> Result<Response, Problem> {
    let pass = Pass::new(pages, desk, account, Tab::Profile).await?;
    if !desk.may(deed.permission()) || !pass.may_touch {
        return Err(forbidden());
    }
    // Somebody was quicker: there is nothing to ask any more.
    if !deed.is_for(pass.account.status) && returned.notice.is_none() {
        return Ok(see_other(&pass.address));
    }
    let Returned { status, reason, until, mistakes, notice } = returned;
    let frame = Frame::new(pages, desk, Section::Users).saying(notice);
    page(status, &DeedPage { frame, pass, deed, reason, until, mistakes })
}

/// `POST /admin/users/{id}/do/{deed}`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    Path((id, deed)): Path<(String, String)>,
    form: ConsoleForm<UsersRead>,
) -> Result<Response, Problem> {
    let deed = Deed::parse(&deed)?;
    let account = super::find(&pages, &id).await?;
    let (asked, mut mistakes) = Asked::read(deed, &form.fields, pages.auth.clock().now());
    let repeated = form.fields.text("email").trim() == account.email.as_str();
    if deed.repeats_email() && !repeated {
        mistakes.add("email", "other_email", "That is not the address of this account. Type it as it stands above.");
    }
    let asked = asked.filter(|_| !mistakes.is_failed());
    let outcome = match asked {
        Some(asked) => carry_out(&pages, &form.desk, &account, deed, asked).await?,
        None => Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY, None),
    };
    match outcome {
        Outcome::Done => Ok(see_other(&Pass::after(&account, Tab::Profile, deed.done()))),
        Outcome::Refused(status, notice) => {
            let (reason, until) = (form.fields.text("reason").to_owned(), form.fields.text("until").to_owned());
            render(&pages, &form.desk, account, deed, Returned { status, reason, until, mistakes, notice }).await
        }
    }
}

/// What the form says, once it can be done.
struct Asked {
    reason: Reason,
    until: Option<SuspensionEnd>,
}

impl Asked {
    fn read(deed: Deed, fields: &Fields, now: Timestamp) -> (Option<Self>, Mistakes) {
        let mut mistakes = Mistakes::default();
        let reason = match Reason::parse(fields.text("reason")) {
            Ok(reason) if deed.needs_reason() && reason.is_empty() => {
                mistakes.add("reason", "missing", "Write why. A colleague who looks at this later needs it.");
                None
            }
            Ok(reason) => Some(reason),
            Err(wrong) => {
                mistakes.add("reason", "invalid_reason", wrong.to_string());
                None
            }
        };
        let until = match fields.text("until") {
            "" => Some(None),
            days => days
                .parse::<i64>()
                .ok()
                .filter(|days| (1..=3_650).contains(days))
                .and_then(|days| SuspensionEnd::parse(now.plus_seconds(days * 86_400), now).ok())
                .map(Some),
        };
        if until.is_none() {
            mistakes.add("until", "invalid_end", "Choose one of the ends from the list.");
        }
        let asked = reason.zip(until).filter(|_| !mistakes.is_failed());
        (asked.map(|(reason, until)| Self { reason, until }), mistakes)
    }
}

async fn erase(pages: &Pages, desk: &Desk, account: &Account) -> Result<Outcome, Problem> {
    let refused = |title, text| Ok(Outcome::Refused(StatusCode::CONFLICT, Some(Notice::failed(title, text))));
    match auth::erase(&pages.auth, desk.authority, account.id).await {
        Ok(()) => Ok(Outcome::Done),
        Err(EraseError::Forbidden) => Err(forbidden()),
        Err(EraseError::NotFound) => Err(Problem::not_found()),
        Err(EraseError::LastAdministrator) => {
            refused("This is the last administrator.", "Nothing was changed. Make another one first.")
        }
        Err(EraseError::OwnAccount) => {
            refused("This is your own account.", "Nothing was changed. Ask another administrator to do it.")
        }
        Err(EraseError::Storage(cause)) => Err(cause.into()),
    }
}

async fn change_invitation(pages: &Pages, desk: &Desk, account: &Account, deed: Deed) -> Result<Outcome, Problem> {
    let refused = |title, text| Ok(Outcome::Refused(StatusCode::CONFLICT, Some(Notice::failed(title, text))));
    let changed = if deed == Deed::Invite {
        auth::invite_again(&pages.auth, desk.authority, account.id).await.map(drop)
    } else {
        auth::withdraw_invitation(&pages.auth, desk.authority, account.id).await
    };
    match changed {
        Ok(()) => Ok(Outcome::Done),
        Err(ChangeInvitationError::Forbidden) => Err(forbidden()),
        Err(ChangeInvitationError::NotFound) => Err(Problem::not_found()),
        Err(ChangeInvitationError::NotInvited) => refused(
            "There is nobody to invite.",
            "They have a password by now, or were never invited. Nothing was changed.",
        ),
        Err(ChangeInvitationError::TooOften) => {
            refused("Too many were sent.", "Five invitations went to this address within an hour. Wait for a while.")
        }
        Err(ChangeInvitationError::Storage(cause)) => Err(cause.into()),
    }
}

enum Outcome {
    Done,
    Refused(StatusCode, Option<Notice>),
}

async fn carry_out(
    pages: &Pages,
    desk: &Desk,
    account: &Account,
    deed: Deed,
    asked: Asked,
) -> Result<Outcome, Problem> {
    let users = pages.auth.users();
    let change = match deed {
        Deed::SignOut => {
            return match sign_out_everywhere(users, desk.authority, account.id).await {
                Ok(()) => Ok(Outcome::Done),
                Err(SignOutEverywhereError::Forbidden) => Err(forbidden()),
                Err(SignOutEverywhereError::NotFound) => Err(Problem::not_found()),
                Err(SignOutEverywhereError::Storage(cause)) => Err(cause.into()),
            };
        }
        Deed::Unlock => {
            return match auth::unlock(&pages.auth, desk.authority, account.id).await {
                Ok(()) => Ok(Outcome::Done),
                Err(UnlockError::Forbidden) => Err(forbidden()),
                Err(UnlockError::NotFound) => Err(Problem::not_found()),
                Err(UnlockError::Storage(cause)) => Err(cause.into()),
            };
        }
        Deed::Erase => return erase(pages, desk, account).await,
        Deed::Invite | Deed::Withdraw => return change_invitation(pages, desk, account, deed).await,
        Deed::Ban => StatusChange::Suspend { until: asked.until },
        Deed::Lift => StatusChange::Reinstate,
        Deed::Delete => StatusChange::Delete,
        Deed::Restore => StatusChange::Restore,
    };
    let refused = |title, text| Ok(Outcome::Refused(StatusCode::CONFLICT, Some(Notice::failed(title, text))));
    match change_status(users, desk.authority, account.id, change, &asked.reason).await {
        Ok(()) => Ok(Outcome::Done),
        Err(ChangeStatusError::Forbidden) => Err(forbidden()),
        Err(ChangeStatusError::NotFound) => Err(Problem::not_found()),
        Err(ChangeStatusError::NotIn(_)) => refused(
            "Somebody was quicker.",
            "The account does not stand as it did when this page was made. Nothing was changed: look at it again.",
        ),
        Err(ChangeStatusError::TooLate) => refused(
            "It is too late.",
            "The account was deleted more than 30 days ago, or erased. Nothing can bring it back.",
        ),
        Err(ChangeStatusError::LastAdministrator) => refused(
            "This is the last administrator.",
            "Nothing was changed. Make another one first: nobody could bring this account back.",
        ),
        Err(ChangeStatusError::OwnAccount) => {
            refused("This is your own account.", "Nothing was changed. Ask another administrator to do it.")
        }
        Err(ChangeStatusError::Storage(cause)) => Err(cause.into()),
    }
}
