//! Headers that are between two neighbours and go no further, RFC 9110 §7.6.1.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes what ends at the door from a request or an answer: `Connection` and what it names, and
/// what is of this kind by definition.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Mostly there is none, and to look at all names once costs less than to look nine of them up.
    if !headers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in
        [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]
    {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The headers that `Connection` asks to remove. Nothing is allocated for the usual `keep-alive`.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| {
            !name.is_empty() && !["keep-alive", "close", "upgrade"].iter().any(|n| name.eq_ignore_ascii_case(n))
        })
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .filter(|name| !stays(name))
        .collect()
}

/// What a client must not be able to take away by naming it in `Connection`: what the door itself
/// said about the request, and what says where the message ends.
fn stays(name: &HeaderName) -> bool {
    const OURS: [&str; 5] = ["x-user-", "x-session-id", "x-request-id", "x-forwarded-", "traceparent"];
    *name == HOST
        || *name == CONTENT_LENGTH
        || name.as_str() == "forwarded"
        || OURS.iter().any(|prefix| name.as_str().starts_with(prefix))
}

/// Makes a request's headers those that an upstream gets, all but `Host`.
pub(super) fn prepare(headers: &mut HeaderMap) {
    // gRPC servers refuse a client that does not say that it takes trailers.
    let takes_trailers = headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    remove_hop_by_hop(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    // The door has told the client to go on by itself, as soon as it reads the body.
    headers.remove(EXPECT);
    keep_one_length(headers);
}

/// Makes an answer's headers those that the client gets, but for what the door itself says.
pub(super) fn prepare_answer(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    keep_one_length(headers);
}

/// Makes of several `Cookie` one, as HTTP/1.1 has it: browsers send one for each cookie over HTTP/2, and
/// RFC 9113 §8.2.3 wants them joined before they leave it. Many servers look at the first only.
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let joined = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    // What is joined of values is one, so the fallback is never seen.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// Makes of several equal `Content-Length` one. HTTP/2 allows them, and so does one side of HTTP/1.1
/// where the other calls it the beginning of a smuggled request. Unequal ones do not come so far.
pub(super) fn keep_one_length(headers: &mut HeaderMap) {
    let mut given = headers.get_all(CONTENT_LENGTH).iter();
    if let (Some(first), Some(_)) = (given.next().cloned(), given.next()) {
        headers.insert(CONTENT_LENGTH, first);
    }
}

/// Whether a request asks to become a WebSocket: the only upgrade that is forwarded.
pub(super) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let Some(upgrade) = headers.get(UPGRADE) else { return false };
    request.version() == http::Version::HTTP_11
        && request.method() == Method::GET
        && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && headers.get_all(UPGRADE).iter().count() == 1
        && headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade")))
}

/// The length that a message says it has.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_is_between_neighbours_goes_no_further() {
        let mut given = headers(&[
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "trailers"),
            ("trailer", "x-user-id"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        prepare(&mut given);
        assert_eq!(given, headers(&[("te", "trailers"), ("accept", "*/*")]));
    }

    #[test]
    fn cookies_are_joined_in_their_order() {
        let mut several = headers(&[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2; c=3"), ("cookie", "d")]);
        join_cookies(&mut several);
        assert_eq!(several, headers(&[("cookie", "a=1; b=2; c=3; d"), ("accept", "*/*")]));
        let one = headers(&[("cookie", "a=1")]);
        let mut same = one.clone();
        join_cookies(&mut same);
        assert_eq!(same, one);
    }

    #[test]
    fn g5_a_message_has_one_length() {
        let twice = headers(&[("content-length", "3"), ("content-length", "3")]);
        for prepare in [prepare, prepare_answer] {
            let mut given = twice.clone();
            prepare(&mut given);
            assert_eq!(given, headers(&[("content-length", "3")]));
        }
        let mut chunked = headers(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
        prepare_answer(&mut chunked);
        assert_eq!(chunked, headers(&[]));
    }

    #[test]
    fn g1_connection_cannot_take_away_what_the_door_says() {
        let ours = [
            ("x-user-id", "ann"),
            ("x-user-roles", "admin"),
            ("x-session-id", "s"),
            ("x-request-id", "r"),
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("traceparent", "00-1-2-01"),
            ("content-length", "3"),
        ];
        for (name, _) in ours {
            let mut given = headers(&ours);
            given.append(CONNECTION, HeaderValue::from_static("close"));
            given.append(CONNECTION, HeaderValue::from_str(&format!("x,{}", name.to_uppercase())).unwrap());
            prepare(&mut given);
            assert_eq!(given, headers(&ours), "{name}");
        }
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        let asked = |method: &str, upgrade: &str, connection: &str| {
            let request = Request::builder().method(method).header(UPGRADE, upgrade).header(CONNECTION, connection);
            asks_for_websocket(&request.body(()).unwrap())
        };
        assert!(asked("GET", "WebSocket", "keep-alive, Upgrade"));
        assert!(!asked("POST", "websocket", "upgrade"));
        assert!(!asked("GET", "h2c", "upgrade, http2-settings"));
        assert!(!asked("GET", "websocket, h2c", "upgrade"));
        assert!(!asked("GET", "websocket", "keep-alive"));
    }
}
