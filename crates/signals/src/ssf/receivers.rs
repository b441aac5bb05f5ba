//! What operators are shown of receivers.

use kernel::id::ServiceTokenId;
use storage::{Connection, Result, fetch_all};

/// The stream of a receiver.
#[derive(Clone, Debug)]
pub struct ReceiverStream {
    /// Whose it is.
    pub receiver: ServiceTokenId,
    /// `enabled`, `paused` or `disabled`.
    pub status: String,
    /// Whether tokens are pushed to it; else it polls.
    pub is_pushed: bool,
    /// Failed pushes in a row.
    pub failures: i64,
    /// How many tokens wait to be taken.
    pub waiting: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    receiver_id: ServiceTokenId,
    status: String,
    endpoint: Option<String>,
    failures: i64,
    waiting: i64,
}

/// All streams. There are few: an operator made each receiver, and each has one at most.
pub(crate) async fn list(on: &mut impl Connection) -> Result<Vec<ReceiverStream>> {
    let rows: Vec<Row> = fetch_all!(
        on,
        "SELECT s.receiver_id, s.status, s.endpoint, s.failures,
             (SELECT COUNT(*) FROM signal_events e WHERE e.stream_id = s.id AND e.refused_at IS NULL) AS waiting
         FROM signal_streams s ORDER BY s.id LIMIT 10000"
    )?;
    let shown = |row: Row| ReceiverStream {
        receiver: row.receiver_id,
        status: row.status,
        is_pushed: row.endpoint.is_some(),
        failures: row.failures,
        waiting: row.waiting,
    };
    Ok(rows.into_iter().map(shown).collect())
}
