//! The bar above the pages of somebody who is signed in: where they can go, and what waits for them.

use kernel::Problem;
use users::avatar::tint;
use users::{Account, DisplayName};

use crate::browser::Visitor;
use crate::csrf::Binding;
use crate::shell::{initials, picture};
use crate::{Pages, admin};

/// The largest number that is written out.
const MOST: i64 = 99;

/// Which of the pages it stands above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// The account.
    Account,
    /// The inbox.
    Inbox,
}

/// What is in the bar.
pub struct Bar {
    pub(crate) here: Here,
    pub(crate) csrf: String,
    pub(crate) called: String,
    pub(crate) email: String,
    pub(crate) initials: String,
    /// The address of their picture, if it is kept here.
    pub(crate) picture: Option<String>,
    pub(crate) tint: u8,
    /// How many messages they have not read.
    pub(crate) unread: i64,
    /// Whether any page of the console is open to them.
    pub(crate) sees_console: bool,
}

impl Bar {
    /// For somebody who is signed in.
    pub async fn new(pages: &Pages, visitor: &Visitor, here: Here) -> Result<Self, Problem> {
        let unread = notify::in_app::unread(&pages.notify, visitor.account.id).await?;
        let account: &Account = &visitor.account;
        let called = account.name.as_ref().map_or(account.email.as_str(), DisplayName::as_str).to_owned();
        Ok(Self {
            here,
            csrf: Binding::Session(visitor.session.id).token(pages.auth.cookie_key()),
            initials: initials(&called),
            called,
            email: account.email.as_str().to_owned(),
            picture: picture(account, 256),
            tint: tint(account.id),
            unread,
            sees_console: admin::first_section(pages, account).is_some(),
        })
    }

    /// How many messages they have not read, where there is little room.
    pub fn unread_in_short(&self) -> String {
        if self.unread > MOST { format!("{MOST}+") } else { self.unread.to_string() }
    }
}
