//! Handing mail to SendGrid, by version 3 of its HTTP API (`POST /v3/mail/send`).

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url, header};
use serde_json::{Value, json};

use super::{Sender, mime};
use crate::channel::{Receipt, Rendered, SendError};
use crate::template::one_line;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER: usize = 16 * 1024;
/// The longest wait that is believed.
const LONGEST_WAIT: u64 = 3_600;

/// Where SendGrid is. It has no `Debug`: the key is in it.
#[derive(Clone)]
pub struct SendGridSettings {
    /// The API key.
    pub key: String,
    /// Where the API is.
    pub base: Url,
}

/// The way through SendGrid.
pub(crate) struct SendGrid {
    client: Result<Client, String>,
    settings: SendGridSettings,
    from: Sender,
}

impl SendGrid {
    pub(super) fn new(settings: SendGridSettings, from: Sender) -> Self {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            // A key goes to nobody but whom it was given for.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string());
        Self { client, settings, from }
    }

    /// Hands a message over.
    pub(super) async fn send(&self, message: &Rendered) -> Result<Receipt, SendError> {
        let client = self.client.as_ref().map_err(|error| SendError::away(error.clone()))?;
        let address = self.settings.base.join("v3/mail/send").map_err(|error| SendError::away(error.to_string()))?;
        let request = client.post(address).bearer_auth(&self.settings.key).json(&body(&self.from, message)?);
        let response =
            request.send().await.map_err(|error| SendError::away(format!("SendGrid: {}", explain(&error))))?;
        let status = response.status();
        if status.is_success() {
            let id = response.headers().get("x-message-id").and_then(|id| id.to_str().ok());
            return Ok(Receipt { reference: id.map(one_line) });
        }
        Err(refusal(status, response).await)
    }
}

/// What a refusal means for this message.
async fn refusal(status: StatusCode, response: Response) -> SendError {
    let after = wait(&response);
    let said = first_error(response).await;
    let reason = format!("SendGrid said {}{said}", status.as_u16());
    match status {
        // Too much for now, or down: the others would hear the same. A key that is not taken is ours to mend, not the
        // message's fault.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN => SendError::Away { reason, after },
        StatusCode::REQUEST_TIMEOUT => SendError::Later { reason, after },
        _ if status.is_server_error() => SendError::Later { reason, after },
        _ => SendError::Never { reason },
    }
}

/// When to come back: `Retry-After` (RFC 9110 §10.2.3) in seconds, or SendGrid's own `X-RateLimit-Reset`, a moment.
fn wait(response: &Response) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> { response.headers().get(name)?.to_str().ok()?.trim().parse().ok() };
    let seconds = number(header::RETRY_AFTER.as_str()).or_else(|| {
        let now = u64::try_from(kernel::Clock::system().now().unix_seconds()).unwrap_or(0);
        number("x-ratelimit-reset").map(|reset| reset.saturating_sub(now))
    });
    seconds.map(|seconds| Duration::from_secs(seconds.clamp(1, LONGEST_WAIT)))
}

/// An answer of a provider, unless it is longer than any that says something.
pub(crate) async fn first_bytes(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER {
            return Vec::new();
        }
    }
    body
}

/// What SendGrid says is wrong: the first of `{"errors": [{"message": …}]}`.
async fn first_error(response: Response) -> String {
    let body = first_bytes(response).await;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer["errors"][0]["message"].as_str() {
        Some(message) => format!(": {}", one_line(message).chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

/// What reqwest says, without the address: it is always the same.
fn explain(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { "no connection".to_owned() };
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    one_line(&text).chars().take(200).collect()
}

fn body(from: &Sender, message: &Rendered) -> Result<Value, SendError> {
    let to = mime::recipient(message)?;
    let mut recipient = json!({ "email": to.email.to_string() });
    if let Some(name) = &to.name {
        recipient["name"] = json!(name);
    }
    let mut headers = json!({
        "Message-ID": message.message_id,
        "Auto-Submitted": "auto-generated",
        "Content-Language": message.language,
    });
    if let Some((list, post)) = mime::unsubscribe(message) {
        headers["List-Unsubscribe"] = json!(list);
        headers["List-Unsubscribe-Post"] = json!(post);
    }
    Ok(json!({
        "personalizations": [{ "to": [recipient] }],
        "from": { "email": from.address().to_string(), "name": from.name() },
        "subject": one_line(&message.subject),
        "content": [
            { "type": "text/plain", "value": message.text },
            { "type": "text/html", "value": message.html },
        ],
        "headers": headers,
        // Links that work once are not for a redirect that counts clicks.
        "tracking_settings": {
            "click_tracking": { "enable": false, "enable_text": false },
            "open_tracking": { "enable": false },
        },
    }))
}
