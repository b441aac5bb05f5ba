//! Opening PostgreSQL: one pool to the primary.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::{OpenError, Settings};

pub(crate) async fn connect(url: &str, settings: &Settings) -> Result<PgPool, OpenError> {
    let options = PgConnectOptions::from_str(url)?.application_name("usher").statement_cache_capacity(256).options([
        ("statement_timeout", "5000"),
        ("synchronous_commit", "on"),
        ("timezone", "UTC"),
        ("client_min_messages", "warning"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(settings.max_connections)
        // A dead connection shows itself at its first statement; asking before each costs a round trip.
        .test_before_acquire(false)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(Duration::from_mins(5))
        .connect_with(options)
        .await?;
    Ok(pool)
}
