//! Everybody's own inbox: `/api/v1/notifications`.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode};
use kernel::id::NotificationId;
use kernel::page::{DEFAULT_LIMIT, limit_of};
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Page, PageQuery, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Notify;
use crate::in_app::{self, NotNow, ReadNotificationError, Shown, Wanted};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A message in somebody's inbox. Its words are those of their language now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Notification)]
pub struct NotificationView {
    id: NotificationId,
    /// What it is for: `security`, `account`, `product`, `marketing`, or one of the application's own.
    category: String,
    /// What it says, by name.
    template: String,
    /// What it says in a few words: text, not HTML.
    title: String,
    /// What it says: text, not HTML.
    text: String,
    /// Where to go for more.
    link: Option<String>,
    /// The words on a button that leads there.
    button: Option<String>,
    /// The language of the words (BCP 47).
    language: String,
    /// When what it tells of happened.
    created_at: Timestamp,
    /// When it was read; null until then.
    read_at: Option<Timestamp>,
}

impl From<Shown> for NotificationView {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.id,
            category: shown.category,
            template: shown.template,
            title: shown.title,
            text: shown.text,
            link: shown.link,
            button: shown.button,
            language: shown.language,
            created_at: shown.at,
            read_at: shown.read_at,
        }
    }
}

/// A page of an inbox.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Inbox {
    /// The messages, newest first.
    items: Vec<NotificationView>,
    /// Pass it as `cursor` to get the following page; null on the last.
    next: Option<String>,
    /// How many of all of them were not read.
    unread: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxQuery {
    unread: Option<String>,
    category: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

fn unclear() -> Problem {
    Problem::bad_request(
        "invalid_query",
        "Use `unread` with true or false, `category`, `limit` with a number, and `cursor`.",
    )
}

impl InboxQuery {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let unread = match self.unread.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(unclear()),
        };
        let category = self.category.clone();
        if category.as_ref().is_some_and(|name| name.is_empty() || name.len() > 64 || name.contains('\0')) {
            let message = "Use the name of a category, like security.";
            return Err(Problem::invalid_input(vec![FieldError::new("category", "invalid_filter", message)]));
        }
        Ok(Wanted { unread, category })
    }
}

/// My messages
///
/// Newest first. They are kept for 180 days, the newest 1,000 of them.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "Notifications", security(("access_token" = [])),
    params(
        ("unread" = Option<bool>, Query, description = "Only those that were not read."),
        ("category" = Option<String>, Query, max_length = 64, description = "Only those of this category."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Messages on a page: 50 unless said."),
        ("cursor" = Option<String>, Query, max_length = 64, description = "The `next` of the page before.")),
    responses((status = 200, description = "A page of them, and how many in all were not read.", body = Inbox),
        (status = 400, description = "`invalid_query`: a parameter is not known or cannot be read.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the category or the cursor is none.", body = ProblemDocument)))]
pub(super) async fn list_notifications(
    caller: Caller,
    State(notify): State<Notify>,
    query: Result<Query<InboxQuery>, QueryRejection>,
) -> Result<Json<Inbox>, Problem> {
    let Query(query) = query.map_err(|_| unclear())?;
    let wanted = query.wanted()?;
    let limit = match &query.limit {
        None => DEFAULT_LIMIT,
        Some(text) => limit_of(text).ok_or_else(unclear)?,
    };
    let before = PageQuery::of_cursor(query.cursor).after::<NotificationId>()?;
    let account = users::account::find(&mut notify.db().read().await?, caller.user).await?;
    let account = account.ok_or_else(Problem::not_found)?;
    let found = in_app::list(&notify, &account, &wanted, before, limit + 1).await?;
    // Counted after they are read: what comes in between is in the number and not in the list yet, never the other way.
    let unread = in_app::unread(&notify, caller.user).await?;
    let views = found.into_iter().map(NotificationView::from).collect();
    let Page { items, next } = Page::from_rows(views, limit, |view: &NotificationView| view.id);
    Ok(Json(Inbox { items, next, unread }))
}

/// I have read this
///
/// One that was read before stays as it is.
#[utoipa::path(post, path = "/api/v1/notifications/{id}/read", tag = "Notifications", security(("access_token" = [])),
    params(("id" = NotificationId, Path, description = "The message.")),
    responses((status = 204, description = "It counts as read."),
        (status = 404, description = "`not_found`: there is none, or it is somebody else's.", body = ProblemDocument)))]
pub(super) async fn read_notification(
    caller: Caller,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    in_app::mark_read(&notify, caller.user, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpTo {
    up_to: Option<String>,
}

/// I have read everything
///
/// With `up_to`, everything up to that message: what came after you looked stays new.
#[utoipa::path(post, path = "/api/v1/notifications/read-all", tag = "Notifications", security(("access_token" = [])),
    params(("up_to" = Option<NotificationId>, Query, description = "The newest message that you have seen.")),
    responses((status = 204, description = "They count as read."),
        (status = 400, description = "`invalid_query`: a parameter is not known, or is no id.", body = ProblemDocument)))]
pub(super) async fn read_all_notifications(
    caller: Caller,
    State(notify): State<Notify>,
    query: Result<Query<UpTo>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let unclear = || Problem::bad_request("invalid_query", "Use `up_to` with the id of a message, or leave it out.");
    let Query(UpTo { up_to }) = query.map_err(|_| unclear())?;
    let up_to = up_to.map(|id| id.parse().map_err(|_| unclear())).transpose()?;
    in_app::mark_all_read(&notify, caller.user, up_to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Watch my inbox
///
/// Server-sent events: `notification` for each new message, with the message as a list has it and how many are
/// `unread`; `unread` whenever only that has changed, or more came at once than are told one by one; a comment every 15
/// seconds. The first says how many there are. Whoever comes back with `Last-Event-ID` is told what they missed. It
/// ends after a quarter of an hour, and when the caller is not trusted any more: come back then.
#[utoipa::path(get, path = "/api/v1/notifications/stream", tag = "Notifications", security(("access_token" = [])),
    params(("Last-Event-ID" = Option<i64>, Header, description = "The id of the last event that is known.")),
    responses((status = 200, description = "The stream.", content_type = "text/event-stream", body = String),
        (status = 400, description = "`invalid_query`: `Last-Event-ID` is no number.", body = ProblemDocument),
        (status = 503, description = "`too_many_streams`: close another one, or come back.", body = ProblemDocument)))]
pub(super) async fn watch_notifications(
    caller: Caller,
    State(notify): State<Notify>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    Ok(notify.listen(caller.user, caller.session, last_event(&headers)?).await?.into_response())
}

/// What an `EventSource` that comes back says that it knows.
pub fn last_event(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = id.to_str().ok().and_then(|id| id.parse().ok());
    let unclear =
        || Problem::bad_request("invalid_query", "Send the `id` of an event as `Last-Event-ID`, or leave it out.");
    number.map(Some).ok_or_else(unclear)
}

impl From<ReadNotificationError> for Problem {
    fn from(error: ReadNotificationError) -> Self {
        match error {
            ReadNotificationError::NotFound => Self::not_found(),
            ReadNotificationError::Storage(error) => error.into(),
        }
    }
}

impl From<NotNow> for Problem {
    fn from(error: NotNow) -> Self {
        match error {
            NotNow::Full => Self::unavailable(
                "too_many_streams",
                "Too many inboxes are shown live here, or too many times yours. Close one, or come back.",
                5,
            ),
            NotNow::Closed => Self::unavailable("too_many_streams", "The process is about to stop. Come back.", 1),
            NotNow::Gone => Self::not_found(),
            NotNow::Storage(error) => error.into(),
        }
    }
}
