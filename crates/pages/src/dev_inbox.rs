//! The development inbox: the mail that a server without a mail provider keeps instead of sending it. Where there is
//! none, nothing is at these addresses.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use kernel::Problem;
use kernel::id::DeliveryId;
use notify::DevelopmentMail;

use crate::browser::FormToken;
use crate::entry::see_other;
use crate::form::{Fields, SignedOutForm};
use crate::moment::Moment;
use crate::{Pages, page};

/// How many mails are listed.
const LISTED: u32 = 100;

/// The pages of this part.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/dev/inbox", get(list))
        .route("/dev/inbox/clear", post(clear))
        .route("/dev/inbox/{id}", get(show))
        .route("/dev/mail/{id}", get(body))
}

/// What is shown of a mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Html,
    Text,
    Source,
}

impl View {
    const ALL: [Self; 3] = [Self::Html, Self::Text, Self::Source];

    const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "text",
            Self::Source => "source",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Html => "HTML",
            Self::Text => "Plain text",
            Self::Source => "Source",
        }
    }

    fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|view| view.name() == name).unwrap_or(Self::Html)
    }
}

/// A mail in the list.
struct Line {
    id: DeliveryId,
    subject: String,
    preview: String,
    address: String,
    language: String,
    at: Moment,
}

#[derive(Template)]
#[template(path = "dev-inbox.html")]
struct InboxPage<'a> {
    csrf: &'a str,
    lines: Vec<Line>,
    mail: Option<DevelopmentMail>,
    view: View,
}

impl InboxPage<'_> {
    fn is_open(&self, line: &Line) -> bool {
        self.mail.as_ref().is_some_and(|mail| mail.id == line.id)
    }
}

/// `GET /dev/inbox`
async fn list(State(pages): State<Arc<Pages>>, token: FormToken) -> Result<Response, Problem> {
    render(&pages, token, None, View::Html).await
}

/// `GET /dev/inbox/{id}`
async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    token: FormToken,
    query: Fields,
) -> Result<Response, Problem> {
    let mail = find(&pages, &id).await?;
    render(&pages, token, Some(mail), View::of(query.text("view"))).await
}

async fn find(pages: &Pages, id: &str) -> Result<DevelopmentMail, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    pages.notify.development_mail(id).await?.ok_or_else(Problem::not_found)
}

async fn render(
    pages: &Pages,
    token: FormToken,
    mail: Option<DevelopmentMail>,
    view: View,
) -> Result<Response, Problem> {
    if !pages.notify.has_development_inbox() {
        return Err(Problem::not_found());
    }
    let now = pages.auth.clock().now();
    let mails = pages.notify.development_mails(LISTED).await?;
    let line = |mail: DevelopmentMail| Line {
        id: mail.id,
        at: Moment::brief(mail.at, now),
        subject: mail.subject,
        preview: mail.preview,
        address: mail.address,
        language: mail.language,
    };
    let lines = mails.into_iter().map(line).collect();
    let shown = page(StatusCode::OK, &InboxPage { csrf: &token.token, lines, mail, view })?;
    token.bind(shown)
}

/// `GET /dev/mail/{id}`: the mail as a mail program shows it, for the frame. The gateway lets it do nothing but that.
async fn body(State(pages): State<Arc<Pages>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let mail = find(&pages, &id).await?;
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")], mail.html).into_response())
}

/// `POST /dev/inbox/clear`
async fn clear(State(pages): State<Arc<Pages>>, SignedOutForm(_): SignedOutForm) -> Result<Response, Problem> {
    if !pages.notify.has_development_inbox() {
        return Err(Problem::not_found());
    }
    pages.notify.clear_development_mails().await?;
    Ok(see_other("/dev/inbox"))
}
