//! `usher webhooks …`: addresses that are told what happens.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use kernel::EventId;
use notify::webhooks::{self, Change, Created, NewWebhook, WantedKinds, Webhook, WebhookDelivery, WebhookName};
use notify::{Notify, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use users::Authority;

use super::Output;

/// How long a test is watched.
const WATCHED: Duration = Duration::from_secs(15);
/// How often.
const LOOK: Duration = Duration::from_millis(200);
/// The most that is told again at once.
const MOST: u32 = 1_000;

/// What can be done with webhooks.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum WebhooksWords {
    /// Show the webhooks
    List,
    /// Register an address that is told what happens from now on, and print its secret this once
    Create {
        /// What to call it: 1 to 64 of a-z, 0-9, - _ .
        name: String,
        /// Where it is: https, on the public Internet
        #[arg(long)]
        url: String,
        /// A kind of event that it wants, like account.locked or account.*; can stand several times [default: all]
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<String>,
    },
    /// Give a webhook another secret, and print it this once
    Rotate {
        /// What it is called
        name: String,
        /// For how many hours the secret before signs as well: 0 for one that has got into other hands
        #[arg(long, default_value_t = webhooks::OVERLAP_HOURS, value_name = "HOURS")]
        overlap: u32,
    },
    /// Keep what happens for later
    Pause {
        /// What it is called
        name: String,
    },
    /// Tell it what has waited, and what happens from now on
    Resume {
        /// What it is called
        name: String,
    },
    /// Tell it nothing any more
    Remove {
        /// What it is called
        name: String,
    },
    /// Send a test, and say what became of it
    Test {
        /// What it is called
        name: String,
    },
    /// Show what a webhook was told, the newest first
    Deliveries {
        /// What it is called
        name: String,
        /// Only what is in this state: queued, sent, failed, dead or dropped
        #[arg(long)]
        state: Option<String>,
        /// How many to show
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Tell a webhook again what was given up
    Retry {
        /// What it is called
        name: String,
        /// Deliveries, as `usher webhooks deliveries` shows them
        ids: Vec<String>,
        /// Everything that was given up, a thousand at most
        #[arg(long, conflicts_with = "ids")]
        dead: bool,
    },
}

/// Does it.
pub async fn execute(notify: &Notify, words: WebhooksWords) -> Result<Output> {
    match words {
        WebhooksWords::List => list(notify).await,
        WebhooksWords::Create { name, url, kinds } => create(notify, &name, &url, &kinds).await,
        WebhooksWords::Rotate { name, overlap } => {
            if overlap > webhooks::MOST_OVERLAP_HOURS {
                bail!("both secrets can be good for {} hours at most", webhooks::MOST_OVERLAP_HOURS);
            }
            let webhook = named(notify, &name).await?;
            let created = webhooks::rotate(notify, Authority::Operator, webhook.id, overlap).await?;
            Ok(with_secret(&created))
        }
        WebhooksWords::Pause { name } => set_active(notify, &name, false).await,
        WebhooksWords::Resume { name } => set_active(notify, &name, true).await,
        WebhooksWords::Remove { name } => {
            let webhook = named(notify, &name).await?;
            webhooks::remove(notify, Authority::Operator, webhook.id).await?;
            Ok(Output { text: format!("{name} is told nothing any more."), data: json!({ "name": name }) })
        }
        WebhooksWords::Test { name } => test(notify, &name).await,
        WebhooksWords::Deliveries { name, state, limit } => deliveries(notify, &name, state.as_deref(), limit).await,
        WebhooksWords::Retry { name, ids, dead } => retry(notify, &name, ids, dead).await,
    }
}

async fn named(notify: &Notify, name: &str) -> Result<Webhook> {
    let found = webhooks::named(notify, name).await?;
    found.with_context(|| format!("there is no webhook `{name}`: `usher webhooks list` shows them"))
}

async fn list(notify: &Notify) -> Result<Output> {
    let (mut lines, mut data) = (Vec::new(), Vec::new());
    for webhook in webhooks::list(notify).await? {
        let waiting = webhooks::waiting(notify, webhook.id).await?;
        lines.push(line(&webhook, waiting));
        data.push(data_of(&webhook, waiting));
    }
    let text = if lines.is_empty() { "There are none.".to_owned() } else { lines.join("\n") };
    Ok(Output { text, data: data.into() })
}

fn line(webhook: &Webhook, waiting: i64) -> String {
    let Webhook { name, url, status, failures, failure, reason, .. } = webhook;
    let kinds = webhook.kinds.names().map_or_else(|| "everything".to_owned(), |names| names.join(","));
    let why = reason.as_deref().or(failure.as_deref()).unwrap_or_default();
    let status = status.as_str();
    format!("{name}  {status}  {url}  {kinds}, {waiting} waiting, {failures} failures in a row  {why}")
        .trim_end()
        .to_owned()
}

fn data_of(webhook: &Webhook, waiting: i64) -> Value {
    json!({
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "kinds": webhook.kinds.names(),
        "status": webhook.status.as_str(),
        "reason": webhook.reason,
        "waiting": waiting,
        "failures": webhook.failures,
        "failing_since": webhook.failing_since,
        "failure": webhook.failure,
        "taken_at": webhook.taken_at,
    })
}

async fn create(notify: &Notify, name: &str, url: &str, kinds: &[String]) -> Result<Output> {
    let kinds = WantedKinds::parse(kinds)?;
    let new = NewWebhook { name: WebhookName::parse(name)?, url: webhooks::address(notify, url)?, kinds };
    Ok(with_secret(&webhooks::create(notify, Authority::Operator, &new).await?))
}

/// The secret alone is what people copy; the rest is for programs.
fn with_secret(created: &Created) -> Output {
    let secret = created.secret.reveal();
    let mut data = data_of(&created.webhook, 0);
    data["secret"] = secret.into();
    Output { text: secret.to_owned(), data }
}

async fn set_active(notify: &Notify, name: &str, active: bool) -> Result<Output> {
    let webhook = named(notify, name).await?;
    let change = Change { active: Some(active), ..Change::default() };
    let webhook = webhooks::update(notify, Authority::Operator, webhook.id, &change).await?;
    let waiting = webhooks::waiting(notify, webhook.id).await?;
    Ok(Output { text: line(&webhook, waiting), data: data_of(&webhook, waiting) })
}

async fn test(notify: &Notify, name: &str) -> Result<Output> {
    let webhook = named(notify, name).await?;
    let event = webhooks::test(notify, Authority::Operator, webhook.id).await?;
    let told = watch(notify, &webhook, event).await?;
    let text = match &told {
        Some(delivery) if delivery.state == "sent" => format!("{name} took it."),
        Some(WebhookDelivery { reason: Some(reason), .. }) => format!("{name} did not take it: {reason}."),
        _ => "It is sent when a server with the service notify runs.".to_owned(),
    };
    Ok(Output { text, data: json!({ "event": event, "delivery": told.as_ref().map(data_of_delivery) }) })
}

/// What has become of a test, as far as that is known after a while.
async fn watch(notify: &Notify, webhook: &Webhook, event: EventId) -> Result<Option<WebhookDelivery>> {
    let asked = tokio::time::Instant::now();
    loop {
        let told = webhooks::delivery_of_test(notify, webhook.id, event).await?;
        let is_known = told.as_ref().is_some_and(|delivery| delivery.state != "queued");
        if is_known || asked.elapsed() > WATCHED {
            return Ok(told);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn data_of_delivery(delivery: &WebhookDelivery) -> Value {
    json!({
        "id": delivery.id,
        "event": delivery.event_id,
        "ledger": delivery.event_index,
        "kind": delivery.kind,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "reason": delivery.reason,
        "created_at": delivery.created_at,
    })
}

async fn deliveries(notify: &Notify, name: &str, state: Option<&str>, limit: u32) -> Result<Output> {
    let state = match state.map(|name| (name, State::parse(name))) {
        Some((name, None)) => bail!("`{name}` is not a state: there are queued, sent, failed, dead and dropped"),
        Some((_, state)) => state,
        None => None,
    };
    let webhook = named(notify, name).await?;
    let found = webhooks::deliveries(notify, webhook.id, state, None, limit.clamp(1, MOST)).await?;
    let line = |delivery: &WebhookDelivery| {
        let WebhookDelivery { id, state, kind, event_index, attempts, reason, .. } = delivery;
        let reason = reason.as_deref().unwrap_or_default();
        format!("{id}  {state:<7}  {kind}  entry {event_index}, {attempts} tries  {reason}").trim_end().to_owned()
    };
    let lines: Vec<String> = found.iter().map(line).collect();
    let text = if lines.is_empty() { "There is nothing.".to_owned() } else { lines.join("\n") };
    Ok(Output { text, data: found.iter().map(data_of_delivery).collect() })
}

async fn retry(notify: &Notify, name: &str, ids: Vec<String>, dead: bool) -> Result<Output> {
    let webhook = named(notify, name).await?;
    let mut chosen = Vec::with_capacity(ids.len());
    for id in &ids {
        match id.parse() {
            Ok(id) => chosen.push(id),
            Err(_) => bail!("`{id}` is not the id of a delivery: `usher webhooks deliveries {name}` shows them"),
        }
    }
    if dead {
        let found = webhooks::deliveries(notify, webhook.id, Some(State::Dead), None, MOST).await?;
        // In the order in which they happened.
        chosen.extend(found.into_iter().rev().map(|delivery| delivery.id));
    } else if chosen.is_empty() {
        bail!("name the deliveries, or all that were given up with --dead");
    }
    let (mut again, mut refused) = (Vec::new(), Vec::new());
    for id in chosen {
        match webhooks::retry(notify, Authority::Operator, webhook.id, id).await {
            Ok(_) => again.push(id.to_string()),
            Err(error @ webhooks::ManageError::Storage(_)) => return Err(error.into()),
            Err(error) => refused.push(format!("{id}: {error}")),
        }
    }
    if !dead && !refused.is_empty() {
        bail!("{}", refused.join("\n"));
    }
    Ok(Output { text: format!("{} are told again.", again.len()), data: json!({ "retried": again }) })
}
