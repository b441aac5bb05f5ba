//! The keys that tokens are signed with: which there are, making the next one, and taking one back.

use std::sync::Arc;

use askama::Template;
use auth::keys::{KeyInfo, RotateError, WithdrawError};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use kernel::id::KeyId;
use kernel::{Problem, Timestamp};
use users::api::officer::{KeysRead, KeysWrite, forbidden};
use users::{Reason, may};

use super::{Console, ConsoleForm, Desk, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::moment::Moment;
use crate::shell::{Mistakes, Notice};
use crate::{Pages, page};

/// The pages of keys.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin/keys", get(show))
        .route("/admin/keys/rotate", get(ask_rotate).post(rotate))
        .route("/admin/keys/{id}/withdraw", get(ask_withdraw).post(withdraw))
}

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct KeysPage {
    frame: Frame,
    keys: Vec<Row>,
    may_write: bool,
    days: u32,
}

/// A key, as it is shown.
struct Row {
    id: String,
    algorithm: &'static str,
    word: &'static str,
    tone: &'static str,
    shape: &'static str,
    meaning: &'static str,
    created: Moment,
    signs_from: String,
    signs_exact: String,
    can_be_withdrawn: bool,
}

impl Row {
    fn new(key: &KeyInfo, now: Timestamp) -> Self {
        let (word, tone, shape, meaning) = match key.state {
            "signing" => ("Signing", "ok", "", "New tokens are signed with it."),
            "next" => {
                ("Next", "brand", "ring", "Published already, so that every service knows it when it begins to sign.")
            }
            "retiring" => ("Retiring", "", "ring", "Published until the last token that it signed has expired."),
            _ => ("Withdrawn", "danger", "bar", "What it signed is refused everywhere."),
        };
        let begins = key.signs_from > now;
        Self {
            id: key.id.to_string(),
            algorithm: key.algorithm.name(),
            word,
            tone,
            shape,
            meaning,
            created: Moment::new(key.created_at, now),
            signs_from: if begins {
                format!("in {} minutes", key.signs_from.since(now).as_secs().div_ceil(60))
            } else {
                Moment::new(key.signs_from, now).words
            },
            signs_exact: key.signs_from.to_string(),
            can_be_withdrawn: key.state != "withdrawn",
        }
    }
}

/// `GET /admin/keys`
async fn show(State(pages): State<Arc<Pages>>, console: Console<KeysRead>, query: Fields) -> Result<Response, Problem> {
    let now = pages.auth.clock().now();
    let mut keys: Vec<Row> = pages.auth.keys().list().iter().map(|key| Row::new(key, now)).collect();
    let order = |row: &Row| ["Signing", "Next", "Retiring"].iter().position(|word| *word == row.word).unwrap_or(3);
    keys.sort_by_key(order);
    let notice = done(query.text("done"));
    page(
        StatusCode::OK,
        &KeysPage {
            frame: Frame::new(&pages, &console.desk, Section::Keys).saying(notice),
            keys,
            may_write: console.desk.may(may::KEYS_WRITE),
            days: pages.auth.settings().tokens.rotation_days,
        },
    )
}

/// The words for what was done. The code comes from the address bar, so it chooses among fixed texts.
fn done(code: &str) -> Option<Notice> {
    match code {
        "rotated" => Some(Notice::done("A new key is published.", "It begins to sign when every service can know it.")),
        "withdrawn" => {
            Some(Notice::done("The key is withdrawn.", "What it signed is refused everywhere in under 1 s."))
        }
        _ => None,
    }
}

/// A question about keys.
#[derive(Template)]
#[template(path = "admin/key-question.html")]
struct Question {
    frame: Frame,
    /// The key that is to be withdrawn; none for a new one.
    key: Option<Row>,
    reason: String,
    mistakes: Mistakes,
}

impl Question {
    fn action(&self) -> String {
        match &self.key {
            Some(key) => format!("/admin/keys/{}/withdraw", key.id),
            None => "/admin/keys/rotate".to_owned(),
        }
    }

    const fn verb(&self) -> &'static str {
        if self.key.is_some() { "Withdraw this key" } else { "Make a new key" }
    }
}

/// `GET /admin/keys/rotate`
async fn ask_rotate(State(pages): State<Arc<Pages>>, console: Console<KeysWrite>) -> Result<Response, Problem> {
    let frame = Frame::new(&pages, &console.desk, Section::Keys);
    let question = Question { frame, key: None, reason: String::new(), mistakes: Mistakes::default() };
    page(StatusCode::OK, &question)
}

/// `POST /admin/keys/rotate`
async fn rotate(State(pages): State<Arc<Pages>>, form: ConsoleForm<KeysWrite>) -> Result<Response, Problem> {
    match pages.auth.keys().rotate(form.desk.authority).await {
        Ok(()) => Ok(see_other("/admin/keys?done=rotated")),
        Err(RotateError::Forbidden) => Err(forbidden()),
        Err(RotateError::Keys(cause)) => Err(broken(&cause)),
    }
}

/// `GET /admin/keys/{id}/withdraw`
async fn ask_withdraw(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<KeysWrite>,
) -> Result<Response, Problem> {
    let (_, key) = find(&pages, &id)?;
    ask(&pages, &console.desk, key, "", Mistakes::default())
}

/// `POST /admin/keys/{id}/withdraw`
async fn withdraw(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<KeysWrite>,
) -> Result<Response, Problem> {
    let (key_id, key) = find(&pages, &id)?;
    let typed = form.fields.text("reason");
    let reason = match Reason::parse(typed) {
        Ok(reason) if !reason.is_empty() => reason,
        Ok(_) => {
            let mistakes =
                Mistakes::one("reason", "missing", "Write why. A colleague who looks at this later needs it.");
            return ask(&pages, &form.desk, key, typed, mistakes);
        }
        Err(wrong) => {
            return ask(&pages, &form.desk, key, typed, Mistakes::one("reason", "invalid_reason", wrong.to_string()));
        }
    };
    match pages.auth.keys().withdraw(key_id, form.desk.authority, &reason).await {
        Ok(()) => Ok(see_other("/admin/keys?done=withdrawn")),
        Err(WithdrawError::Forbidden) => Err(forbidden()),
        Err(WithdrawError::NotFound) => Err(Problem::not_found()),
        Err(WithdrawError::Keys(cause)) => Err(broken(&cause)),
    }
}

/// A key that can be withdrawn.
fn find(pages: &Pages, id: &str) -> Result<(KeyId, Row), Problem> {
    let id: KeyId = id.parse().map_err(|_| Problem::not_found())?;
    let found = pages.auth.keys().list().into_iter().find(|key| key.id == id);
    let row = found.map(|key| Row::new(&key, pages.auth.clock().now())).filter(|row| row.can_be_withdrawn);
    Ok((id, row.ok_or_else(Problem::not_found)?))
}

fn ask(pages: &Pages, desk: &Desk, key: Row, reason: &str, mistakes: Mistakes) -> Result<Response, Problem> {
    let status = if mistakes.is_failed() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let frame = Frame::new(pages, desk, Section::Keys);
    page(status, &Question { frame, key: Some(key), reason: reason.to_owned(), mistakes })
}

fn broken(cause: &auth::keys::KeysError) -> Problem {
    tracing::error!(%cause, "a signing key could not be changed");
    Problem::internal()
}
