//! Firebase Cloud Messaging, by version 1 of its HTTP API: one message to one device.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fcm_token::{Credentials, InvalidCredentials, Tokens, address};
use super::{Pushed, Refusal};
use crate::email::first_bytes;
use crate::template::one_line;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// For how long Google, or one device, is left alone when nothing is said about it.
const REST: Duration = Duration::from_secs(10);
/// The longest wait that is believed.
const LONGEST_REST: u64 = 3_600;
/// For how many seconds a message is kept for a device that is away.
const KEPT: &str = "86400s";

/// Where Firebase is, and what lets us in. It has no `Debug`: a private key is in it.
#[derive(Clone)]
pub struct FcmSettings {
    pub(super) credentials: Credentials,
    base: Url,
}

impl FcmSettings {
    /// From the JSON of a service account. `base` and `token_url` are Google's own if they are empty.
    pub fn read(json: &str, base: &str, token_url: &str) -> Result<Self, InvalidCredentials> {
        let base = if base.is_empty() { "https://fcm.googleapis.com" } else { base };
        Ok(Self { credentials: Credentials::read(json, token_url)?, base: address(base)? })
    }
}

/// The way to devices through Firebase.
pub(super) struct Fcm {
    client: Client,
    address: Url,
    tokens: Tokens,
    /// Until then nothing is sent: nobody was there, or nothing of ours is taken.
    resting: Mutex<Option<Instant>>,
}

