//! Deliveries as whoever looks after the queue sees them.

use kernel::id::DeliveryId;
use kernel::{Timestamp, UserId};
use storage::{Connection, Result, fetch_all, fetch_optional};

use super::State;
use crate::ChannelName;

/// A delivery, as whoever looks after the queue sees it: without what it says, and without the address.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The ledger number of the event that asked for it.
    pub event_index: Option<i64>,
    /// Whom it is for.
    pub user_id: UserId,
    /// What it is for.
    pub category: String,
    /// How it is told.
    pub channel: String,
    /// What it says.
    pub template: String,
    /// What has become of it.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it is not at its end.
    pub next_at: Timestamp,
    /// Why it failed, was given up or dropped.
    pub reason: Option<String>,
    /// Its Message-ID.
    pub message_id: Option<String>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
}

/// Which deliveries are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Those in this state.
    pub state: Option<State>,
    /// Those on this channel.
    pub channel: Option<ChannelName>,
    /// Those for this account.
    pub user: Option<UserId>,
}

/// The deliveries that a filter lets through, newest first, `limit` of those before `before`.
pub(crate) async fn list(
    on: &mut impl Connection,
    filter: Filter,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let before = before.unwrap_or(DeliveryId::from_bytes([0xff; 16]));
    let channel = filter.channel.map(ChannelName::as_str);
    match (filter.user, filter.state.map(State::as_str)) {
        (Some(user), state) => fetch_all!(
            on,
            "SELECT id, event_index, user_id, category, channel, template, state, attempts, next_at, reason, message_id,
                 created_at, ended_at
             FROM deliveries WHERE user_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                 AND (CAST($4 AS TEXT) IS NULL OR channel = $4) ORDER BY id DESC LIMIT $5",
            user,
            before,
            state,
            channel,
            limit
        ),
        (None, Some(state)) => fetch_all!(
            on,
            "SELECT id, event_index, user_id, category, channel, template, state, attempts, next_at, reason, message_id,
                 created_at, ended_at
             FROM deliveries WHERE state = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR channel = $3)
             ORDER BY id DESC LIMIT $4",
            state,
            before,
            channel,
            limit
        ),
        (None, None) => fetch_all!(
            on,
            "SELECT id, event_index, user_id, category, channel, template, state, attempts, next_at, reason, message_id,
                 created_at, ended_at
             FROM deliveries WHERE id < $1 AND (CAST($2 AS TEXT) IS NULL OR channel = $2) ORDER BY id DESC LIMIT $3",
            before,
            channel,
            limit
        ),
    }
}

/// How many deliveries are in a state, on a channel.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Count {
    /// Which channel.
    pub channel: String,
    /// Which state.
    pub state: String,
    /// How many: at most [`COUNTED`] of a state.
    pub count: i64,
}

/// So many of a state are counted; who has more knows enough.
pub const COUNTED: i64 = 10_000;

/// What is not at its end, and what was given up.
pub(crate) async fn counts(on: &mut impl Connection) -> Result<Vec<Count>> {
    fetch_all!(
        on,
        "SELECT channel, state, COUNT(*) AS count FROM (
             SELECT * FROM (SELECT channel, state FROM deliveries WHERE state = 'queued' LIMIT $1) AS waiting
             UNION ALL
             SELECT * FROM (SELECT channel, state FROM deliveries WHERE state = 'failed' LIMIT $1) AS again
             UNION ALL
             SELECT * FROM (SELECT channel, state FROM deliveries WHERE state = 'dead' LIMIT $1) AS given_up) AS counted
         GROUP BY channel, state ORDER BY channel, state",
        COUNTED
    )
}

/// One delivery.
pub(crate) async fn find(on: &mut impl Connection, id: DeliveryId) -> Result<Option<Delivery>> {
    fetch_optional!(
        on,
        "SELECT id, event_index, user_id, category, channel, template, state, attempts, next_at, reason, message_id,
             created_at, ended_at
         FROM deliveries WHERE id = $1",
        id
    )
}
