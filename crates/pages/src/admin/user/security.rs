//! How a person's account is kept: the password, locks, and who tried to come in lately.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Kind, Problem, Timestamp};
use users::api::officer::UsersRead;
use users::{Status, history, may};

use super::deed::Deed;
use super::pass::{Offer, Pass, Tab};
use crate::admin::happening::Happening;
use crate::admin::{Console, Frame, Section};
use crate::moment::Moment;
use crate::{Pages, page};

/// What of a history is about coming in.
const KINDS: [Kind; 8] = [
    Kind::SessionStarted,
    Kind::SignInFailed,
    Kind::AccountLocked,
    Kind::AccountUnlocked,
    Kind::PasswordChanged,
    Kind::PasswordResetRequested,
    Kind::PasswordReset,
    Kind::RefreshTokenReused,
];
/// How far back in a history these are looked for.
const LOOK_BACK: u32 = 200;
/// How many of them are shown.
const MOST: usize = 20;

#[derive(Template)]
#[template(path = "admin/user/security.html")]
struct SecurityPage {
    frame: Frame,
    pass: Pass,
    password: Option<PasswordRow>,
    locks: Vec<LockRow>,
    unlock: Option<String>,
    /// What can be done about an account without a password.
    invitations: Vec<Offer>,
    /// Until when they can accept.
    invited_until: Option<Moment>,
    /// Nothing for those who may not read the ledger.
    recent: Option<Vec<Recent>>,
}

struct PasswordRow {
    changed: Moment,
    confirmed: Option<Moment>,
    is_own: bool,
}

struct LockRow {
    whom: &'static str,
    until: Moment,
}

struct Recent {
    happening: Happening,
    at: Moment,
}

/// `GET /admin/users/{id}/security`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
) -> Result<Response, Problem> {
    let account = super::find(&pages, &id).await?;
    let now = pages.auth.clock().now();
    let security = auth::security(&pages.auth, &account).await?;
    let recent = if console.desk.may(may::AUDIT_READ) { Some(recent(&pages, &account, now).await?) } else { None };
    let pass = Pass::new(&pages, &console.desk, account, Tab::Security).await?;
    let unlock = pass.offers.iter().find(|offer| offer.deed == Deed::Unlock).map(|offer| offer.address.clone());
    let is_open = security.password.is_none() && pass.account.status == Status::Active && pass.may_touch;
    let may_offer = |deed: &Deed| {
        is_open && console.desk.may(deed.permission()) && (*deed == Deed::Invite || pass.invitation.is_some())
    };
    let offered = Deed::OF_INVITATIONS.into_iter().filter(may_offer);
    let invitations = offered.map(|deed| Offer { deed, address: deed.address(&pass.account) }).collect();
    let invited_until = pass.invitation.map(|invitation| Moment::precise(invitation.expires_at));
    let password = security.password.map(|facts| PasswordRow {
        changed: Moment::new(facts.changed_at, now),
        confirmed: facts.confirmed_at.map(|then| Moment::new(then, now)),
        is_own: facts.is_own,
    });
    let lock = |lock: auth::Lock| LockRow {
        whom: if lock.for_strangers { "For browsers that did not sign in here before" } else { "For one browser" },
        until: Moment::precise(lock.until),
    };
    let locks = security.locks.into_iter().map(lock).collect();
    let frame = Frame::new(&pages, &console.desk, Section::Users);
    page(StatusCode::OK, &SecurityPage { frame, pass, password, locks, unlock, invitations, invited_until, recent })
}

async fn recent(pages: &Pages, account: &users::Account, now: Timestamp) -> Result<Vec<Recent>, Problem> {
    let mut read = pages.auth.db().read().await?;
    let entries = history::of_account(&mut read, account.id, None, LOOK_BACK).await?;
    let about_coming_in = entries.into_iter().filter(|entry| KINDS.iter().any(|kind| kind.as_str() == entry.kind));
    let row =
        |entry: history::HistoryEntry| Recent { happening: Happening::of(&entry.kind), at: Moment::new(entry.at, now) };
    Ok(about_coming_in.take(MOST).map(row).collect())
}
