//! Routes as an operator writes them: `[[gateway.routes]]` of the configuration.
//!
//! What is wrong is said with the route's name and what to write instead, before anything changes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One `[[gateway.routes]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteSpec {
    /// What logs and metrics call it: 1 to 64 of `a-z 0-9 - _`. It is the `aud` of `X-User-Token`.
    pub name: String,
    /// The host it is for; any if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// A prefix (`/quiz/`), or a pattern (`/quiz/{id}/answers`).
    pub path: String,
    /// The methods; any if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Where requests go: `http://`, `https://` or `h2c://` (HTTP/2 without TLS), host and port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<String>,
    /// Instead of upstreams: `usher` for Usher's own calls and pages, or `forward-auth` for a route that
    /// another proxy serves and only asks about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// `none`, `optional` or `required`.
    pub auth: AuthSpec,
    /// Any one of these is needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// All of these are needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// All of these are needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// What is taken off the front of the path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub strip_prefix: String,
    /// What is put in front of the path, after `strip_prefix`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub add_prefix: String,
    /// Token buckets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitSpec>,
    /// How long things may take.
    pub timeout: TimeoutSpec,
    /// The largest body of a request.
    pub body_limit: String,
    /// How often an idempotent request may be sent again.
    pub retries: u8,
    /// Which other origins may use it from a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsSpec>,
    /// `headers`, or `headers+jwt`.
    pub identity: IdentitySpec,
    /// Asking the upstreams whether they are well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSpec>,
    /// Headers for every answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub response_headers: BTreeMap<String, String>,
}

/// Whether a route needs an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthSpec {
    /// It does not, and does not look at one.
    None,
    /// One that is there has to be good.
    Optional,
    /// There has to be one.
    #[default]
    Required,
}

/// What an upstream is told about who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentitySpec {
    /// `X-User-…` headers.
    #[default]
    #[serde(rename = "headers")]
    Headers,
    /// The headers, and a signed JWT for this route alone.
    #[serde(rename = "headers+jwt")]
    HeadersAndJwt,
}

/// Who has a bucket of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PerSpec {
    /// An address: IPv4, or the first 64 bits of IPv6.
    Ip,
    /// A user; an address for those who are not signed in.
    User,
    /// The whole route.
    Route,
}

/// One token bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    /// Whose.
    pub per: PerSpec,
    /// How fast it fills: `100/s`, `60/m`, `1000/h`.
    pub rate: String,
    /// How much it holds; as much as fills in a second if 0.
    #[serde(default)]
    pub burst: u32,
}

/// How long things may take, like `500ms`, `10s`, `5m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutSpec {
    /// To connect.
    pub connect: String,
    /// Until the answer begins.
    pub first_byte: String,
    /// Until it is complete. Tunnels and event streams go on.
    pub total: String,
}

impl Default for TimeoutSpec {
    fn default() -> Self {
        Self { connect: "1s".into(), first_byte: "10s".into(), total: "60s".into() }
    }
}

/// Cross-origin resource sharing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsSpec {
    /// Origins, exactly.
    pub origins: Vec<String>,
    /// Whether cookies and the like may come along.
    pub credentials: bool,
    /// Request headers beside the harmless ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// For how long a browser may remember, in seconds.
    pub max_age: u32,
}

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSpec {
    /// What is asked for with GET; an answer of 2xx is well.
    pub path: String,
    /// How often.
    #[serde(default = "default_every")]
    pub every: String,
}

fn default_every() -> String {
    "2s".into()
}

/// A duration as it is written: `250ms`, `10s`, `5m`. At least a millisecond, at most a day.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let millis = match text.get(digits..)? {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    (1..=86_400_000).contains(&millis).then(|| Duration::from_millis(millis))
}

/// A size as it is written: `64KiB`, `1MiB`, `2GiB`, or bytes.
pub(crate) fn size(text: &str) -> Option<usize> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: usize = text.get(..digits)?.parse().ok()?;
    match text.get(digits..)? {
        "" | "B" => Some(number),
        "KiB" => number.checked_mul(1 << 10),
        "MiB" => number.checked_mul(1 << 20),
        "GiB" => number.checked_mul(1 << 30),
        _ => None,
    }
}

/// A rate as it is written, as the time between two: `100/s` is 10 ms.
pub(crate) fn rate(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once('/')?;
    let number: u32 = number.parse().ok().filter(|number| (1..=1_000_000).contains(number))?;
    let period = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        "d" => Duration::from_secs(86_400),
        _ => return None,
    };
    Some(period / number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_rates_are_read_strictly() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        for wrong in ["", "10", "s", "-1s", "1.5s", "0s", "10 s", "2d", "25h", "99999999999999999999s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(
            (size("64KiB"), size("1MiB"), size("0"), size("7B")),
            (Some(65_536), Some(1 << 20), Some(0), Some(7))
        );
        assert_eq!((size("1MB"), size(""), size("MiB"), size("99999999999GiB")), (None, None, None, None));
        assert_eq!(rate("100/s"), Some(Duration::from_millis(10)));
        assert_eq!(rate("60/m"), Some(Duration::from_secs(1)));
        assert_eq!((rate("0/s"), rate("1/x"), rate("s"), rate("-1/s")), (None, None, None, None));
    }
}
