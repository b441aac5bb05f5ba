//! Webhooks: the addresses that are told what happens, what became of it, and looking after them.

mod form;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use kernel::id::{WebhookDeliveryId, WebhookId};
use kernel::{PageQuery, Problem, Timestamp};
use notify::webhooks::{self, Change, ManageError, Status, Webhook, WebhookDelivery};
use users::api::officer::{WebhooksRead, WebhooksWrite};
use users::may;

use super::chart::grouped;
use super::{Console, ConsoleForm, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::moment::Moment;
use crate::shell::Notice;
use crate::{Pages, page};

/// How many deliveries a page has.
const LIMIT: u32 = 50;

/// The pages of webhooks.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin/webhooks", get(list))
        .route("/admin/webhooks/new", get(form::ask_new).post(form::make))
        .route("/admin/webhooks/{id}", get(show))
        .route("/admin/webhooks/{id}/edit", get(form::ask_change).post(form::change))
        .route("/admin/webhooks/{id}/rotate", get(ask_rotate).post(rotate))
        .route("/admin/webhooks/{id}/remove", get(ask_remove).post(remove))
        .route("/admin/webhooks/{id}/pause", post(pause))
        .route("/admin/webhooks/{id}/resume", post(resume))
        .route("/admin/webhooks/{id}/test", post(test))
        .route("/admin/webhooks/{id}/deliveries/{delivery}/retry", post(retry))
}

/// How something is, as it is shown.
struct Standing {
    word: &'static str,
    tone: &'static str,
    shape: &'static str,
}

impl Standing {
    const fn new(word: &'static str, tone: &'static str, shape: &'static str) -> Self {
        Self { word, tone, shape }
    }

    fn of_webhook(webhook: &Webhook) -> Self {
        match webhook.status {
            Status::Active if webhook.failures == 0 => Self::new("Active", "ok", ""),
            Status::Active => Self::new("Failing", "warn", "diamond"),
            Status::Paused => Self::new("Paused", "", "ring"),
            Status::Off => Self::new("Off", "danger", "bar"),
        }
    }

    fn of_delivery(state: &str) -> Self {
        match state {
            "sent" => Self::new("Taken", "ok", ""),
            "queued" => Self::new("Waits", "", "ring"),
            "failed" => Self::new("Tried again", "warn", "diamond"),
            "dead" => Self::new("Given up", "danger", "bar"),
            _ => Self::new("Dropped", "", "bar"),
        }
    }
}

/// A webhook in the list.
struct Row {
    webhook: Webhook,
    host: String,
    kinds: String,
    standing: Standing,
    taken: Option<Moment>,
    waiting: String,
}

impl Row {
    fn new(webhook: Webhook, waiting: i64, now: Timestamp) -> Self {
        Self {
            // What stands behind the host is often a secret: it is on the webhook's own page alone.
            host: webhook.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"),
            kinds: webhook.kinds.names().map_or_else(|| "All".to_owned(), |names| names.join(", ")),
            standing: Standing::of_webhook(&webhook),
            taken: webhook.taken_at.map(|at| Moment::new(at, now)),
            waiting: counted(waiting),
            webhook,
        }
    }
}

/// A number that was counted up to a thousand.
fn counted(number: i64) -> String {
    let number = u64::try_from(number).unwrap_or(0);
    if number >= 1_000 { "1,000 or more".to_owned() } else { grouped(number) }
}

#[derive(Template)]
#[template(path = "admin/webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    rows: Vec<Row>,
    may_write: bool,
}

/// `GET /admin/webhooks`
async fn list(
    State(pages): State<Arc<Pages>>,
    console: Console<WebhooksRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let now = pages.auth.clock().now();
    let mut rows = Vec::new();
    for webhook in webhooks::list(&pages.notify).await? {
        let waiting = webhooks::waiting(&pages.notify, webhook.id).await?;
        rows.push(Row::new(webhook, waiting, now));
    }
    let notice = (query.text("done") == "removed")
        .then(|| Notice::done("The webhook is removed.", "It is told nothing any more."));
    let frame = Frame::new(&pages, &console.desk, Section::Webhooks).saying(notice);
    page(StatusCode::OK, &WebhooksPage { frame, rows, may_write: console.desk.may(may::WEBHOOKS_WRITE) })
}

/// An event on its way, as it is shown.
struct DeliveryRow {
    delivery: WebhookDelivery,
    standing: Standing,
    at: Moment,
    next: Option<Moment>,
    can_retry: bool,
}

