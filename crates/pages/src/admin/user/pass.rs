//! The head of a person's pages: who it is, how they stand, and what the visitor may do about it.

use std::time::Duration;

use auth::{Invitation, Session};
use kernel::{Kind, Problem, Timestamp};
use users::{Account, Status, history, may};

use super::deed::Deed;
use crate::Pages;
use crate::admin::standing::Standing;
use crate::admin::{Desk, Face};
use crate::moment::Moment;

/// One of the pages of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// What they say of themselves.
    Profile,
    /// What they may do.
    Roles,
    /// Where they are signed in.
    Sessions,
    /// How the account is kept.
    Security,
    /// What happened.
    History,
    /// What they were told.
    Notifications,
}

impl Tab {
    const ALL: [Self; 6] =
        [Self::Profile, Self::Roles, Self::Sessions, Self::Security, Self::History, Self::Notifications];

    /// Its words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Profile => "Profile",
            Self::Roles => "Roles",
            Self::Sessions => "Sessions",
            Self::Security => "Security",
            Self::History => "History",
            Self::Notifications => "Notifications",
        }
    }

    /// What it is read with, beside the permission to read accounts.
    const fn permission(self) -> &'static str {
        match self {
            Self::Profile | Self::Roles | Self::Sessions | Self::Security => may::USERS_READ,
            Self::History => may::AUDIT_READ,
            Self::Notifications => may::NOTIFICATIONS_READ,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Profile => "",
            Self::Roles => "/roles",
            Self::Sessions => "/sessions",
            Self::Security => "/security",
            Self::History => "/history",
            Self::Notifications => "/notifications",
        }
    }
}

/// A tab, as it is shown.
pub struct Place {
    /// Which.
    pub tab: Tab,
    /// Where it is.
    pub address: String,
    /// How many things are behind it, if that is worth saying.
    pub count: Option<usize>,
}

/// Something that the visitor may do, as it is shown.
pub struct Offer {
    /// What.
    pub deed: Deed,
    /// Where it is asked about.
    pub address: String,
}

/// Why somebody is kept out.
pub struct Ban {
    /// As it was written.
    pub reason: Option<String>,
    /// Who did it, if it was somebody with an account.
    pub by: Option<String>,
    /// When.
    pub at: Moment,
    /// Until when, if it ends by itself.
    pub until: Option<Moment>,
    /// Its number in the ledger.
    pub entry: i64,
}

/// How far back in a history the ban is looked for that is in force.
const LOOK_BACK: u32 = 50;

/// For how long a page looks again how far a ban has got.
const LATELY: Duration = Duration::from_secs(120);

/// The ban that is in force, as the ledger has it.
async fn ban(pages: &Pages, desk: &Desk, account: &Account, now: Timestamp) -> Result<Option<Ban>, Problem> {
    if account.status != Status::Suspended || !desk.may(may::AUDIT_READ) {
        return Ok(None);
    }
    let mut read = pages.auth.db().read().await?;
    let entries = history::of_account(&mut read, account.id, None, LOOK_BACK).await?;
    let Some(entry) = entries.into_iter().find(|entry| entry.kind == Kind::AccountSuspended.as_str()) else {
        return Ok(None);
    };
    let by = match entry.actor {
        Some(actor) => users::account::find(&mut read, actor).await?.map(|account| Face::new(&account).name),
        None => None,
    };
    Ok(Some(Ban {
        reason: entry.facts.reason,
        by,
        at: Moment::new(entry.at, now),
        until: entry.facts.until.map(Moment::date),
        entry: entry.index,
    }))
}

/// Whether the visitor has at least the rights of this person.
fn may_touch(pages: &Pages, desk: &Desk, account: &Account) -> bool {
    let book = pages.auth.users().roles.now();
    desk.visitor.account.id == account.id || account.roles.iter().all(|role| desk.may_hand(&book, role))
}

