//! Ids: UUIDv7 (RFC 9562 §5.7), one type for each thing that has one, so that a session's id can
//! never be passed where a user's is wanted. They sort by the time of their making.

use std::fmt;
use std::str::FromStr;

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
}

/// 48 bits of milliseconds, then randomness from the operating system's generator by way of
/// aws-lc's, which needs no system call for each id.
fn uuid_v7(now: Timestamp) -> Uuid {
    let random = crate::secret::random_bytes::<10>();
    let millis = u64::try_from(now.unix_micros() / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let early = UserId::new(Timestamp::from_unix_micros(1_700_000_000_000_000));
        let late = UserId::new(Timestamp::from_unix_micros(1_700_000_000_001_000));
        assert!(early < late);
        assert_eq!(early.to_string().parse::<UserId>().unwrap(), early);
        assert_eq!(early.to_string().as_bytes()[14], b'7');
    }
}
