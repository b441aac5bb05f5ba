//! An application says something to people: to one, to a list, or to all who hold a role.
//!
//! What is said is a message of the operator's (`own`), with values that the application gives. Few people are told in
//! the transaction of the call, many by a job of `users`, which asks [`Notify`] to tell some of them at a time
//! (`deliver`). Whoever sends an `Idempotency-Key` and asks again is given the same answer (`record`); what has become of a
//! request is there for whoever made it (`look`).

mod deliver;
mod look;
mod record;
mod rewrap;

pub(crate) use deliver::VALUES;
pub(crate) use look::{Progress, look};
pub(crate) use rewrap::rewrap;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use kernel::id::{SendId, ServiceTokenId};
use kernel::{Event, JobId, Kind, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storage::Tx;
use users::job::{self, Action, Refusal, Selection, StartJobError};
use users::{Authority, may, search};

use crate::Notify;
use crate::own::OwnMessage;

/// How many people are told while the application waits.
pub const AT_ONCE: usize = 100;
/// How many people can be named one by one.
pub const MOST: usize = 100_000;
/// For how many seconds it is believed that somebody who has begun goes on.
const LEASE: i64 = 60;
/// For how many seconds it is remembered what was asked for. A job that waits longer has nothing to say any more.
const KEPT: i64 = 7 * 86_400;
/// How many rows one transaction throws away.
const SWEEP: i64 = 500;

/// Who says it.
#[derive(Clone, Debug)]
pub enum Sender {
    /// Somebody with the permission.
    Officer(Authority),
    /// A service with a token of its own.
    Service {
        /// The token.
        id: ServiceTokenId,
        /// What the service is called.
        name: String,
    },
}

/// What comes before the id of a token in the name of a sender.
const SERVICE: &str = "service:";

/// The answer of whoever knows the tokens of services.
pub type StillGood<'a> = Pin<Box<dyn Future<Output = storage::Result<bool>> + Send + 'a>>;

/// Whether a sender's token is still good: whoever knows tokens answers it. This crate does not.
pub type SenderIsGood = dyn for<'a> Fn(&'a mut Tx, ServiceTokenId) -> StillGood<'a> + Send + Sync;

/// As [`Notify`] keeps it.
pub(crate) type AskSenders = Arc<SenderIsGood>;

impl Sender {
    /// Whose keys these are: nobody is answered with what somebody else has asked for.
    fn name(&self) -> String {
        match self {
            Self::Officer(authority) => match authority.actor() {
                Some(user) => format!("user:{user}"),
                None => "operator".to_owned(),
            },
            Self::Service { id, .. } => format!("{SERVICE}{id}"),
        }
    }

    fn service(&self) -> Option<&str> {
        match self {
            Self::Officer(_) => None,
            Self::Service { name, .. } => Some(name),
        }
    }

    /// In whose name it is done. A service has shown that it may.
    const fn authority(&self) -> Authority {
        match self {
            Self::Officer(authority) => *authority,
            Self::Service { .. } => Authority::Operator,
        }
    }
}

/// To whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// These, each once.
    People(Vec<UserId>),
    /// All who hold this role now and may use their account.
    Role(String),
}

/// What is to be said to whom.
#[derive(Clone, Debug)]
pub struct SendRequest {
    pub(crate) message: OwnMessage,
    pub(crate) values: Map<String, Value>,
    pub(crate) to: Recipients,
}

impl SendRequest {
    /// The same for the same request, however it was written.
    fn canonical(&self) -> String {
        let to = match &self.to {
            Recipients::People(ids) => serde_json::json!({ "users": ids }),
            Recipients::Role(role) => serde_json::json!({ "role": role }),
        };
        let values: BTreeMap<&String, &Value> = self.values.iter().collect();
        serde_json::json!([self.message.name(), values, to]).to_string()
    }
}

/// What the tag of a request is made for.
const FINGERPRINT: &[u8] = b"sends/fingerprint";

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    pub id: SendId,
    /// To how many it was said; nothing where a job says it.
    pub told: Option<u64>,
    /// To whom it was not.
    pub refused: Vec<Refusal>,
    /// The job that says it.
    pub job: Option<JobId>,
}

/// It was not said.
#[derive(Debug, thiserror::Error)]
pub enum SendMessageError {
    /// Whoever asks lacks the permission by now.
    #[error("the permission {} is missing", may::NOTIFICATIONS_SEND)]
    Forbidden,
    /// There is no such role.
    #[error("there is no role `{0}`")]
    UnknownRole(String),
    /// So many jobs of theirs are under way that another has to wait.
    #[error("too many jobs are under way")]
    TooMany,
    /// Something with this key is being done.
    #[error("a request with this key is under way")]
    InProgress,
    /// Something else was asked for with this key.
    #[error("something else was asked for with this key")]
    KeyReused,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<StartJobError> for SendMessageError {
    fn from(error: StartJobError) -> Self {
        match error {
            StartJobError::Forbidden | StartJobError::Exceeds => Self::Forbidden,
            StartJobError::UnknownRole(name) => Self::UnknownRole(name),
            StartJobError::TooMany => Self::TooMany,
            StartJobError::Storage(error) => Self::Storage(error),
        }
    }
}

/// A key by which a repeated request is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(Vec<u8>);

impl IdempotencyKey {
    /// Reads 1 to 255 printable characters of ASCII. Only a hash of them is kept.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        fits.then(|| Self(digest(&SHA256, text.as_bytes()).as_ref().to_vec()))
    }
}

