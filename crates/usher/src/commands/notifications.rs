//! `usher notifications …`: what people are told, and what became of it.

use anyhow::{Result, bail};
use clap::Subcommand;
use notify::{Delivery, Filter, Notify, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use users::Authority;

use super::Output;

/// The most that is tried again at once.
const MOST: u32 = 1_000;

/// What can be done with deliveries.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum NotificationsWords {
    /// Show what people are told, the newest first
    List {
        /// Only what is in this state: queued, sent, failed, dead or dropped
        #[arg(long)]
        state: Option<String>,
        /// How many to show
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Have something told again that was given up
    Retry {
        /// Its id, as `usher notifications list` shows it; can stand several times
        ids: Vec<String>,
        /// Everything that was given up, a thousand at most
        #[arg(long, conflicts_with = "ids")]
        dead: bool,
    },
}

/// Does it.
pub async fn execute(notify: &Notify, words: NotificationsWords) -> Result<Output> {
    match words {
        NotificationsWords::List { state, limit } => list(notify, state.as_deref(), limit).await,
        NotificationsWords::Retry { ids, dead } => retry(notify, ids, dead).await,
    }
}

async fn list(notify: &Notify, state: Option<&str>, limit: u32) -> Result<Output> {
    let state = match state.map(|name| (name, State::parse(name))) {
        Some((name, None)) => bail!("`{name}` is not a state: there are queued, sent, failed, dead and dropped"),
        Some((_, state)) => state,
        None => None,
    };
    let found = notify.deliveries(Filter { state, ..Filter::default() }, None, limit.clamp(1, MOST)).await?;
    let lines: Vec<String> = found.iter().map(line).collect();
    let text = if lines.is_empty() { "There is nothing.".to_owned() } else { lines.join("\n") };
    Ok(Output { text, data: found.iter().map(data).collect() })
}

fn line(delivery: &Delivery) -> String {
    let Delivery { id, state, channel, template, user_id, attempts, reason, .. } = delivery;
    let reason = reason.as_deref().unwrap_or_default();
    format!("{id}  {state:<7}  {channel}  {template}  for {user_id}, {attempts} tries  {reason}").trim_end().to_owned()
}

fn data(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "state": delivery.state,
        "channel": delivery.channel,
        "category": delivery.category,
        "template": delivery.template,
        "user": delivery.user_id,
        "attempts": delivery.attempts,
        "reason": delivery.reason,
        "created_at": delivery.created_at,
    })
}

async fn retry(notify: &Notify, ids: Vec<String>, dead: bool) -> Result<Output> {
    let mut chosen = Vec::with_capacity(ids.len());
    for id in &ids {
        match id.parse() {
            Ok(id) => chosen.push(id),
            Err(_) => bail!("`{id}` is not the id of a delivery: `usher notifications list` shows them"),
        }
    }
    if dead {
        let filter = Filter { state: Some(State::Dead), ..Filter::default() };
        chosen.extend(notify.deliveries(filter, None, MOST).await?.into_iter().map(|delivery| delivery.id));
    } else if chosen.is_empty() {
        bail!("name the deliveries, or all that were given up with --dead");
    }
    let (mut again, mut refused) = (Vec::new(), Vec::new());
    for id in chosen {
        match notify::retry_delivery(notify, Authority::Operator, id).await {
            Ok(_) => again.push(id.to_string()),
            Err(error @ notify::RetryDeliveryError::Storage(_)) => return Err(error.into()),
            Err(error) => refused.push(format!("{id}: {error}")),
        }
    }
    if !dead && !refused.is_empty() {
        bail!("{}", refused.join("\n"));
    }
    Ok(Output { text: format!("{} are tried again.", again.len()), data: json!({ "retried": again }) })
}
