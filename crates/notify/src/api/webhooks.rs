//! Webhooks: `/api/v1/webhooks`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use kernel::id::{WebhookDeliveryId, WebhookId};
use kernel::page::{DEFAULT_LIMIT, limit_of};
use kernel::problem::ProblemDocument;
use kernel::{EventId, FieldError, Page, PageQuery, Problem, StrictJson, Timestamp};
use serde::{Deserialize, Serialize};
use users::api::officer::{May, WebhooksRead, WebhooksWrite, forbidden};

use crate::webhooks::{
    self, Change, CreateError, Created, Destination, ManageError, NewWebhook, WantedKinds, Webhook, WebhookDelivery,
    WebhookName,
};
use crate::{Notify, State as DeliveryState};

/// An address that is told what happens.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    id: WebhookId,
    /// What it is called.
    name: String,
    /// Where it is.
    url: String,
    /// The kinds of events that it wants; null for all.
    kinds: Option<Vec<String>>,
    /// `active`, `paused` (what happens is kept for it) or `off` (it answered 410; nothing is kept for it).
    status: String,
    /// Why it was paused or switched off, where nobody did it by hand.
    reason: Option<String>,
    /// Until when the secret before signs as well.
    previous_secret_until: Option<Timestamp>,
    /// How many events wait to be taken; 1000 means that many or more.
    waiting: i64,
    /// Failures in a row.
    failures: i64,
    /// Since when.
    failing_since: Option<Timestamp>,
    /// Why the last.
    failure: Option<String>,
    /// Until when it is left alone.
    retry_at: Option<Timestamp>,
    /// When it took something last, within a minute.
    taken_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl WebhookView {
    fn new(webhook: Webhook, waiting: i64) -> Self {
        Self {
            id: webhook.id,
            name: webhook.name,
            url: webhook.url,
            kinds: webhook.kinds.names().map(<[String]>::to_vec),
            status: webhook.status.as_str().to_owned(),
            reason: webhook.reason,
            previous_secret_until: webhook.previous_until,
            waiting,
            failures: webhook.failures,
            failing_since: webhook.failing_since,
            failure: webhook.failure,
            retry_at: webhook.retry_at,
            taken_at: webhook.taken_at,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }

    async fn of(notify: &Notify, webhook: Webhook) -> Result<Self, Problem> {
        let waiting = webhooks::waiting(notify, webhook.id).await?;
        Ok(Self::new(webhook, waiting))
    }
}

/// A webhook with its secret, which is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(super) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: WebhookView,
    /// What signs: `whsec_` and 32 bytes in base64. It is not shown again.
    secret: String,
}

impl WebhookWithSecret {
    async fn of(notify: &Notify, created: Created) -> Result<Self, Problem> {
        let secret = created.secret.reveal().to_owned();
        Ok(Self { webhook: WebhookView::of(notify, created.webhook).await?, secret })
    }
}

/// A list of all.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Webhooks {
    /// In alphabetical order.
    items: Vec<WebhookView>,
    /// Always null: there are a hundred at most.
    next: Option<String>,
}

/// A webhook to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostWebhook {
    /// What to call it.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]{1,64}$")]
    name: String,
    /// Where it is: https, a public address, no user name, port 443 or from 1024 on.
    #[schema(max_length = 2048)]
    url: String,
    /// The kinds of events that it wants, like `account.locked`, or `account.*`; all if it is left out or empty.
    #[serde(default)]
    #[schema(max_items = 100)]
    kinds: Vec<String>,
}

/// What to change of a webhook. What is left out stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchWebhook {
    /// Where it is.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// The kinds of events that it wants from now on; an empty list for all.
    #[schema(max_items = 100)]
    kinds: Option<Vec<String>>,
    /// `active` or `paused`.
    #[schema(pattern = "^(active|paused)$")]
    status: Option<String>,
}

/// How to give a webhook another secret.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecret {
    /// For how many hours the secret before signs as well: 24 unless said, 0 for one that has got into other hands.
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<u32>,
}