impl DeliveryRow {
    fn new(delivery: WebhookDelivery, now: Timestamp) -> Self {
        Self {
            standing: Standing::of_delivery(&delivery.state),
            at: Moment::new(delivery.created_at, now),
            next: (delivery.state == "failed").then(|| Moment::precise(delivery.next_at)),
            can_retry: matches!(delivery.state.as_str(), "failed" | "dead" | "dropped"),
            delivery,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/webhook.html")]
struct WebhookPage {
    frame: Frame,
    row: Row,
    failing_since: Option<Moment>,
    retry_at: Option<Moment>,
    previous_until: Option<Moment>,
    made: Moment,
    deliveries: Vec<DeliveryRow>,
    tabs: Vec<Tab>,
    first_page: String,
    older: Option<String>,
    newest: bool,
    may_write: bool,
}

impl WebhookPage {
    fn is_active(&self) -> bool {
        self.row.webhook.status == Status::Active
    }
}

/// A state that can be chosen.
struct Tab {
    words: &'static str,
    address: String,
    is_here: bool,
}

/// The states that can be chosen, with their words.
const STATES: [(&str, &str); 6] = [
    ("", "All"),
    ("sent", "Taken"),
    ("queued", "Wait"),
    ("failed", "Tried again"),
    ("dead", "Given up"),
    ("dropped", "Dropped"),
];

/// `GET /admin/webhooks/{id}`
async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<WebhooksRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let now = pages.auth.clock().now();
    let webhook = find(&pages, &id).await?;
    let state = notify::State::parse(query.text("state"));
    let cursor = Some(query.text("before").to_owned()).filter(|cursor| !cursor.is_empty());
    let newest = cursor.is_none();
    let before = PageQuery::of_cursor(cursor).after::<WebhookDeliveryId>().map_err(|_| Problem::not_found())?;
    let found = webhooks::deliveries(&pages.notify, webhook.id, state, before, LIMIT + 1).await?;
    let kernel::Page { items, next } = kernel::Page::from_rows(found, LIMIT, |delivery: &WebhookDelivery| delivery.id);
    let chosen = state.map_or("", notify::State::as_str).to_owned();
    let waiting = webhooks::waiting(&pages.notify, webhook.id).await?;
    let address = |state: &str| match state {
        "" => format!("/admin/webhooks/{}", webhook.id),
        state => format!("/admin/webhooks/{}?state={state}", webhook.id),
    };
    let tab = |(name, words): (&str, &'static str)| Tab { words, address: address(name), is_here: name == chosen };
    let template = WebhookPage {
        frame: Frame::new(&pages, &console.desk, Section::Webhooks).saying(done(query.text("done"))),
        failing_since: webhook.failing_since.map(|at| Moment::new(at, now)),
        retry_at: webhook.retry_at.filter(|at| *at > now).map(Moment::precise),
        previous_until: webhook.previous_until.filter(|at| *at > now).map(Moment::precise),
        made: Moment::new(webhook.created_at, now),
        deliveries: items.into_iter().map(|delivery| DeliveryRow::new(delivery, now)).collect(),
        older: next.map(|next| format!("/admin/webhooks/{}?state={chosen}&before={next}", webhook.id)),
        tabs: STATES.into_iter().map(tab).collect(),
        first_page: address(&chosen),
        newest,
        may_write: console.desk.may(may::WEBHOOKS_WRITE),
        row: Row::new(webhook, waiting, now),
    };
    page(StatusCode::OK, &template)
}

/// The words for what was done. The code comes from the address bar, so it chooses among fixed texts.
fn done(code: &str) -> Option<Notice> {
    match code {
        "changed" => Some(Notice::done("The webhook is changed.", "What waits is tried at once.")),
        "paused" => {
            Some(Notice::done("The webhook is paused.", "What happens is kept for seven days, until it is resumed."))
        }
        "resumed" => Some(Notice::done("The webhook is resumed.", "What has waited is told now, in its order.")),
        "tested" => Some(Notice::done("A test is on its way.", "It is in the list below in a moment.")),
        "retried" => Some(Notice::done("It is told again.", "Now, and for 26 hours if it fails.")),
        "not-active" => Some(Notice::failed("The webhook is paused or off.", "Resume it first. Nothing was sent.")),
        "not-waiting" => {
            Some(Notice::failed("There is nothing to tell again.", "It was taken, or is being told right now."))
        }
        _ => None,
    }
}

async fn find(pages: &Pages, id: &str) -> Result<Webhook, Problem> {
    let id: WebhookId = id.parse().map_err(|_| Problem::not_found())?;
    webhooks::find(&pages.notify, id).await?.ok_or_else(Problem::not_found)
}

/// Back to the page of a webhook, with what came of it.
fn back(id: WebhookId, done: &str) -> Response {
    see_other(&format!("/admin/webhooks/{id}?done={done}"))
}

async fn set_active(pages: &Pages, id: &str, form: &ConsoleForm<WebhooksWrite>, active: bool) -> Result<(), Problem> {
    let webhook = find(pages, id).await?;
    let change = Change { active: Some(active), ..Change::default() };
    webhooks::update(&pages.notify, form.desk.authority, webhook.id, &change).await?;
    Ok(())
}

/// `POST /admin/webhooks/{id}/pause`
async fn pause(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    set_active(&pages, &id, &form, false).await?;
    Ok(see_other(&format!("/admin/webhooks/{id}?done=paused")))
}

/// `POST /admin/webhooks/{id}/resume`
async fn resume(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    set_active(&pages, &id, &form, true).await?;
    Ok(see_other(&format!("/admin/webhooks/{id}?done=resumed")))
}

/// `POST /admin/webhooks/{id}/test`
async fn test(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    match webhooks::test(&pages.notify, form.desk.authority, webhook.id).await {
        Ok(_) => Ok(back(webhook.id, "tested")),
        Err(ManageError::NotActive) => Ok(back(webhook.id, "not-active")),
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/webhooks/{id}/deliveries/{delivery}/retry`
async fn retry(
    State(pages): State<Arc<Pages>>,
    Path((id, delivery)): Path<(String, String)>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    let delivery = delivery.parse().map_err(|_| Problem::not_found())?;
    match webhooks::retry(&pages.notify, form.desk.authority, webhook.id, delivery).await {
        Ok(_) => Ok(back(webhook.id, "retried")),
        Err(ManageError::NotWaiting) => Ok(back(webhook.id, "not-waiting")),
        Err(error) => Err(error.into()),
    }
}

/// A question about a webhook.
#[derive(Template)]
#[template(path = "admin/webhook-question.html")]
struct Question {
    frame: Frame,
    webhook: Webhook,
    removes: bool,
}

impl Question {
    const fn verb(&self) -> &'static str {
        if self.removes { "Remove this webhook" } else { "Make a new secret" }
    }

    const fn path(&self) -> &'static str {
        if self.removes { "remove" } else { "rotate" }
    }
}

/// A secret, which is shown this once.
#[derive(Template)]
#[template(path = "admin/webhook-secret.html")]
struct SecretPage {
    frame: Frame,
    webhook: Webhook,
    secret: String,
    /// Until when the secret before signs as well; nothing for a new webhook.
    previous_until: Option<Moment>,
}

fn show_secret(pages: &Pages, desk: &super::Desk, created: webhooks::Created) -> Result<Response, Problem> {
    let frame = Frame::new(pages, desk, Section::Webhooks);
    let previous_until = created.webhook.previous_until.map(Moment::precise);
    let secret = created.secret.reveal().to_owned();
    page(StatusCode::OK, &SecretPage { frame, webhook: created.webhook, secret, previous_until })
}

/// `GET /admin/webhooks/{id}/rotate`
async fn ask_rotate(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    let frame = Frame::new(&pages, &console.desk, Section::Webhooks);
    page(StatusCode::OK, &Question { frame, webhook, removes: false })
}

/// `POST /admin/webhooks/{id}/rotate`
async fn rotate(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    let hours = if form.fields.is_ticked("at-once") { 0 } else { webhooks::OVERLAP_HOURS };
    let created = webhooks::rotate(&pages.notify, form.desk.authority, webhook.id, hours).await?;
    show_secret(&pages, &form.desk, created)
}

/// `GET /admin/webhooks/{id}/remove`
async fn ask_remove(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    let frame = Frame::new(&pages, &console.desk, Section::Webhooks);
    page(StatusCode::OK, &Question { frame, webhook, removes: true })
}

/// `POST /admin/webhooks/{id}/remove`
async fn remove(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    webhooks::remove(&pages.notify, form.desk.authority, webhook.id).await?;
    Ok(see_other("/admin/webhooks?done=removed"))
}