/// What the visitor can do about this person.
pub fn offers(pages: &Pages, desk: &Desk, account: &Account) -> Vec<Deed> {
    let own = desk.visitor.account.id == account.id;
    let may_touch = may_touch(pages, desk, account);
    Deed::ALL
        .into_iter()
        .filter(|deed| may_touch && deed.is_for(account.status) && desk.may(deed.permission()))
        .filter(|_| account.erased_at.is_none())
        .filter(|deed| !(own && deed.is_never_for_oneself()))
        .collect()
}

/// The head of a person's pages.
pub struct Pass {
    /// Who.
    pub account: Account,
    /// How they are shown.
    pub face: Face,
    /// Where their pages begin.
    pub address: String,
    /// How they stand.
    pub standing: Standing,
    /// The invitation that waits for them, if one does.
    pub invitation: Option<Invitation>,
    /// When the account was made.
    pub since: Moment,
    /// When somebody last signed in.
    pub seen: Option<Moment>,
    /// Where they are signed in, newest first.
    pub sessions: Vec<Session>,
    /// Which page this is.
    pub here: Tab,
    /// Whether the visitor has at least the rights of this person: otherwise nothing can be done here.
    pub may_touch: bool,
    /// What can be done.
    pub offers: Vec<Offer>,
    /// Why and by whom they are banned, if they are and the visitor may read it.
    pub ban: Option<Ban>,
    /// Whether that happened a moment ago, as far as the visitor may know.
    pub is_banned_lately: bool,
    tabs: Vec<Tab>,
}

impl Pass {
    /// Of this account, for whoever sits at this desk.
    pub async fn new(pages: &Pages, desk: &Desk, account: Account, here: Tab) -> Result<Self, Problem> {
        let now = pages.auth.clock().now();
        let sessions = auth::session::list(&pages.auth, account.id, None, kernel::page::MAX_LIMIT).await?;
        let may_touch = may_touch(pages, desk, &account);
        let address = format!("/admin/users/{}", account.id);
        let offers = offers(pages, desk, &account)
            .into_iter()
            .map(|deed| Offer { deed, address: deed.address(&account) })
            .collect();
        let ban = ban(pages, desk, &account, now).await?;
        let is_banned = account.status == Status::Suspended && desk.may(may::AUDIT_READ);
        let may_be_invited = account.status == Status::Active && account.last_login_at.is_none();
        let invitation = if may_be_invited { auth::pending_invitation(&pages.auth, account.id).await? } else { None };
        Ok(Self {
            face: Face::large(&account),
            address,
            standing: if invitation.is_some() { Standing::INVITED } else { Standing::of(account.status) },
            invitation,
            since: Moment::new(account.created_at, now),
            seen: account.last_login_at.map(|then| Moment::new(then, now)),
            sessions,
            here,
            may_touch,
            offers,
            ban,
            is_banned_lately: is_banned && now.since(account.updated_at) < LATELY,
            tabs: Tab::ALL.into_iter().filter(|tab| desk.may(tab.permission())).collect(),
            account,
        })
    }

    /// The tabs, as they are shown.
    pub fn places(&self) -> Vec<Place> {
        let count = |tab| match tab {
            Tab::Profile | Tab::Security | Tab::History | Tab::Notifications => None,
            Tab::Roles => Some(self.account.roles.len()),
            Tab::Sessions => Some(self.sessions.len()),
        };
        let address = |tab: Tab| format!("{}{}", self.address, tab.path());
        self.tabs.iter().map(|&tab| Place { tab, address: address(tab), count: count(tab) }).collect()
    }

    /// Where a tab is, with what has just been done.
    pub fn after(account: &Account, tab: Tab, done: &str) -> String {
        format!("/admin/users/{}{}?done={done}", account.id, tab.path())
    }

    /// On how many devices somebody is signed in, in words.
    pub fn devices(&self) -> String {
        match (self.account.status, self.sessions.len()) {
            (Status::Suspended | Status::Deleted, _) | (Status::Active, 0) => "Signed in nowhere".to_owned(),
            (Status::Active, 1) => "Signed in on 1 device".to_owned(),
            (Status::Active, count) => format!("Signed in on {count} devices"),
        }
    }
}
