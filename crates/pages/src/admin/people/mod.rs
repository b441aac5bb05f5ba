//! The list of people: found by words, narrowed by filters, in an order, page by page. All of it stands in
//! the address, so a list can be kept, sent, and gone back to.

mod asked;
pub mod bulk;
mod row;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use kernel::Problem;
use users::api::officer::UsersRead;
use users::search::{Count, Found, Sort, count_up_to, search};

use super::chart::grouped;
use super::{Console, Frame, Section};
use crate::form::Fields;
use crate::shell::Notice;
use crate::{Pages, page};

use asked::Asked;
use bulk::Errand;
use row::Row;

/// How many people a page has.
const LIMIT: u32 = 25;
/// People are counted up to here.
const MOST: u32 = 10_000;

/// The pages of this part.
pub fn router() -> Router<Arc<Pages>> {
    Router::new().route("/admin/users", get(show)).route("/admin/users/bulk", post(bulk::submit))
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct PeoplePage {
    frame: Frame,
    asked: Asked,
    rows: Vec<Row>,
    next: Option<String>,
    count: String,
    failed: bool,
    roles: Vec<String>,
    may_create: bool,
    errands: Vec<Errand>,
}

/// `GET /admin/users`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    console: Console<UsersRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let done = done(query.text("done"));
    let asked = Asked::read(pages.auth.users(), query);
    let book = pages.auth.users().roles.now();
    let frame = Frame::new(&pages, &console.desk, Section::Users).saying(done);
    let mut shown = PeoplePage {
        frame,
        rows: Vec::new(),
        next: None,
        count: String::new(),
        failed: false,
        roles: book.roles().map(|(name, _)| name.to_owned()).collect(),
        may_create: console.desk.may(users::may::USERS_WRITE),
        errands: Errand::ALL.into_iter().filter(|errand| console.desk.may(errand.permission())).collect(),
        asked,
    };
    if !shown.asked.errors.is_empty() {
        return page(StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    match find(&pages, &shown.asked).await {
        Ok((found, count)) => {
            let now = pages.auth.clock().now();
            let row = |account| Row::new(&pages, &console.desk, account, now);
            shown.rows = found.accounts.iter().map(row).collect();
            shown.next = found.next.map(|cursor| shown.asked.after(&cursor));
            shown.count = words(count);
            page(StatusCode::OK, &shown)
        }
        Err(problem) => {
            shown.failed = true;
            page(problem.status, &shown)
        }
    }
}

async fn find(pages: &Pages, asked: &Asked) -> Result<(Found, Count), Problem> {
    let users = pages.auth.users();
    let found = search(users, &asked.filter, asked.sort, asked.cursor.as_ref(), LIMIT).await?;
    Ok((found, count_up_to(users, &asked.filter, MOST).await?))
}

fn words(count: Count) -> String {
    match count {
        Count::Exactly(1) => "1 person".to_owned(),
        Count::Exactly(count) => format!("{} people", grouped(count)),
        Count::AtLeast(count) => format!("More than {} people", grouped(count)),
    }
}

/// The words for what a form did that leads here.
fn done(code: &str) -> Option<Notice> {
    (code == "nobody").then_some(Notice::failed(
        "No one was chosen.",
        "Tick the people that you mean, 1,000 at most, or all that match.",
    ))
}

impl PeoplePage {
    /// The order in words.
    fn order(&self) -> &'static str {
        asked::order(self.asked.sort)
    }
}
