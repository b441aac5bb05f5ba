//! A browser and the push service that it has chosen: a subscription, a service that checks who asks (RFC 8030, RFC 8292), and
//! a browser that decrypts what comes (RFC 8188, RFC 8291).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_FIXED};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::logs::lock;
use crate::{PATIENCE, unix_now};

/// Something that was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// To which subscription.
    pub to: String,
    /// The headers.
    pub headers: HeaderMap,
    /// What the service sees.
    pub body: Vec<u8>,
}

struct Shared {
    url: String,
    pushed: Mutex<Vec<Pushed>>,
    refuses: Mutex<Option<(u16, Option<String>)>>,
    asked: Mutex<usize>,
}

/// A running push service; it ends with the test.
pub struct PushService {
    /// Where it is.
    pub url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for PushService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PushService {
    /// One that takes messages.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared {
            url: url.clone(),
            pushed: Mutex::default(),
            refuses: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new().route("/push/{id}", post(take)).with_state(shared.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server");
        });
        Self { url, shared, task }
    }

    /// Refuses everything with this status from now on, or nothing any more.
    pub fn refuse(&self, status: Option<u16>, retry_after: Option<&str>) {
        *lock(&self.shared.refuses) = status.map(|status| (status, retry_after.map(str::to_owned)));
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        *lock(&self.shared.asked)
    }

    /// What was pushed.
    pub fn pushed(&self) -> Vec<Pushed> {
        lock(&self.shared.pushed).clone()
    }

    /// Waits until so much was pushed.
    pub async fn has(&self, count: usize) -> Vec<Pushed> {
        let begun = Instant::now();
        while self.pushed().len() < count {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} of {count} were pushed, asked {} times",
                self.pushed().len(),
                self.asked()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.pushed()
    }

    /// A browser that has subscribed here.
    pub fn subscribe(&self) -> PushBrowser {
        PushBrowser::at(&self.url)
    }

    /// A browser that has subscribed where nobody is.
    pub fn made_up() -> PushBrowser {
        PushBrowser::at("http://127.0.0.1:9")
    }
}

/// Whether whoever asks has signed for this service with a key of their own (RFC 8292 §2 and §3).
fn is_signed(shared: &Shared, headers: &HeaderMap) -> bool {
    let value = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((token, key)) = value.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")) else {
        return false;
    };
    let Some((signed, tag)) = token.rsplit_once('.') else { return false };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let key = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key));
    let claims: Value =
        serde_json::from_slice(&decode(signed.split('.').nth(1).unwrap_or_default())).unwrap_or_default();
    let ends = claims["exp"].as_i64().unwrap_or(0) - unix_now();
    let contact = claims["sub"].as_str().unwrap_or_default();
    key.verify(signed.as_bytes(), &decode(tag)).is_ok()
        && claims["aud"] == shared.url
        && (1..=86_400).contains(&ends)
        && (contact.starts_with("mailto:") || contact.starts_with("https:"))
}

async fn take(State(shared): State<Arc<Shared>>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    *lock(&shared.asked) += 1;
    if let Some((status, retry_after)) = lock(&shared.refuses).clone() {
        let mut response = StatusCode::from_u16(status).expect("a status").into_response();
        if let Some(wait) = retry_after {
            response.headers_mut().insert("retry-after", wait.parse().expect("a header"));
        }
        return response;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_signed(&shared, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    // RFC 8030 §5.2 to §5.4.
    let topic_fits = text("topic").len() <= 32
        && text("topic").bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let fits = text("ttl").parse::<u32>().is_ok()
        && ["very-low", "low", "normal", "high"].contains(&text("urgency"))
        && topic_fits;
    if !fits || text("content-encoding") != "aes128gcm" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if body.len() > 4_096 {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    lock(&shared.pushed).push(Pushed { to: id, headers, body: body.to_vec() });
    StatusCode::CREATED.into_response()
}

/// A browser with a subscription.
pub struct PushBrowser {
    /// Where it is pushed to.
    pub endpoint: String,
    key: PrivateKey,
    secret: [u8; 16],
}

struct Length<const N: usize>;

impl<const N: usize> KeyType for Length<N> {
    fn len(&self) -> usize {
        N
    }
}

fn expand<const N: usize>(from: &Prk, info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    from.expand(info, Length::<N>).and_then(|okm| okm.fill(&mut out)).expect("so many bytes");
    out
}

impl PushBrowser {
    fn at(service: &str) -> Self {
        let key = PrivateKey::generate(&ECDH_P256).expect("a key");
        let id = uuid::Uuid::new_v4().simple();
        Self { endpoint: format!("{service}/push/{id}"), key, secret: *uuid::Uuid::new_v4().as_bytes() }
    }

    fn public(&self) -> Vec<u8> {
        self.key.compute_public_key().expect("a point").as_ref().to_vec()
    }

    /// What `PushSubscription.toJSON()` gives.
    pub fn subscription(&self) -> Value {
        json!({"endpoint": self.endpoint, "expirationTime": null, "keys": {
            "p256dh": URL_SAFE_NO_PAD.encode(self.public()), "auth": URL_SAFE_NO_PAD.encode(self.secret)}})
    }

    /// Decrypts what came, as RFC 8188 §2 and RFC 8291 §3 say; nothing if it is for somebody else.
    pub fn read(&self, pushed: &Pushed) -> Option<Value> {
        let (salt, rest) = pushed.body.split_at_checked(16)?;
        let (size, rest) = rest.split_at_checked(4)?;
        let (length, rest) = rest.split_first()?;
        let (theirs, record) = rest.split_at_checked(usize::from(*length))?;
        assert!(record.len() <= u32::from_be_bytes(size.try_into().ok()?) as usize, "one record");
        let public = self.public();
        let key = agree(&self.key, UnparsedPublicKey::new(&ECDH_P256, theirs), (), |shared| {
            let combined = Salt::new(HKDF_SHA256, &self.secret).extract(shared);
            Ok(expand::<32>(&combined, &[b"WebPush: info\0", &public, theirs]))
        });
        let key = Salt::new(HKDF_SHA256, salt).extract(&key.ok()?);
        let content = expand::<16>(&key, &[b"Content-Encoding: aes128gcm\0"]);
        let nonce = expand::<12>(&key, &[b"Content-Encoding: nonce\0"]);
        let opening = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content).ok()?);
        let mut plain = record.to_vec();
        let plain = opening.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut plain).ok()?;
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        assert_eq!(plain[end], 2, "the last record ends in a 2");
        serde_json::from_slice(&plain[..end]).ok()
    }
}
