//! One request to a receiver, and what its answer means (RFC 8935 §2).

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use outbound::{Client, Destination, Reply};
use serde::Deserialize;

/// How much of an answer is read.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The longest time that a receiver can ask to be left alone, in seconds.
const LONGEST_WISH: i64 = 300;

/// What a receiver makes of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has it.
    Accepted,
    /// It will never take it, for this reason.
    Refused(String),
    /// It failed, perhaps over this very token.
    Unclear(String),
    /// It takes nothing now, whatever it is; it may have said for how many seconds.
    Away {
        /// Why.
        cause: String,
        /// For how long.
        wait: i64,
    },
}

/// Sends one token.
pub(super) async fn send(client: &Client, endpoint: &str, authorization: Option<&str>, token: String) -> Answer {
    let away = |cause: String| Answer::Away { cause, wait: 0 };
    let Ok(to) = Destination::parse(endpoint, client.reach()) else {
        return away("the endpoint is not allowed".to_owned());
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/secevent+jwt"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(text) = authorization {
        let Ok(mut value) = HeaderValue::try_from(text) else {
            return away("the authorization is not a header".to_owned());
        };
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    match client.post(&to, headers, token, LONGEST_ANSWER).await {
        Ok(reply) => read(&reply),
        Err(no_answer) => away(no_answer.to_string()),
    }
}

fn read(reply: &Reply) -> Answer {
    if reply.status == StatusCode::BAD_REQUEST {
        return refusal(&reply.body);
    }
    let wish = reply.retry_after.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0);
    meaning(reply.status, wish.clamp(0, LONGEST_WISH))
}

/// What a status other than 400 says. A 202 and nothing else is a yes: a login page has 200.
fn meaning(status: StatusCode, wait: i64) -> Answer {
    match status.as_u16() {
        202 => Answer::Accepted,
        // The address, its door or what is behind it is not right: no token would get through.
        300..=399 | 401 | 403 | 404 | 405 | 407 | 410 | 429 | 502..=504 => {
            Answer::Away { cause: status.as_str().to_owned(), wait }
        }
        _ => Answer::Unclear(status.as_str().to_owned()),
    }
}

/// The body of a 400 (RFC 8935 §2.3).
#[derive(Deserialize)]
struct ErrorBody {
    err: String,
}

fn refusal(body: &[u8]) -> Answer {
    let Ok(ErrorBody { err }) = serde_json::from_slice(body) else { return Answer::Unclear("400".to_owned()) };
    let err = error_code(&err);
    match err.as_str() {
        // These are mended without another token: credentials, permissions, a key that is not known yet.
        "authentication_failed" | "access_denied" | "invalid_key" => Answer::Away { cause: err, wait: 0 },
        "" => Answer::Unclear("400".to_owned()),
        _ => Answer::Refused(err),
    }
}

/// A receiver's error code, with nothing in it that a log or a database would stumble over.
pub(super) fn error_code(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4_what_an_answer_means() {
        assert_eq!(meaning(StatusCode::ACCEPTED, 0), Answer::Accepted);
        for status in [301, 302, 307, 401, 403, 404, 429, 502, 503, 504] {
            let answer = meaning(StatusCode::from_u16(status).unwrap(), 7);
            assert!(matches!(answer, Answer::Away { wait: 7, .. }), "{status}: {answer:?}");
        }
        for status in [200, 204, 413, 415, 422, 500] {
            let answer = meaning(StatusCode::from_u16(status).unwrap(), 0);
            assert!(matches!(answer, Answer::Unclear(_)), "{status}: {answer:?}");
        }
        assert_eq!(
            refusal(br#"{"err":"invalid_audience","description":"x"}"#),
            Answer::Refused("invalid_audience".into())
        );
        assert!(matches!(refusal(br#"{"err":"authentication_failed"}"#), Answer::Away { .. }));
        assert!(matches!(refusal(br#"{"err":"invalid_key"}"#), Answer::Away { .. }));
        assert!(matches!(refusal(b"<html>"), Answer::Unclear(_)));
        assert!(matches!(refusal(br#"{"err":"\u0000"}"#), Answer::Unclear(_)));
    }
}
