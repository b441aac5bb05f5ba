//! One request to a webhook, and what its answer means.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use kernel::Timestamp;
use outbound::{Client, Destination, Reply};

use super::queue::Claimed;
use super::record::Due;
use super::secret::{SigningSecret, signatures};
use crate::Notify;

/// How much of an answer is read: nobody looks at it, but a connection whose answer was read can be used again.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The longest time that a receiver can ask to be left alone, in seconds.
const LONGEST_WISH: u64 = 3_600;

/// What became of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken.
    Taken,
    /// It was not, perhaps because of what it is: what is behind it waits, others go on.
    Failed(String),
    /// Nothing is taken now, whatever it is.
    Away {
        /// Why.
        reason: String,
        /// Not before this time has gone by.
        after: Option<Duration>,
    },
    /// Nothing will be taken any more.
    Gone,
    /// It cannot be written or signed: our own failure.
    Ours(String),
    /// Nothing was done.
    NotTried,
}

/// Tells a webhook of one event.
pub(super) async fn send(notify: &Notify, client: &Client, due: &Due, claimed: &Claimed, body: String) -> Outcome {
    let Ok(to) = Destination::parse(&due.url, client.reach()) else {
        return away("the address is not one that may be reached from here");
    };
    let now = notify.users().clock.now();
    let Ok(secrets) = secrets(notify, due, now) else {
        // It is so for every event of this webhook, and can be mended: none of them is given up for it alone.
        return away("its secret does not open: the master key is another one");
    };
    let (id, seconds) = (claimed.event_id.to_string(), now.unix_seconds());
    let signed = signatures(&secrets, &id, seconds, &body);
    let Some(headers) = headers(&id, seconds, &signed) else {
        return Outcome::Ours("its headers cannot be written".into());
    };
    match client.post(&to, headers, body, LONGEST_ANSWER).await {
        Ok(reply) => meaning(&reply),
        Err(no_answer) => away(&no_answer.to_string()),
    }
}

fn away(reason: &str) -> Outcome {
    Outcome::Away { reason: reason.to_owned(), after: None }
}

/// The secrets that sign now: two, while one takes over from the other.
fn secrets(notify: &Notify, due: &Due, now: Timestamp) -> Result<Vec<SigningSecret>, kernel::secret::Unsealable> {
    let mut secrets = vec![SigningSecret::open(notify.sealing(), due.id, &due.secret_sealed)?];
    if let Some(previous) = &due.previous_sealed
        && due.previous_until.is_some_and(|until| now < until)
    {
        secrets.push(SigningSecret::open(notify.sealing(), due.id, previous)?);
    }
    Ok(secrets)
}

fn headers(id: &str, seconds: i64, signed: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Usher/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in
        [("webhook-id", id), ("webhook-timestamp", &seconds.to_string()), ("webhook-signature", signed)]
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).ok()?);
    }
    Some(headers)
}

fn meaning(reply: &Reply) -> Outcome {
    let reason = format!("it answered {}", reply.status.as_u16());
    let after = reply.retry_after.map(|seconds| Duration::from_secs(seconds.min(LONGEST_WISH)));
    match reply.status.as_u16() {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        // The address, its door or what is behind it is not right, or it is too much now: no event would get through. A
        // redirect is not followed, wherever it leads.
        300..=399 | 401 | 403 | 404 | 405 | 407 | 429 | 502..=504 => Outcome::Away { reason, after },
        _ => Outcome::Failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn h3_what_an_answer_means() {
        let of = |status: u16, retry_after| {
            meaning(&Reply { status: StatusCode::from_u16(status).unwrap(), retry_after, body: Bytes::new() })
        };
        for status in [200, 201, 202, 204] {
            assert_eq!(of(status, None), Outcome::Taken);
        }
        for status in [301, 302, 307, 308, 401, 403, 404, 429, 502, 503, 504] {
            assert!(matches!(of(status, None), Outcome::Away { after: None, .. }), "{status}");
        }
        let wish = Some(Duration::from_secs(3_600));
        assert!(matches!(of(429, Some(u64::MAX)), Outcome::Away { after, .. } if after == wish));
        for status in [400, 409, 413, 422, 500, 501] {
            assert!(matches!(of(status, Some(1)), Outcome::Failed(_)), "{status}");
        }
        assert_eq!(of(410, None), Outcome::Gone);
    }
}
