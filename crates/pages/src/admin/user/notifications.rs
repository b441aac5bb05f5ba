//! What a person was told, and how they can be reached.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Problem;
use notify::Filter;
use users::api::officer::NotificationsRead;
use users::may;

use super::pass::{Pass, Tab};
use crate::admin::messages::Row;
use crate::admin::{Console, Frame, Section};
use crate::{Pages, page};

/// How many deliveries are shown.
const SHOWN: u32 = 50;

#[derive(Template)]
#[template(path = "admin/user/notifications.html")]
struct NotificationsPage {
    frame: Frame,
    pass: Pass,
    rows: Vec<Row>,
    has_more: bool,
}

/// `GET /admin/users/{id}/notifications`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<NotificationsRead>,
) -> Result<Response, Problem> {
    console.desk.require(may::USERS_READ)?;
    let account = super::find(&pages, &id).await?;
    let now = pages.auth.clock().now();
    let filter = Filter { user: Some(account.id), ..Filter::default() };
    let mut found = pages.notify.deliveries(filter, None, SHOWN + 1).await?;
    let has_more = found.len() > SHOWN as usize;
    found.truncate(SHOWN as usize);
    let rows = found.into_iter().map(|delivery| Row::new(delivery, now)).collect();
    let pass = Pass::new(&pages, &console.desk, account, Tab::Notifications).await?;
    let frame = Frame::new(&pages, &console.desk, Section::Users);
    page(StatusCode::OK, &NotificationsPage { frame, pass, rows, has_more })
}