/// Says something, or has a job say it. With a key, whoever asks for the same again is given the same answer.
pub async fn send_message(
    notify: &Notify,
    sender: &Sender,
    request: SendRequest,
    key: Option<&IdempotencyKey>,
) -> Result<Sent, SendMessageError> {
    let asked = request.canonical();
    let id = match key {
        None => SendId::new(notify.users().clock.now()),
        Some(key) => match begin(notify, sender, key, asked.as_bytes()).await? {
            Begun::Ours(id) => id,
            Begun::Answered(sent) => return Ok(sent),
        },
    };
    let done = match &request.to {
        Recipients::People(ids) if ids.len() <= AT_ONCE => {
            now(notify, sender, (&request, ids), (id, key.is_some())).await
        }
        Recipients::People(_) | Recipients::Role(_) => later(notify, sender, &request, (id, asked.as_bytes())).await,
    };
    if done.is_err() && key.is_some() {
        forget(notify, id).await;
    }
    done
}

/// What a key led to.
enum Begun {
    /// It is to be done, under this id.
    Ours(SendId),
    /// It was done.
    Answered(Sent),
}

/// Writes down that something with this key is being done, or finds what was. What a process has begun that is gone goes
/// on under its id, so that nobody is told twice.
async fn begin(
    notify: &Notify,
    sender: &Sender,
    IdempotencyKey(key): &IdempotencyKey,
    asked: &[u8],
) -> Result<Begun, SendMessageError> {
    let now = notify.users().clock.now();
    let (id, name, until) = (SendId::new(now), sender.name(), now.plus_seconds(LEASE));
    let mut tx = notify.db().begin().await?;
    // A tag and no hash: of what few words can be, nobody who reads the table can tell which they were.
    let fingerprint = notify.index().sign(&[FINGERPRINT, asked]);
    if record::claim(&mut tx, (id, &name, key), &fingerprint, until, now).await? {
        tx.commit().await?;
        return Ok(Begun::Ours(id));
    }
    // It was removed between the two statements: whoever did has ended.
    let found = record::find(&mut tx, &name, key).await?.ok_or(SendMessageError::InProgress)?;
    if !notify.index().verify(&[FINGERPRINT, asked], &found.fingerprint) {
        return Err(SendMessageError::KeyReused);
    }
    if let Some(sent) = found.answer.as_deref().and_then(|answer| serde_json::from_str(answer).ok()) {
        return Ok(Begun::Answered(sent));
    }
    if found.leased_until.is_none_or(|until| until >= now) || !record::take_over(&mut tx, found.id, until, now).await? {
        return Err(SendMessageError::InProgress);
    }
    tx.commit().await?;
    Ok(Begun::Ours(found.id))
}

async fn forget(notify: &Notify, id: SendId) {
    let forgotten = async {
        let mut tx = notify.db().begin().await?;
        record::forget(&mut tx, id).await?;
        tx.commit().await
    };
    if let Err(error) = forgotten.await {
        tracing::warn!(send = %id, %error, "what was not sent is under way for a minute more");
    }
}

/// Says it in the transaction of the call.
async fn now(
    notify: &Notify,
    sender: &Sender,
    (request, people): (&SendRequest, &[UserId]),
    (id, has_key): (SendId, bool),
) -> Result<Sent, SendMessageError> {
    let at = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    if !sender.authority().may(&mut tx, may::NOTIFICATIONS_SEND).await? {
        return Err(SendMessageError::Forbidden);
    }
    let batch = deliver::Batch { id, message: request.message, values: &request.values, at };
    let told = deliver::deliver(notify, &mut tx, &batch, people).await?;
    let refused: Vec<Refusal> =
        told.refused.iter().map(|(user, code)| Refusal { user: *user, code: (*code).to_owned() }).collect();
    let sent = Sent { id, told: Some((people.len() - refused.len()) as u64), refused, job: None };
    let answered = record::answer(&mut tx, id, &serde_json::to_string(&sent).unwrap_or_default()).await?;
    if has_key && !answered {
        // It took so long that somebody else has gone on with it.
        return Err(SendMessageError::InProgress);
    }
    tx.append(event(sender, request, &sent, at));
    tx.commit().await?;
    deliver::after(notify, &told);
    Ok(sent)
}