impl Fcm {
    pub(super) fn new(settings: FcmSettings) -> Result<Self, String> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            // A token goes to nobody but whom it was given for.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let path = format!("v1/projects/{}/messages:send", settings.credentials.project);
        let address = settings.base.join(&path).map_err(|error| error.to_string())?;
        let tokens = Tokens::new(client.clone(), settings.credentials);
        Ok(Self { client, address, tokens, resting: Mutex::default() })
    }

    /// Hands a message over for one device.
    pub(super) async fn send(&self, device: &str, message: &Pushed) -> Result<(), Refusal> {
        if let Some(left) = self.rest_left() {
            return Err(Refusal::later("Firebase is left alone for a while", Some(left)));
        }
        let body = body(device, message);
        let mut token = self.tokens.get().await.map_err(|refusal| self.rest(refusal))?;
        // A token that is not taken any more is made anew, once.
        for is_last in [false, true] {
            let answer = self.post(&token, &body).await.map_err(|refusal| self.rest(refusal))?;
            match answer.refusal() {
                None => return Ok(()),
                Some(_) if answer.wants_another_token() && !is_last => {
                    token = self.tokens.renew(&token).await.map_err(|refusal| self.rest(refusal))?;
                }
                Some(refusal) if answer.is_about_everybody() => return Err(self.rest(refusal)),
                Some(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::later("Firebase takes no token of ours", None))
    }

    async fn post(&self, token: &str, body: &Value) -> Result<Answer, Refusal> {
        let asked = self.client.post(self.address.clone()).bearer_auth(token).json(body).send().await;
        let response = asked.map_err(|error| {
            let what = if error.is_timeout() { "no answer in time" } else { "no connection" };
            Refusal::later(format!("Firebase: {what}"), Some(REST))
        })?;
        let status = response.status();
        let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = seconds.map(|seconds: u64| Duration::from_secs(seconds.clamp(1, LONGEST_REST)));
        let error = if status.is_success() { ErrorBody::default() } else { read_error(response).await };
        Ok(Answer { status, retry_after, error })
    }

    fn rest_left(&self) -> Option<Duration> {
        let until = *self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// What asks for time gets it: nobody else is sent in vain meanwhile. Of two ends the later one counts.
    fn rest(&self, refusal: Refusal) -> Refusal {
        if let Refusal::Later { after: Some(after), .. } = &refusal {
            let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
            *resting = (*resting).max(Some(Instant::now() + *after));
        }
        refusal
    }
}

fn body(device: &str, message: &Pushed) -> Value {
    let priority = if message.is_urgent { "HIGH" } else { "NORMAL" };
    let apns_priority = if message.is_urgent { "10" } else { "5" };
    json!({ "message": {
        "token": device,
        "notification": { "title": message.title, "body": message.text },
        "data": {
            "delivery": message.tag,
            "template": message.template,
            "category": message.category,
            "link": message.link,
        },
        // A repeat takes the place of what is shown already.
        "android": { "priority": priority, "ttl": KEPT, "collapse_key": message.tag, "notification": { "tag": message.tag } },
        "apns": { "headers": { "apns-priority": apns_priority, "apns-collapse-id": message.tag } },
    } })
}

/// What a refusal says (google.rpc.Status).
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: RpcError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RpcError {
    message: String,
    status: String,
    details: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    error_code: String,
    field_violations: Vec<Violation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Violation {
    field: String,
}

async fn read_error(response: reqwest::Response) -> ErrorBody {
    serde_json::from_slice(&first_bytes(response).await).unwrap_or_default()
}

struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    error: ErrorBody,
}

impl Answer {
    fn code(&self) -> &str {
        let specific = self.error.error.details.iter().find(|detail| !detail.error_code.is_empty());
        specific.map_or(self.error.error.status.as_str(), |detail| detail.error_code.as_str())
    }

    /// The device's own app cannot be reached by Apple with what the project has: no token of ours helps.
    fn is_their_apples(&self) -> bool {
        self.code() == "THIRD_PARTY_AUTH_ERROR"
    }

    fn wants_another_token(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED && !self.is_their_apples()
    }

    fn is_about_the_device(&self) -> bool {
        let fields = self.error.error.details.iter().flat_map(|detail| &detail.field_violations);
        fields.into_iter().any(|violation| violation.field == "message.token")
    }

    /// Whether no message to anybody would be taken now. "Too many" is about one device, or one app of many.
    fn is_about_everybody(&self) -> bool {
        let status =
            matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        status && matches!(self.refusal(), Some(Refusal::Later { .. }))
    }

    /// What it means for this device; nothing if the message was taken.
    fn refusal(&self) -> Option<Refusal> {
        if self.status.is_success() {
            return None;
        }
        let code = self.code();
        let said: String = one_line(&self.error.error.message).chars().take(200).collect();
        let reason = format!("Firebase said {} {code}: {said}", self.status.as_u16());
        // Any other 404 is of a proxy, or of a project that is not there: no device may be thrown away for it.
        let is_gone = matches!(code, "UNREGISTERED" | "SENDER_ID_MISMATCH")
            || (self.status == StatusCode::BAD_REQUEST && self.is_about_the_device());
        Some(match self.status {
            _ if is_gone => Refusal::Gone,
            _ if self.is_their_apples() => Refusal::Never(reason),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Refusal::later(reason, Some(self.retry_after.unwrap_or(REST)))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Refusal::later(reason, Some(REST))
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Refusal::later(reason, self.retry_after)
            }
            _ => Refusal::Never(reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        let error = serde_json::from_value(body).unwrap();
        Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: Some(Duration::from_secs(7)), error }
    }

    fn fcm_error(code: u16, status: &str, specific: &str) -> Value {
        json!({"error": {"code": code, "message": "x", "status": status, "details": [
            {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": specific}]}})
    }

    #[test]
    fn what_firebase_answers_and_what_it_means() {
        assert!(answer(200, json!({})).refusal().is_none());
        let gone = |status, body| matches!(answer(status, body).refusal(), Some(Refusal::Gone));
        assert!(gone(404, fcm_error(404, "NOT_FOUND", "UNREGISTERED")));
        assert!(gone(403, fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")));
        let field = |field: &str| {
            json!({"error": {"status": "INVALID_ARGUMENT", "details": [
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field, "description": "x"}]}]}})
        };
        assert!(gone(400, field("message.token")));
        let never = |status, body| matches!(answer(status, body).refusal(), Some(Refusal::Never(_)));
        assert!(never(400, field("message.data")));
        assert!(never(401, fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")));
        let later = |status, body| match answer(status, body).refusal() {
            Some(Refusal::Later { after, .. }) => after.map(|after| after.as_secs()),
            _ => None,
        };
        assert_eq!(later(429, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")), Some(7));
        assert_eq!(later(503, fcm_error(503, "UNAVAILABLE", "UNAVAILABLE")), Some(7));
        assert_eq!(later(500, json!({})), Some(7));
        assert_eq!(later(401, fcm_error(401, "UNAUTHENTICATED", "")), Some(REST.as_secs()));
        assert_eq!(later(404, json!({})), Some(REST.as_secs()), "no word of Firebase's is in it");
        assert_eq!(later(404, fcm_error(404, "NOT_FOUND", "")), Some(REST.as_secs()));
        assert!(answer(401, json!({})).wants_another_token());
        assert!(!answer(403, json!({})).wants_another_token());
    }

    #[test]
    fn one_device_that_gets_too_much_does_not_rest_firebase_for_all() {
        assert!(!answer(429, fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")).is_about_everybody());
        assert!(!answer(403, fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")).is_about_everybody());
        assert!(!answer(401, fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")).is_about_everybody());
        for status in [401, 403, 503] {
            assert!(answer(status, json!({})).is_about_everybody(), "{status}");
        }
    }
}
