//! Ids: UUIDv7 (RFC 9562 §5.7), one type for each thing that has one, so that a session's id can
//! never be passed where a user's is wanted. They sort by the time of their making.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[sqlx(transparent)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id for something made at `now`.
            pub fn new(now: Timestamp) -> Self {
                Self(uuid_v7(now))
            }

            /// The id as its 16 bytes, as keys and tokens bind it.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id whose 16 bytes these are.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// One account.
    UserId;
    /// One signed-in browser or device.
    SessionId;
    /// One thing that happened.
    EventId;
    /// One signing key; its text is the `kid` of RFC 7517 §4.5.
    KeyId;
    /// One one-time link.
    LinkId;
    /// One token of a service.
    ServiceTokenId;
    /// One stream of Shared Signals.
    StreamId;
    /// One piece of work that goes on in the background.
    JobId;
    /// One picture of somebody.
    PictureId;
    /// One message to one person on one channel.
    DeliveryId;
    /// One message in somebody's inbox.
    NotificationId;
    /// One device that somebody is pushed messages to.
    PushDeviceId;
    /// One webhook: an address that is told what happens.
    WebhookId;
    /// One event on its way to one webhook.
    WebhookDeliveryId;
    /// One message that waits for somebody's digest.
    DigestItemId;
    /// One thing that an application has had said.
    SendId;
}

/// 48 bits of milliseconds and 12 bits of their fractions, then 62 random bits (RFC 9562 §6.2, method 3).
///
/// The first 60 bits only ever grow within a process, so that what was made later sorts later even
/// within a microsecond, and when the clock is set back.
fn uuid_v7(now: Timestamp) -> Uuid {
    static NEWEST: AtomicU64 = AtomicU64::new(0);
    let micros = u64::try_from(now.unix_micros()).unwrap_or(0);
    let wanted = ((micros / 1000) << 12) | ((micros % 1000) * 4096 / 1000);
    let newest = NEWEST.fetch_max(wanted, Ordering::AcqRel);
    let time = if newest < wanted { wanted } else { NEWEST.fetch_add(1, Ordering::AcqRel) + 1 };
    let mut random = [0; 10];
    random[..2].copy_from_slice(&((time & 0xfff) as u16).to_be_bytes());
    random[2..].copy_from_slice(&crate::secret::random_bytes::<8>());
    uuid::Builder::from_unix_timestamp_millis(time >> 12, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_sort_later_whatever_the_clock_says() {
        let now = Timestamp::from_unix_micros(1_700_000_000_000_000);
        let mut before = EventId::new(now);
        for step in 0..10_000 {
            let next = EventId::new(Timestamp::from_unix_micros(now.unix_micros() - step));
            assert!(before < next);
            before = next;
        }
    }

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let early = UserId::new(Timestamp::from_unix_micros(1_700_000_000_000_000));
        let late = UserId::new(Timestamp::from_unix_micros(1_700_000_000_001_000));
        assert!(early < late);
        assert_eq!(early.to_string().parse::<UserId>().unwrap(), early);
        assert_eq!(early.to_string().as_bytes()[14], b'7');
    }
}