/// An event on its way to a webhook.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = WebhookDelivery)]
pub(super) struct WebhookDeliveryView {
    id: WebhookDeliveryId,
    /// The event: its `webhook-id`.
    event: EventId,
    /// Its number in the ledger.
    ledger: i64,
    /// What happened.
    kind: String,
    /// `queued`, `sent`, `failed` (it is tried again), `dead` (it was given up) or `dropped` (nobody was to be told any
    /// more).
    state: String,
    /// How often it was tried.
    attempts: i64,
    /// When it is tried next; null when it is at its end.
    next_at: Option<Timestamp>,
    /// Why it failed, was given up or dropped.
    reason: Option<String>,
    created_at: Timestamp,
    /// When it came to its end.
    ended_at: Option<Timestamp>,
}

impl From<WebhookDelivery> for WebhookDeliveryView {
    fn from(delivery: WebhookDelivery) -> Self {
        Self {
            id: delivery.id,
            event: delivery.event_id,
            ledger: delivery.event_index,
            kind: delivery.kind,
            state: delivery.state,
            attempts: delivery.attempts,
            next_at: delivery.ended_at.is_none().then_some(delivery.next_at),
            reason: delivery.reason,
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
        }
    }
}

/// The event that a test made.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct WebhookTest {
    /// Look for it among the deliveries.
    event: EventId,
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Forbidden => forbidden(),
            CreateError::Taken => Self::new(
                StatusCode::CONFLICT,
                "webhook_taken",
                "There is a webhook of this name",
                "Choose another name, or change the webhook that is there.",
            ),
            CreateError::TooMany => Self::new(
                StatusCode::CONFLICT,
                "too_many_webhooks",
                "There are too many webhooks",
                "Remove one that nobody needs first.",
            ),
            CreateError::Secret(cause) => sealing(&cause),
            CreateError::Storage(error) => error.into(),
        }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::Forbidden => forbidden(),
            ManageError::NotFound => Self::not_found(),
            ManageError::NotActive => Self::new(
                StatusCode::CONFLICT,
                "webhook_not_active",
                "The webhook is paused or off",
                "Resume it first: set its status to active.",
            ),
            ManageError::NotWaiting => Self::new(
                StatusCode::CONFLICT,
                "delivery_not_waiting",
                "There is nothing to try again",
                "The event was taken already, or is being told right now. Look at its state.",
            ),
            ManageError::Secret(cause) => sealing(&cause),
            ManageError::Storage(error) => error.into(),
        }
    }
}

fn sealing(cause: &kernel::secret::Unsealable) -> Problem {
    tracing::error!(%cause, "the secret of a webhook could not be sealed");
    Problem::internal()
}

/// The parts of a webhook as somebody sent them, and everything that is wrong with them.
struct Reading<'a> {
    notify: &'a Notify,
    errors: Vec<FieldError>,
}

impl<'a> Reading<'a> {
    const fn new(notify: &'a Notify) -> Self {
        Self { notify, errors: Vec::new() }
    }

    fn read<T, E: ToString>(&mut self, field: &'static str, code: &'static str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.errors.push(FieldError::new(field, code, error.to_string()))).ok()
    }

    fn url(&mut self, text: &str) -> Option<Destination> {
        let parsed = webhooks::address(self.notify, text);
        self.read("url", "invalid_url", parsed)
    }

    fn kinds(&mut self, names: &[String]) -> Option<WantedKinds> {
        self.read("kinds", "invalid_kinds", WantedKinds::parse(names))
    }
}

fn id_of(text: &str) -> Result<WebhookId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// All webhooks
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "Webhooks", security(("access_token" = ["webhooks:read"])),
    responses((status = 200, description = "The webhooks.", body = Webhooks),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument)))]
pub(super) async fn list_webhooks(
    _proven: May<WebhooksRead>,
    State(notify): State<Notify>,
) -> Result<Json<Webhooks>, Problem> {
    let mut items = Vec::new();
    for webhook in webhooks::list(&notify).await? {
        items.push(WebhookView::of(&notify, webhook).await?);
    }
    Ok(Json(Webhooks { items, next: None }))
}

/// Register an address
///
/// It is told what happens from now on. The answer has the secret that signs; it is not shown again.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "Webhooks", security(("access_token" = ["webhooks:write"])),
    request_body = PostWebhook,
    responses((status = 201, description = "The webhook, with its secret.", body = WebhookWithSecret),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 409, description = "`webhook_taken`, `too_many_webhooks`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the name, the address or a kind is none.", body = ProblemDocument)))]