fn event(sender: &Sender, request: &SendRequest, sent: &Sent, at: Timestamp) -> Event {
    let event = Event::new(Kind::NotificationSent, at)
        .with("send", sent.id.to_string())
        .with("template", request.message.name())
        .with("told", sent.told.unwrap_or(0));
    let event = match &request.to {
        Recipients::People(ids) if ids.len() == 1 && sent.told == Some(1) => event.about(ids[0]),
        Recipients::People(_) | Recipients::Role(_) => event,
    };
    match sender.service() {
        Some(name) => event.with("service", name),
        None => sender.authority().sign(event),
    }
}

/// Has a job say it.
async fn later(
    notify: &Notify,
    sender: &Sender,
    request: &SendRequest,
    (id, asked): (SendId, &[u8]),
) -> Result<Sent, SendMessageError> {
    let users = notify.users();
    let at = users.clock.now();
    let selection = match &request.to {
        Recipients::People(ids) => Selection::ids(ids.clone()),
        Recipients::Role(role) => {
            if !users.roles.now().contains(role) {
                return Err(SendMessageError::UnknownRole(role.clone()));
            }
            let raw = search::RawFilter {
                role: Some(role.clone()),
                status: Some("active".to_owned()),
                ..search::RawFilter::default()
            };
            let filter = search::Filter::parse(users, &raw);
            Selection::Matching(Box::new(filter.map_err(|_| SendMessageError::UnknownRole(role.clone()))?))
        }
    };
    let values = serde_json::to_vec(&request.values).unwrap_or_default();
    let sealed = notify.sealing().seal(&place(id), &values);
    let sealed = sealed.map_err(|error| storage::Error::Broken(sqlx::Error::Encode(error.into())))?;
    let mut tx = users.db.begin().await?;
    let fingerprint = notify.index().sign(&[FINGERPRINT, asked]);
    record::keep(&mut tx, (id, &sender.name()), &fingerprint, (request.message.name(), &sealed), at).await?;
    let action = Action::Notify { send: id, template: request.message.name().to_owned() };
    let job = job::start_job_in(users, &mut tx, (sender.authority(), sender.service()), action, selection).await?;
    let sent = Sent { id, told: None, refused: Vec::new(), job: Some(job.id) };
    if !record::answer(&mut tx, id, &serde_json::to_string(&sent).unwrap_or_default()).await? {
        return Err(SendMessageError::InProgress);
    }
    tx.commit().await?;
    users.jobs.nudge();
    Ok(sent)
}

/// What the sealed values of a job are bound to.
fn place(id: SendId) -> Vec<u8> {
    [b"sends/sealed/", &id.as_bytes()[..]].concat()
}

impl job::Teller for Notify {
    fn tell<'a>(&'a self, tx: &'a mut Tx, send: SendId, people: &'a [UserId]) -> job::Telling<'a> {
        Box::pin(async move {
            let said = record::said(tx, send).await?;
            let broken = |what: &str| storage::Error::Broken(sqlx::Error::Decode(what.into()));
            let said = said.ok_or_else(|| broken("what a job was to say is not there any more"))?;
            if !self.may_still_send(tx, &said.sender).await? {
                return Ok(job::Outcome::Forbidden);
            }
            let message = said.template.as_deref().and_then(|name| self.settings().messages.find(name));
            let message = message.ok_or_else(|| broken("a job is to say something that there are no words for"))?;
            let opened = said.sealed.and_then(|sealed| self.sealing().open(&place(send), &sealed).ok());
            let opened = opened.ok_or_else(|| broken("what a job is to say does not open"))?;
            let values = serde_json::from_slice(&opened).map_err(|_| broken("what a job is to say cannot be read"))?;
            let batch = deliver::Batch { id: send, message, values: &values, at: said.created_at };
            deliver::deliver(self, tx, &batch, people).await.map(job::Outcome::Told)
        })
    }

    fn told(&self, told: &job::Told) {
        deliver::after(self, told);
    }

    fn forget<'a>(&'a self, tx: &'a mut Tx, send: SendId) -> job::Forgetting<'a> {
        Box::pin(record::forget_values(tx, send))
    }
}

impl Notify {
    /// Whether what this sender has asked for may go on: their token was not taken back. Of a person, `users` asks.
    async fn may_still_send(&self, tx: &mut Tx, sender: &str) -> storage::Result<bool> {
        let token = sender.strip_prefix(SERVICE).and_then(|id| id.parse().ok());
        match (token, self.asks_senders()) {
            (Some(token), Some(ask)) => ask(tx, token).await,
            _ => Ok(true),
        }
    }
}

/// Removes what was asked for long ago. Whether there may be more.
pub(crate) async fn sweep(notify: &Notify) -> storage::Result<bool> {
    let before = notify.users().clock.now().plus_seconds(-KEPT);
    if !record::any_to_sweep(&mut notify.db().read().await?, before).await? {
        return Ok(false);
    }
    let mut tx = notify.db().begin().await?;
    let removed = record::sweep(&mut tx, before, SWEEP).await?;
    tx.commit().await?;
    Ok(removed == SWEEP.unsigned_abs())
}
