//! One person in the list.

use kernel::Timestamp;
use users::Account;

use crate::Pages;
use crate::admin::standing::Standing;
use crate::admin::user::deed::Deed;
use crate::admin::user::offers;
use crate::admin::{Desk, Face};
use crate::moment::Moment;

/// How many roles a row has room for.
const ROLES: usize = 2;

/// As the list shows somebody.
pub struct Row {
    /// Their account's id.
    pub id: String,
    /// How they are shown.
    pub face: Face,
    /// Their address.
    pub email: String,
    /// How they stand.
    pub standing: Standing,
    /// The roles that there is room for.
    pub roles: Vec<String>,
    /// How many more they have.
    pub more_roles: usize,
    /// Whether their address is verified.
    pub verified: bool,
    /// When they last signed in.
    pub seen: Option<Moment>,
    /// When the account was made.
    pub created: Moment,
    /// What can be done, with where it is asked about.
    pub offers: Vec<(Deed, String)>,
}

impl Row {
    /// Of this account, for whoever sits at this desk.
    pub fn new(pages: &Pages, desk: &Desk, account: &Account, now: Timestamp) -> Self {
        let offers = offers(pages, desk, account).into_iter().map(|deed| (deed, deed.address(account))).collect();
        let mut roles = account.roles.clone();
        let more_roles = roles.len().saturating_sub(ROLES);
        roles.truncate(ROLES);
        Self {
            id: account.id.to_string(),
            face: Face::new(account),
            standing: Standing::of(account.status),
            verified: account.email_verified,
            seen: account.last_login_at.map(|then| Moment::brief(then, now)),
            created: Moment::date(account.created_at),
            email: account.email.as_str().to_owned(),
            roles,
            more_roles,
            offers,
        }
    }
}
