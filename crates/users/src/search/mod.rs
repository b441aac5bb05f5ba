//! Finding accounts among very many: a filter, an order, a page.
//!
//! A page is found by walking along the index of its order and asking each row whether it is one of those wanted.
//! That is quick where many are. Where few are, an index of what they have in common names them all, and they are
//! put in order. Which it is shows at once: a short walk that finds too little, and then a count that stops early.
//! What neither does quickly (many have the one and many the other, and hardly anybody both) is walked for a bounded
//! time, and the page says how far it came.
//!
//! `raw` is a filter as it was typed, `filter` what it means, `sort` the orders, `cursor` a place in one of them,
//! `statement` puts the SQL together; `walk` is the one way, `few` the other, with `letters` for texts; `text` keeps what is searched up to date.

mod cursor;
mod few;
mod filter;
mod fold;
mod letters;
mod pending;
mod raw;
mod sort;
mod statement;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod text_search;
mod walk;

use kernel::UserId;
use storage::Connection;

use crate::{Account, Users};

pub use cursor::{Cursor, InvalidCursor};
pub use filter::Filter;
pub(crate) use fold::fold;
pub use pending::fold_pending;
pub use raw::{InvalidPart, RawFilter};
pub use sort::Sort;
pub(crate) use statement::{Statement, Value};

pub use text_search::{InvalidSearchText, SearchText};

use sort::{Order, Place};
use walk::Walk;

/// A page.
#[derive(Clone, Debug)]
pub struct Found {
    /// The accounts, in order. There may be fewer than asked for, or none, although there are more to come: a page
    /// ends after so many rows, or so much time, too.
    pub accounts: Vec<Account>,
    /// Where the following page begins; nothing after the last.
    pub next: Option<Cursor>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u32),
    /// So many at least: whoever wanted to know did not want to know more, or to wait longer.
    AtLeast(u32),
}

/// A page of the accounts that the filter wants, at most `limit`, behind `cursor`.
pub async fn search(
    users: &Users,
    filter: &Filter,
    sort: Sort,
    cursor: Option<&Cursor>,
    limit: u32,
) -> storage::Result<Found> {
    let mut read = users.db.read().await?;
    let mut walk = Walk::new(filter, Order::By(sort), cursor.map(|cursor| cursor.place.clone()));
    let accounts = walk.page(&mut read, limit).await?;
    let next = walk.place().map(|place| Cursor::new(filter, sort, place.clone()));
    Ok(Found { accounts, next })
}

/// Accounts that the filter wants in the order of their ids, at most `limit` behind `after`, and whom the following
/// are behind; nobody after the last. There may be fewer, or none, as on any page.
pub async fn page_by_id(
    users: &Users,
    filter: &Filter,
    after: Option<UserId>,
    limit: u32,
) -> storage::Result<(Vec<Account>, Option<UserId>)> {
    let place = after.map(|id| Place { key: sort::Key::Nothing, id });
    let mut walk = Walk::new(filter, Order::Id, place);
    let accounts = walk.page(&mut users.db.read().await?, limit).await?;
    Ok((accounts, walk.place().map(|place| place.id)))
}

/// How many accounts the filter wants, counted up to `most`.
pub async fn count_up_to(users: &Users, filter: &Filter, most: u32) -> storage::Result<Count> {
    let mut read = users.db.read().await?;
    Walk::new(filter, Order::Id, None).count(&mut read, most).await
}

/// The ids of accounts that the filter wants, in their order, behind `after`: exactly `limit` of them unless these
/// are the last. For work that goes on in the background, and may take its time.
pub async fn ids_after(
    on: &mut impl Connection,
    filter: &Filter,
    after: Option<UserId>,
    limit: u32,
) -> storage::Result<Vec<UserId>> {
    let place = after.map(|id| Place { key: sort::Key::Nothing, id });
    Walk::new(filter, Order::Id, place).ids(on, limit).await
}
