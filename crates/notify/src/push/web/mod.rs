//! Web Push: a message to a browser by the push service that it has chosen (RFC 8030), which cannot read it (`encrypt`), and
//! which can tell who asks (`vapid`).

mod encrypt;
mod vapid;

use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Timestamp;
use outbound::{Client, Destination, Reach};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Pushed, Refusal};
use encrypt::{Keys, POINT, SECRET};

pub(crate) use vapid::Vapid;

/// How much of an answer is read: nobody looks at it.
const LONGEST_ANSWER: usize = 16 * 1024;
/// For how many seconds a message is kept for a browser that is away.
const KEPT: &str = "86400";
/// The longest wait that is believed, in seconds.
const LONGEST_REST: u64 = 3_600;
/// How many characters of the text go along: a notification shows fewer.
const LONGEST_TEXT: usize = 600;

/// A subscription, as a browser gives it. It has no `Debug`: whoever has it can push.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub(super) endpoint: String,
    p256dh: String,
    auth: String,
}

/// Not a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubscription {
    /// Its address is none of a push service.
    #[error("Send the `endpoint` of the subscription: an https address on the public Internet.")]
    Endpoint,
    /// Its keys are none.
    #[error("Send `p256dh` and `auth` of the subscription, in base64url.")]
    Keys,
    /// It was not made with a key of ours.
    #[error("Subscribe with the `web_push_key` of today, and send it as `key`.")]
    Key,
}

impl Subscription {
    /// Reads a subscription, for a server with this reach.
    pub fn parse(endpoint: &str, p256dh: &str, auth: &str, reach: Reach) -> Result<Self, InvalidSubscription> {
        Destination::parse(endpoint, reach).map_err(|_| InvalidSubscription::Endpoint)?;
        let read = Self { endpoint: endpoint.to_owned(), p256dh: p256dh.to_owned(), auth: auth.to_owned() };
        let keys = read.keys().ok_or(InvalidSubscription::Keys)?;
        if encrypt::is_good(&keys.public) { Ok(read) } else { Err(InvalidSubscription::Keys) }
    }

    fn keys(&self) -> Option<Keys> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let public: [u8; POINT] = decode(&self.p256dh)?.try_into().ok()?;
        let secret: [u8; SECRET] = decode(&self.auth)?.try_into().ok()?;
        Some(Keys { public, secret })
    }
}

/// Hands a message over to the push service of a browser. `key` is the one of ours that the subscription was made with.
pub(super) async fn send(
    client: &Client,
    vapid: &Vapid,
    to: &Subscription,
    key: &str,
    message: &Pushed,
    now: Timestamp,
) -> Result<(), Refusal> {
    let never = |what: &str| Refusal::Never(format!("Web Push: {what}"));
    // A subscription that cannot be used is as good as gone, and its browser makes another.
    let Ok(address) = Destination::parse(&to.endpoint, client.reach()) else { return Err(Refusal::Gone) };
    let Some(keys) = to.keys() else { return Err(Refusal::Gone) };
    let Some(authorization) = vapid.authorization(key, &address.origin(), now) else { return Err(Refusal::Gone) };
    let body = encrypt::encrypt(&keys, text(message).as_bytes()).map_err(|error| never(&error.to_string()))?;
    let headers = headers(message, &authorization).ok_or_else(|| never("its headers cannot be written"))?;
    match client.post(&address, headers, body, LONGEST_ANSWER).await {
        Err(no_answer) => Err(Refusal::later(format!("the push service: {no_answer}"), None)),
        Ok(reply) => {
            let reason = format!("the push service said {}", reply.status.as_u16());
            let after = reply.retry_after.map(|wait| std::time::Duration::from_secs(wait.clamp(1, LONGEST_REST)));
            match reply.status.as_u16() {
                200..=299 => Ok(()),
                404 | 410 => Err(Refusal::Gone),
                408 | 429 | 500..=599 => Err(Refusal::later(reason, after)),
                _ => Err(Refusal::Never(reason)),
            }
        }
    }
}

/// What the service worker is told.
fn text(message: &Pushed) -> String {
    let body: String = message.text.chars().take(LONGEST_TEXT).collect();
    let title: String = message.title.chars().take(LONGEST_TEXT / 3).collect();
    json!({ "title": title, "body": body, "link": message.link, "tag": message.tag, "lang": message.language })
        .to_string()
}

fn headers(message: &Pushed, authorization: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut authorization = HeaderValue::try_from(authorization).ok()?;
    authorization.set_sensitive(true);
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert(HeaderName::from_static("ttl"), HeaderValue::from_static(KEPT));
    let urgency = if message.is_urgent { "high" } else { "normal" };
    headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(urgency));
    // A repeat takes the place of what still waits: at most 32 characters of base64url (RFC 8030 §5.4).
    let topic: String = message.tag.chars().filter(char::is_ascii_hexdigit).take(32).collect();
    headers.insert(HeaderName::from_static("topic"), HeaderValue::try_from(topic).ok()?);
    Some(headers)
}
