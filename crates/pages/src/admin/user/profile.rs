//! What a person says of themselves.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Problem;
use users::api::officer::UsersRead;

use super::deed;
use super::pass::{Pass, Tab};
use crate::admin::{Console, Frame, Section};
use crate::form::Fields;
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/user/profile.html")]
struct ProfilePage {
    frame: Frame,
    pass: Pass,
}

/// `GET /admin/users/{id}`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<UsersRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let account = super::find(&pages, &id).await?;
    let pass = Pass::new(&pages, &console.desk, account, Tab::Profile).await?;
    let frame = Frame::new(&pages, &console.desk, Section::Users).saying(deed::done(query.text("done")));
    page(StatusCode::OK, &ProfilePage { frame, pass })
}
