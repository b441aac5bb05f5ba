//! A server that behaves as Google's token endpoint and Firebase Cloud Messaging (HTTP v1) are published to: it checks the
//! assertion of the service account and the token that it gave, and answers with their errors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::logs::lock;
use crate::{PATIENCE, unix_now};

const PROJECT: &str = "harbour-test";
const ACCOUNT: &str = "usher@harbour-test.iam.gserviceaccount.com";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// What it does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FcmManner {
    /// It takes them.
    Takes,
    /// Too many.
    Quota(u64),
    /// It is down, and says for how long.
    Unavailable(u64),
    /// It fails.
    Fails,
}

#[derive(Default)]
struct Seen {
    messages: Vec<Value>,
    asked: Vec<Instant>,
    tokens_given: usize,
    good: BTreeSet<String>,
    gone: BTreeSet<String>,
}

struct Shared {
    manner: Mutex<FcmManner>,
    seen: Mutex<Seen>,
    public: Vec<u8>,
    url: String,
}

/// A running server; it ends with the test.
pub struct FcmServer {
    /// Where it is.
    pub url: String,
    private: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FcmServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FcmServer {
    /// One that takes messages.
    pub async fn start() -> Self {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
        let der = key.as_der().expect("PKCS#8").as_ref().to_vec();
        let pair = RsaKeyPair::from_pkcs8(&der).expect("a pair");
        let lines: Vec<String> = STANDARD
            .encode(&der)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let private = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared {
            manner: Mutex::new(FcmManner::Takes),
            seen: Mutex::default(),
            public: pair.public_key().as_ref().to_vec(),
            url: url.clone(),
        });
        let router = Router::new()
            .route("/token", post(token))
            .route("/v1/projects/{project}/{call}", post(send))
            .with_state(shared.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server");
        });
        Self { url, private, shared, task }
    }

    /// Writes the credentials of the service account into a folder; the file.
    pub fn credentials(&self, folder: &Path) -> PathBuf {
        let file = folder.join("service-account.json");
        let text = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "0123456789abcdef",
            "private_key": self.private,
            "client_email": ACCOUNT,
            "token_uri": format!("{}/token", self.url),
        });
        std::fs::write(&file, text.to_string()).expect("a file");
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("its owner's alone");
        file
    }

    /// Does something else from now on.
    pub fn set_manner(&self, manner: FcmManner) {
        *lock(&self.shared.manner) = manner;
    }

    /// From now on nobody is there under this token.
    pub fn uninstall(&self, token: &str) {
        lock(&self.shared.seen).gone.insert(token.to_owned());
    }

    /// The tokens that it gave are good no more.
    pub fn forget_tokens(&self) {
        lock(&self.shared.seen).good.clear();
    }

    /// How often it gave a token.
    pub fn tokens_given(&self) -> usize {
        lock(&self.shared.seen).tokens_given
    }

    /// The messages that it took.
    pub fn messages(&self) -> Vec<Value> {
        lock(&self.shared.seen).messages.clone()
    }

    /// When it was asked to send something.
    pub fn asked(&self) -> Vec<Instant> {
        lock(&self.shared.seen).asked.clone()
    }

    /// Waits for so many messages.
    pub async fn has(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        while self.messages().len() < count {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} of {count} messages, asked {} times",
                self.messages().len(),
                self.asked().len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.messages()
    }
}

/// Whether this assertion is one that Google would take (RFC 7523 §3).
fn is_good(shared: &Shared, assertion: &str) -> bool {
    let Some((signed, signature)) = assertion.rsplit_once('.') else { return false };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &shared.public);
    let part = |index: usize| -> Value {
        let bytes = signed.split('.').nth(index).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let (head, claims) = (part(0), part(1));
    let (issued, ends) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
    key.verify(signed.as_bytes(), &signature).is_ok()
        && head["alg"] == "RS256"
        && head["kid"] == "0123456789abcdef"
        && claims["iss"] == ACCOUNT
        && claims["scope"] == SCOPE
        && claims["aud"] == format!("{}/token", shared.url)
        && (issued - unix_now()).abs() < 60
        && ends - issued <= 3_600
}

async fn token(State(shared): State<Arc<Shared>>, Form(form): Form<BTreeMap<String, String>>) -> Response {
    let text = |name: &str| form.get(name).map_or("", String::as_str);
    if text("grant_type") != GRANT || !is_good(&shared, text("assertion")) {
        let body = json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let mut seen = lock(&shared.seen);
    seen.tokens_given += 1;
    let token = format!("ya29.test-{}-{}", seen.tokens_given, uuid::Uuid::new_v4().simple());
    seen.good.insert(token.clone());
    Json(json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})).into_response()
}

fn refuse(code: u16, status: &str, detail: &Value) -> Response {
    let body = json!({"error": {"code": code, "message": "as it was told", "status": status, "details": [detail]}});
    (StatusCode::from_u16(code).expect("a status"), Json(body)).into_response()
}

fn fcm_error(code: u16, status: &str, specific: &str) -> Response {
    let detail = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": specific});
    refuse(code, status, &detail)
}

async fn send(
    State(shared): State<Arc<Shared>>,
    UrlPath((project, call)): UrlPath<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let manner = *lock(&shared.manner);
    let mut seen = lock(&shared.seen);
    seen.asked.push(Instant::now());
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !shown.strip_prefix("Bearer ").is_some_and(|token| seen.good.contains(token)) {
        return fcm_error(401, "UNAUTHENTICATED", "UNAUTHENTICATED");
    }
    if project != PROJECT || call != "messages:send" {
        return fcm_error(404, "NOT_FOUND", "");
    }
    let with_wait = |mut response: Response, seconds: u64| {
        response.headers_mut().insert("retry-after", seconds.to_string().parse().expect("a header"));
        response
    };
    match manner {
        FcmManner::Quota(seconds) => return with_wait(fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), seconds),
        FcmManner::Unavailable(seconds) => return with_wait(fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), seconds),
        FcmManner::Fails => return fcm_error(500, "INTERNAL", "INTERNAL"),
        FcmManner::Takes => {}
    }
    let message = serde_json::from_slice::<Value>(&body).unwrap_or_default()["message"].clone();
    let device = message["token"].as_str().unwrap_or_default().to_owned();
    let violation = |field: &str| {
        let detail = json!({"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": "Invalid value"}]});
        refuse(400, "INVALID_ARGUMENT", &detail)
    };
    // The values of `data` are texts, as published.
    if message["data"].as_object().into_iter().flatten().any(|(_, value)| !value.is_string()) {
        return violation("message.data");
    }
    if device.starts_with("invalid") {
        return violation("message.token");
    }
    if seen.gone.contains(&device) {
        return fcm_error(404, "NOT_FOUND", "UNREGISTERED");
    }
    seen.messages.push(message);
    Json(json!({"name": format!("projects/{PROJECT}/messages/0:{}", seen.messages.len())})).into_response()
}
