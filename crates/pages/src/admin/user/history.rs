//! What happened to a person's account, newest first, from the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, Timestamp, UserId};
use users::api::officer::AuditRead;
use users::history::{self, HistoryEntry};
use users::may;

use super::pass::{Pass, Tab};
use crate::admin::happening::Happening;
use crate::admin::{Console, Face, Frame, Section};
use crate::form::Fields;
use crate::moment::Moment;
use crate::{Pages, page};

/// How many entries a page has.
const LIMIT: u32 = 50;

#[derive(Template)]
#[template(path = "admin/user/history.html")]
struct HistoryPage {
    frame: Frame,
    pass: Pass,
    rows: Vec<Row>,
    older: Option<String>,
    newest: bool,
}

struct Row {
    index: i64,
    happening: Happening,
    at: Moment,
    actor: Actor,
    more: Vec<String>,
}

/// Who did something.
enum Actor {
    /// The person whose history it is.
    Themselves,
    /// Somebody else, by id and as they are called now.
    Other(UserId, String),
    /// Nobody with an account.
    Nobody,
}

impl Row {
    fn new(entry: HistoryEntry, person: UserId, names: &BTreeMap<UserId, String>, now: Timestamp) -> Self {
        let actor = match entry.actor {
            Some(actor) if actor == person => Actor::Themselves,
            Some(actor) => {
                Actor::Other(actor, names.get(&actor).cloned().unwrap_or_else(|| "Somebody who is gone".to_owned()))
            }
            None => Actor::Nobody,
        };
        let facts = entry.facts;
        let listed =
            |words: &str, items: &[String]| (!items.is_empty()).then(|| format!("{words}: {}", items.join(", ")));
        let more = [
            facts.reason.map(|reason| format!("Reason: {reason}")),
            facts.until.map(|until| format!("Until {}", Moment::date(until).words)),
            listed("Before", &facts.before),
            listed("After", &facts.after),
            listed("Fields", &facts.fields),
        ];
        Self {
            index: entry.index,
            happening: Happening::of(&entry.kind),
            at: Moment::new(entry.at, now),
            actor,
            more: more.into_iter().flatten().collect(),
        }
    }
}

/// `GET /admin/users/{id}/history`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<AuditRead>,
    query: Fields,
) -> Result<Response, Problem> {
    console.desk.require(may::USERS_READ)?;
    let account = super::find(&pages, &id).await?;
    let before = match query.text("before") {
        "" => None,
        text => Some(text.parse::<i64>().map_err(|_| Problem::not_found())?),
    };
    let (person, now) = (account.id, pages.auth.clock().now());
    let mut read = pages.auth.db().read().await?;
    let mut entries = history::of_account(&mut read, person, before, LIMIT + 1).await?;
    let more = entries.len() > LIMIT as usize;
    entries.truncate(LIMIT as usize);
    let mut names = BTreeMap::new();
    for actor in entries.iter().filter_map(|entry| entry.actor).filter(|actor| *actor != person) {
        if !names.contains_key(&actor)
            && let Some(account) = users::account::find(&mut read, actor).await?
        {
            names.insert(actor, Face::new(&account).name);
        }
    }
    drop(read);
    let pass = Pass::new(&pages, &console.desk, account, Tab::History).await?;
    let last = entries.last().map(|entry| entry.index).filter(|_| more);
    let older = last.map(|index| format!("{}/history?before={index}", pass.address));
    let rows = entries.into_iter().map(|entry| Row::new(entry, person, &names, now)).collect();
    let frame = Frame::new(&pages, &console.desk, Section::Users);
    page(StatusCode::OK, &HistoryPage { frame, pass, rows, older, newest: before.is_none() })
}
