//! The queue, for whoever looks after it: `/api/v1/notifications/deliveries`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use kernel::id::DeliveryId;
use kernel::page::{DEFAULT_LIMIT, limit_of};
use kernel::problem::ProblemDocument;
use kernel::{FieldError, Page, PageQuery, Problem, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use users::api::officer::{May, NotificationsRead, NotificationsWrite, forbidden};

use crate::{ChannelName, Delivery, Filter, Notify, RetryDeliveryError, State as DeliveryState, retry_delivery};

/// One message to one person on one channel. What it says, and the address, are not in it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryView {
    id: DeliveryId,
    /// The ledger number of the event that asked for it.
    event: Option<i64>,
    /// Whom it is for.
    user: UserId,
    /// `security`, `account`, `product` or `marketing`.
    category: String,
    /// `email`.
    channel: String,
    /// What it says, by name.
    template: String,
    /// `queued`, `sent`, `failed` (it is tried again), `dead` (it was given up) or `dropped` (nobody was to be told any
    /// more).
    state: String,
    /// How often it was tried.
    attempts: i64,
    /// When it is tried next; null when it is at its end.
    next_at: Option<Timestamp>,
    /// Why it failed, was given up or dropped.
    reason: Option<String>,
    /// Its Message-ID, the same at every try.
    message_id: Option<String>,
    created_at: Timestamp,
    /// When it came to its end.
    ended_at: Option<Timestamp>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            event: delivery.event_index,
            user: delivery.user_id,
            category: delivery.category,
            channel: delivery.channel,
            template: delivery.template,
            state: delivery.state,
            attempts: delivery.attempts,
            next_at: delivery.ended_at.is_none().then_some(delivery.next_at),
            reason: delivery.reason,
            message_id: delivery.message_id,
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
        }
    }
}

impl From<RetryDeliveryError> for Problem {
    fn from(error: RetryDeliveryError) -> Self {
        match error {
            RetryDeliveryError::NotFound => Self::not_found(),
            RetryDeliveryError::Forbidden => forbidden(),
            RetryDeliveryError::NotWaiting => Self::new(
                StatusCode::CONFLICT,
                "delivery_not_waiting",
                "There is nothing to try again",
                "The delivery was sent already, or is being tried right now. Look at its state.",
            ),
            RetryDeliveryError::Storage(error) => error.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<String>,
    channel: Option<String>,
    user: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

impl ListQuery {
    fn filter(&self) -> Result<Filter, Problem> {
        let mut errors = Vec::new();
        let mut read = |field: &'static str, message: &'static str, is_good: bool| {
            if !is_good {
                errors.push(FieldError::new(field, "invalid_filter", message));
            }
        };
        let state = self.state.as_deref().map(DeliveryState::parse);
        read("state", "Use queued, sent, failed, dead or dropped.", state != Some(None));
        let channel = self.channel.as_deref().map(ChannelName::parse);
        read("channel", "Use the name of a channel, like email.", channel != Some(None));
        let user = self.user.as_deref().map(|text| text.parse::<UserId>().ok());
        read("user", "Use the id of an account.", user != Some(None));
        if errors.is_empty() {
            Ok(Filter { state: state.flatten(), channel: channel.flatten(), user: user.flatten() })
        } else {
            Err(Problem::invalid_input(errors))
        }
    }
}

fn unclear() -> Problem {
    Problem::bad_request("invalid_query", "Use `state`, `channel`, `user`, `limit` with a number, and `cursor`.")
}

/// What people are told
///
/// Newest first. What is at its end is remembered for 30 days.
#[utoipa::path(get, path = "/api/v1/notifications/deliveries", tag = "Notifications",
    security(("access_token" = ["notifications:read"])),
    params(
        ("state" = Option<String>, Query, pattern = "^(queued|sent|failed|dead|dropped)$", description = "Those in this state."),
        ("channel" = Option<String>, Query, max_length = 16, description = "Those on this channel."),
        ("user" = Option<UserId>, Query, description = "Those for this account."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Deliveries on a page: 50 unless said."),
        ("cursor" = Option<String>, Query, max_length = 64, description = "The `next` of the page before.")),
    responses((status = 200, description = "A page.", body = Page<DeliveryView>),
        (status = 400, description = "`invalid_query`: a parameter is not known or cannot be read.", body = ProblemDocument),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: a filter or the cursor is none.", body = ProblemDocument)))]
pub(super) async fn list_deliveries(
    _proven: May<NotificationsRead>,
    State(notify): State<Notify>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let Query(query) = query.map_err(|_| unclear())?;
    let filter = query.filter()?;
    let limit = match &query.limit {
        None => DEFAULT_LIMIT,
        Some(text) => limit_of(text).ok_or_else(unclear)?,
    };
    let before = PageQuery::of_cursor(query.cursor).after::<DeliveryId>()?;
    let found = notify.deliveries(filter, before, limit + 1).await?;
    let views = found.into_iter().map(DeliveryView::from).collect();
    Ok(Json(Page::from_rows(views, limit, |view: &DeliveryView| view.id)))
}

/// Tell it again
///
/// Has a delivery that was given up or dropped, or that waits for its next try, tried at once and for another day.
#[utoipa::path(post, path = "/api/v1/notifications/deliveries/{id}/retry", tag = "Notifications",
    security(("access_token" = ["notifications:write"])),
    params(("id" = DeliveryId, Path, description = "The delivery.")),
    responses((status = 200, description = "The delivery as it is now.", body = DeliveryView),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument),
        (status = 409, description = "`delivery_not_waiting`: it was sent, or is being tried right now.", body = ProblemDocument)))]
pub(super) async fn retry(
    May { authority, .. }: May<NotificationsWrite>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<Json<DeliveryView>, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    Ok(Json(retry_delivery(&notify, authority, id).await?.into()))
}
