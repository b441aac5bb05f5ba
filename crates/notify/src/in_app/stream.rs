//! One listener: what they are told first, then what the hub tells them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, header};
use futures_util::stream;
use kernel::secret::random_bytes;
use kernel::{SessionId, UserId};
use serde::Serialize;
use storage::ledger;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::hub::Piece;
use super::{Shown, record, show};
use crate::Notify;
use crate::api::NotificationView;

/// After so long, whoever listens has to come back and prove anew who they are.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How many messages somebody who comes back is told one by one.
const MISSED: i64 = 20;

/// Nobody can listen now.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// Too many do, or too many of theirs.
    #[error("too many listen")]
    Full,
    /// The process is about to stop.
    #[error("the process is about to stop")]
    Closed,
    /// There is no such account.
    #[error("there is no such account")]
    Gone,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// The place of somebody who listens; it is free again when this is dropped.
pub struct Listening {
    notify: Notify,
    user: UserId,
    key: u64,
    first: Vec<Bytes>,
    /// Everything up to this change was told.
    known: i64,
    until: Instant,
    receiver: mpsc::Receiver<Arc<Piece>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.notify.hub().leave(self.user, self.key);
    }
}

/// Begins to listen, knowing everything up to `after`. Whoever lets somebody listen for a session looks once more
/// whether it is still good after this: what ends it from now on ends the stream.
pub(crate) async fn listen(
    notify: &Notify,
    user: UserId,
    session: SessionId,
    after: Option<i64>,
) -> Result<Listening, NotNow> {
    let (key, receiver) = notify.hub().join(user, session)?;
    // Not all at the same moment: they would all come back together.
    let [spread] = random_bytes::<1>();
    let mut listening = Listening {
        notify: notify.clone(),
        user,
        key,
        first: Vec::new(),
        known: 0,
        until: Instant::now() + LONGEST - Duration::from_secs(spread.into()),
        receiver,
    };
    let mut read = notify.db().read().await?;
    let newest = ledger::newest(&mut read).await?;
    listening.known = record::newest_change(&mut read).await?;
    let account = users::account::find(&mut read, user).await?.ok_or(NotNow::Gone)?;
    let unread = record::unread(&mut read, user).await?;
    // A number that nothing has yet is of another database: then what is there is told as to somebody new.
    if let Some(after) = after.filter(|after| (0..listening.known).contains(after)) {
        let missed = record::unread_after(&mut read, user, after, MISSED).await?;
        let key = show::key_of(notify, &mut read, user).await?;
        let shown = missed.iter().map(|notification| show::show(notify, notification, &account, key.as_ref()));
        listening.first = shown.map(|shown| notification(&shown, unread)).collect();
    }
    listening.first.push(count(listening.known, unread));
    drop(read);
    notify.hub().knows(listening.known, newest);
    Ok(listening)
}

impl Listening {
    /// The answer. It ends when the session's trust does, when its reader is too slow, after a quarter of an hour, and
    /// when the process stops.
    pub fn into_response(mut self) -> Response<Body> {
        let first = Bytes::from(std::mem::take(&mut self.first).concat());
        let begun = (self, Some(first));
        let body = Body::from_stream(stream::unfold(begun, |(mut listening, first)| async move {
            let text = match first {
                Some(first) => first,
                None => listening.next().await?,
            };
            Some((Ok::<Bytes, Infallible>(text), (listening, None)))
        }));
        let mut response = Response::new(body);
        let head = response.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        head.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        response
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let piece = tokio::time::timeout_at(self.until, self.receiver.recv()).await.ok().flatten()?;
            // What was known at the beginning may come once more.
            if piece.number.is_none_or(|number| number > self.known) {
                self.known = piece.number.unwrap_or(self.known);
                return Some(piece.text.clone());
            }
        }
    }
}

#[derive(Serialize)]
struct Told {
    notification: NotificationView,
    unread: i64,
}

#[derive(Serialize)]
struct Count {
    unread: i64,
}

/// A new message. JSON has no line breaks.
pub(super) fn notification(shown: &Shown, unread: i64) -> Bytes {
    let told = Told { notification: NotificationView::from(shown.clone()), unread };
    event(shown.changed, "notification", &told)
}

/// How many are unread.
pub(super) fn count(number: i64, unread: i64) -> Bytes {
    event(number, "unread", &Count { unread })
}

fn event(number: i64, name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("id: {number}\nevent: {name}\ndata: {data}\n\n"))
}

/// Something to hear.
pub(super) const fn heartbeat() -> Bytes {
    Bytes::from_static(b":\n\n")
}