pub(super) async fn post_webhook(
    May { authority, .. }: May<WebhooksWrite>,
    State(notify): State<Notify>,
    StrictJson(post): StrictJson<PostWebhook>,
) -> Result<(StatusCode, Json<WebhookWithSecret>), Problem> {
    let mut reading = Reading::new(&notify);
    let name = reading.read("name", "invalid_name", WebhookName::parse(&post.name));
    let url = reading.url(&post.url);
    let kinds = reading.kinds(&post.kinds);
    let (Some(name), Some(url), Some(kinds)) = (name, url, kinds) else {
        return Err(Problem::invalid_input(reading.errors));
    };
    let created = webhooks::create(&notify, authority, &NewWebhook { name, url, kinds }).await?;
    Ok((StatusCode::CREATED, Json(WebhookWithSecret::of(&notify, created).await?)))
}

/// One webhook
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "Webhooks", security(("access_token" = ["webhooks:read"])),
    params(("id" = WebhookId, Path, description = "The webhook.")),
    responses((status = 200, description = "The webhook.", body = WebhookView),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument)))]
pub(super) async fn get_webhook(
    _proven: May<WebhooksRead>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<Json<WebhookView>, Problem> {
    let webhook = webhooks::find(&notify, id_of(&id)?).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(WebhookView::of(&notify, webhook).await?))
}

/// Change, pause or resume a webhook
///
/// What happens while it is paused is kept for seven days and told when it is resumed.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "Webhooks", security(("access_token" = ["webhooks:write"])),
    params(("id" = WebhookId, Path, description = "The webhook.")), request_body = PatchWebhook,
    responses((status = 200, description = "The webhook as it is now.", body = WebhookView),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the address, a kind or the status is none.", body = ProblemDocument)))]
pub(super) async fn patch_webhook(
    May { authority, .. }: May<WebhooksWrite>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
    StrictJson(patch): StrictJson<PatchWebhook>,
) -> Result<Json<WebhookView>, Problem> {
    let mut reading = Reading::new(&notify);
    let url = patch.url.as_deref().and_then(|url| reading.url(url));
    let kinds = patch.kinds.as_deref().and_then(|kinds| reading.kinds(kinds));
    let active = match patch.status.as_deref() {
        None => None,
        Some("active") => Some(true),
        Some("paused") => Some(false),
        Some(_) => reading.read("status", "invalid_status", Err("Use active or paused.")),
    };
    if !reading.errors.is_empty() {
        return Err(Problem::invalid_input(reading.errors));
    }
    let webhook = webhooks::update(&notify, authority, id_of(&id)?, &Change { url, kinds, active }).await?;
    Ok(Json(WebhookView::of(&notify, webhook).await?))
}

/// Remove a webhook
///
/// What waits for it is told to nobody.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "Webhooks", security(("access_token" = ["webhooks:write"])),
    params(("id" = WebhookId, Path, description = "The webhook.")),
    responses((status = 204, description = "It is gone."),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument)))]
pub(super) async fn delete_webhook(
    May { authority, .. }: May<WebhooksWrite>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    webhooks::remove(&notify, authority, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook another secret
///
/// The answer has it; it is not shown again. For `overlap_hours` both sign, so that the receiver can change over.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate", tag = "Webhooks", security(("access_token" = ["webhooks:write"])),
    params(("id" = WebhookId, Path, description = "The webhook.")), request_body = RotateSecret,
    responses((status = 200, description = "The webhook, with its new secret.", body = WebhookWithSecret),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: too many hours.", body = ProblemDocument)))]
pub(super) async fn rotate_secret(
    May { authority, .. }: May<WebhooksWrite>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
    StrictJson(RotateSecret { overlap_hours }): StrictJson<RotateSecret>,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let hours = overlap_hours.unwrap_or(webhooks::OVERLAP_HOURS);
    if hours > webhooks::MOST_OVERLAP_HOURS {
        let wrong = FieldError::new("overlap_hours", "out_of_range", "Use 0 to 168 hours.");
        return Err(Problem::invalid_input(vec![wrong]));
    }
    let created = webhooks::rotate(&notify, authority, id_of(&id)?, hours).await?;
    Ok(Json(WebhookWithSecret::of(&notify, created).await?))
}

/// Send a test
///
/// An event `webhook.tested` is told to this webhook and to no other.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "Webhooks", security(("access_token" = ["webhooks:write"])),
    params(("id" = WebhookId, Path, description = "The webhook.")),
    responses((status = 202, description = "It is on its way.", body = WebhookTest),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument),
        (status = 409, description = "`webhook_not_active`: it is paused or off.", body = ProblemDocument)))]
