//! The time of day, as the programs under test see it.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long a busy machine may take for what is quick.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the programs under test have this clock and no other")]
pub fn unix_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    i64::try_from(now.as_secs()).expect("seconds")
}

/// A moment so many seconds from now, as the API writes it.
pub fn moment_in(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(unix_now() + seconds).expect("a moment");
    moment.format(&Rfc3339).expect("RFC 3339")
}
