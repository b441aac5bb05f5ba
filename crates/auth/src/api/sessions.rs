//! My sessions.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use kernel::problem::ProblemDocument;
use kernel::{Caller, Page, PageQuery, Problem, SessionId, Timestamp};
use serde::Serialize;

use crate::{Auth, EndSessionError, session};

/// One signed-in browser or program.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SessionView {
    /// Its id.
    id: SessionId,
    /// Whether it is the one that asks.
    current: bool,
    /// What its owner calls it.
    device_name: Option<String>,
    /// The address that it was begun from.
    ip: String,
    /// What the browser or program said it was.
    user_agent: String,
    /// When it was begun.
    created_at: Timestamp,
    /// When it was last used, to within some minutes.
    last_seen_at: Timestamp,
}

/// My sessions
///
/// Newest first.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "Sessions", security(("access_token" = [])),
    params(PageQuery),
    responses((status = 200, description = "The sessions that are on.", body = Page<SessionView>),
        (status = 422, description = "`invalid_input`: the cursor is not one of ours.", body = ProblemDocument)))]
pub(super) async fn list_sessions(
    State(auth): State<Auth>,
    caller: Caller,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let Query(query) = query.map_err(|_| {
        Problem::bad_request("invalid_query", "Use `limit` (1 to 200) and `cursor` (the `next` of the page before).")
    })?;
    let limit = query.limit();
    let sessions = session::list(&auth, caller.user, query.after()?, limit + 1).await?;
    let page = Page::from_rows(sessions, limit, |session| session.id);
    let view = |session: session::Session| SessionView {
        current: session.id == caller.session,
        id: session.id,
        device_name: session.device_name,
        ip: session.ip,
        user_agent: session.user_agent,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
    };
    Ok(Json(Page { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

/// End one session
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", tag = "Sessions", security(("access_token" = [])),
    params(("id" = SessionId, Path, description = "The session.")),
    responses((status = 204, description = "It is over, and so are its tokens."),
        (status = 404, description = "`not_found`: no such session of yours.", body = ProblemDocument)))]
pub(super) async fn end_session(
    State(auth): State<Auth>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: SessionId = id.parse().map_err(|_| Problem::not_found())?;
    crate::end_session(&auth, caller.user, caller.session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all other sessions
#[utoipa::path(delete, path = "/api/v1/auth/sessions", tag = "Sessions", security(("access_token" = [])),
    responses((status = 204, description = "All but this one are over, and so are their tokens.")))]
pub(super) async fn end_other_sessions(State(auth): State<Auth>, caller: Caller) -> Result<StatusCode, Problem> {
    crate::end_other_sessions(&auth, caller.user, caller.session).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<EndSessionError> for Problem {
    fn from(error: EndSessionError) -> Self {
        match error {
            EndSessionError::NotFound => Self::not_found(),
            EndSessionError::Storage(error) => error.into(),
        }
    }
}