pub(super) async fn test_webhook(
    May { authority, .. }: May<WebhooksWrite>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<WebhookTest>), Problem> {
    let event = webhooks::test(&notify, authority, id_of(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(WebhookTest { event })))
}

/// `?state=&limit=&cursor=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    state: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

fn unclear() -> Problem {
    Problem::bad_request("invalid_query", "Use `state`, `limit` with a number, and `cursor`.")
}

/// What a webhook was told
///
/// Newest first. What was taken is remembered for three days, what was given up for 30.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "Webhooks",
    security(("access_token" = ["webhooks:read"])),
    params(("id" = WebhookId, Path, description = "The webhook."),
        ("state" = Option<String>, Query, pattern = "^(queued|sent|failed|dead|dropped)$", description = "Those in this state."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Deliveries on a page: 50 unless said."),
        ("cursor" = Option<String>, Query, max_length = 64, description = "The `next` of the page before.")),
    responses((status = 200, description = "A page.", body = Page<WebhookDeliveryView>),
        (status = 400, description = "`invalid_query`: a parameter is not known or cannot be read.", body = ProblemDocument),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is no such webhook.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the state or the cursor is none.", body = ProblemDocument)))]
pub(super) async fn list_webhook_deliveries(
    _proven: May<WebhooksRead>,
    State(notify): State<Notify>,
    Path(id): Path<String>,
    query: Result<Query<DeliveriesQuery>, QueryRejection>,
) -> Result<Json<Page<WebhookDeliveryView>>, Problem> {
    let Query(query) = query.map_err(|_| unclear())?;
    let state = match query.state.as_deref().map(DeliveryState::parse) {
        Some(None) => {
            let message = "Use queued, sent, failed, dead or dropped.";
            return Err(Problem::invalid_input(vec![FieldError::new("state", "invalid_filter", message)]));
        }
        state => state.flatten(),
    };
    let limit = match &query.limit {
        None => DEFAULT_LIMIT,
        Some(text) => limit_of(text).ok_or_else(unclear)?,
    };
    let before = PageQuery::of_cursor(query.cursor).after::<WebhookDeliveryId>()?;
    let webhook = webhooks::find(&notify, id_of(&id)?).await?.ok_or_else(Problem::not_found)?;
    let found = webhooks::deliveries(&notify, webhook.id, state, before, limit + 1).await?;
    let views = found.into_iter().map(WebhookDeliveryView::from).collect();
    Ok(Json(Page::from_rows(views, limit, |view: &WebhookDeliveryView| view.id)))
}

/// Tell a webhook again
///
/// Has an event that was given up or dropped, or that waits for its next try, told at once and tried for as long as a new
/// one. What came after it about the same account may have been told already.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}/retry", tag = "Webhooks",
    security(("access_token" = ["webhooks:write"])),
    params(("id" = WebhookId, Path, description = "The webhook."),
        ("delivery" = WebhookDeliveryId, Path, description = "The delivery.")),
    responses((status = 200, description = "The delivery as it is now.", body = WebhookDeliveryView),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is none.", body = ProblemDocument),
        (status = 409, description = "`delivery_not_waiting`: it was taken, or is being told right now.", body = ProblemDocument)))]
pub(super) async fn retry_webhook_delivery(
    May { authority, .. }: May<WebhooksWrite>,
    State(notify): State<Notify>,
    Path((id, delivery)): Path<(String, String)>,
) -> Result<Json<WebhookDeliveryView>, Problem> {
    let delivery = delivery.parse().map_err(|_| Problem::not_found())?;
    Ok(Json(webhooks::retry(&notify, authority, id_of(&id)?, delivery).await?.into()))
}
