//! One request to a receiver, and what its answer means (RFC 8935 §2).

use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use super::connect::{self, Guarded};
use super::endpoint::{self, Reach};

/// How long one answer may take, with everything.
const TIMEOUT: Duration = Duration::from_secs(10);
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

/// What sends.
pub(super) struct Client {
    http: HttpClient<HttpsConnector<Guarded>, Full<Bytes>>,
    reach: Reach,
}

impl Client {
    pub(super) fn new(reach: Reach) -> Result<Self, rustls::Error> {
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connect::connector(reach)?);
        Ok(Self { http, reach })
    }

    /// Sends one token. Redirects are not followed: the receiver chose this address and no other.
    pub(super) async fn send(&self, endpoint: &str, authorization: Option<&str>, token: String) -> Answer {
        let away = |cause: &str| Answer::Away { cause: cause.to_owned(), wait: 0 };
        let Ok(uri) = endpoint::parse(endpoint, self.reach) else { return away("the endpoint is not allowed") };
        let mut request =
            Request::post(uri).header(CONTENT_TYPE, "application/secevent+jwt").header(ACCEPT, "application/json");
        if let Some(text) = authorization {
            let Ok(mut value) = HeaderValue::try_from(text) else { return away("the authorization is not a header") };
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let Ok(request) = request.body(Full::from(token)) else { return away("the request cannot be made") };
        let exchange = async {
            match self.http.request(request).await {
                Ok(response) => read(response).await,
                Err(error) => away(if error.is_connect() { "no connection" } else { "the connection broke" }),
            }
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| away("no answer in time"))
    }
}

async fn read(response: Response<Incoming>) -> Answer {
    let status = response.status();
    let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    if status != StatusCode::BAD_REQUEST {
        return meaning(status, wish.unwrap_or(0).clamp(0, LONGEST_WISH));
    }
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    body.map_or_else(|_| Answer::Unclear("400".to_owned()), |body| refusal(&body.to_bytes()))
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
