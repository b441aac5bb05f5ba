//! What happened to an account: `/api/v1/users/{id}/history`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use kernel::page::LedgerIndex;
use kernel::problem::ProblemDocument;
use kernel::{Page, PageQuery, Problem, SessionId, Timestamp, UserId};
use serde::Serialize;

use super::officer::{AuditRead, May};
use crate::history::HistoryEntry;
use crate::{Users, account, history};

/// One thing that happened to an account.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = HistoryEntry)]
pub(super) struct HistoryView {
    /// Its number in the ledger.
    index: i64,
    /// What happened, as in `account.suspended`.
    kind: String,
    /// When.
    at: Timestamp,
    /// Who did it; null for what a command or the time did, and for people who were not signed in.
    actor: Option<UserId>,
    /// The session that it happened in or to.
    session: Option<SessionId>,
    /// Why, as an operator wrote it.
    reason: Option<String>,
    /// Until when a suspension lasts.
    until: Option<Timestamp>,
    /// The roles before.
    before: Vec<String>,
    /// The roles after.
    after: Vec<String>,
    /// Which fields were changed.
    fields: Vec<String>,
}

impl From<HistoryEntry> for HistoryView {
    fn from(entry: HistoryEntry) -> Self {
        let HistoryEntry { index, kind, at, actor, session, facts } = entry;
        let history::Facts { reason, until, before, after, fields } = facts;
        Self { index, kind, at, actor, session, reason, until, before, after, fields }
    }
}

/// What happened to an account
///
/// Newest first, from the ledger. Some facts are of some kinds only; lists that a kind does not have are empty.
#[utoipa::path(get, path = "/api/v1/users/{id}/history", tag = "Administration", security(("access_token" = ["audit:read"])),
    params(("id" = UserId, Path, description = "The account."), PageQuery),
    responses((status = 200, description = "A page of it.", body = Page<HistoryView>),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the cursor is none.", body = ProblemDocument)))]
pub(super) async fn read_history(
    _proven: May<AuditRead>,
    State(users): State<Users>,
    Path(id): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<HistoryView>>, Problem> {
    let user: UserId = id.parse().map_err(|_| Problem::not_found())?;
    let Query(page) = query
        .map_err(|_| Problem::bad_request("invalid_query", "Use `limit` with a number, and `cursor`; nothing else."))?;
    let before = page.after::<LedgerIndex>()?.map(|LedgerIndex(index)| index);
    let mut read = users.db.read().await?;
    account::find(&mut read, user).await?.ok_or_else(Problem::not_found)?;
    let found = history::of_account(&mut read, user, before, page.limit() + 1).await?;
    let views = found.into_iter().map(HistoryView::from).collect();
    Ok(Json(Page::from_rows(views, page.limit(), |view: &HistoryView| LedgerIndex(view.index))))
}
