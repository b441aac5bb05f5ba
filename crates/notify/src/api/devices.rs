//! Devices that are pushed to: `/api/v1/notifications/devices`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use kernel::id::PushDeviceId;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, SessionId, StrictJson, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Notify;
use crate::push::{self, Address, InvalidSubscription, PushDevice, RegisterError};

/// A device that somebody is pushed to.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PushDevice)]
pub(super) struct PushDeviceView {
    id: PushDeviceId,
    /// The session that it belongs to: it goes when that is over.
    session: SessionId,
    /// `fcm` for an app, `web` for a browser.
    kind: String,
    created_at: Timestamp,
    /// When it was registered last.
    seen_at: Timestamp,
}

impl From<PushDevice> for PushDeviceView {
    fn from(device: PushDevice) -> Self {
        Self {
            id: device.id,
            session: device.session_id,
            kind: device.kind,
            created_at: device.created_at,
            seen_at: device.seen_at,
        }
    }
}

/// The devices of somebody.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct PushDevices {
    /// Newest first.
    items: Vec<PushDeviceView>,
    /// Always null: there are twenty at most.
    next: Option<String>,
    /// What a browser passes as `applicationServerKey`; null where browsers are not pushed to.
    web_push_key: Option<String>,
}

/// A device to register: `token`, or `subscription`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostDevice {
    /// The registration token of an app, from Firebase.
    #[schema(max_length = 4096)]
    token: Option<String>,
    /// The subscription of a browser.
    subscription: Option<SubscriptionBody>,
}

/// What `PushSubscription.toJSON()` gives, and the key that it was made with.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionBody {
    /// The address of the push service.
    #[schema(max_length = 2048)]
    endpoint: String,
    /// When it ends; it is not used.
    #[serde(rename = "expirationTime", default)]
    _expiration_time: Option<f64>,
    /// Its keys.
    keys: SubscriptionKeys,
    /// The `web_push_key` that it was made with; that of today unless said.
    #[schema(max_length = 128)]
    key: Option<String>,
}

/// The keys of a subscription, in base64url.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionKeys {
    /// The browser's public key.
    #[schema(max_length = 128)]
    p256dh: String,
    /// The secret that browser and server share.
    #[schema(max_length = 64)]
    auth: String,
}

/// A device that was registered.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct PushDeviceRegistered {
    /// Its id, to remove it with.
    id: PushDeviceId,
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Off => Self::new(
                StatusCode::CONFLICT,
                "push_not_configured",
                "Nothing is pushed this way",
                "An administrator has not configured this way of pushing messages.",
            ),
            RegisterError::NotFound => Self::not_found(),
            RegisterError::Personal(error) => error.into(),
            RegisterError::Storage(error) => error.into(),
        }
    }
}

fn wrong(field: &'static str, code: &'static str, message: &'static str) -> Problem {
    Problem::invalid_input(vec![FieldError::new(field, code, message)])
}

impl PostDevice {
    fn read(self, notify: &Notify) -> Result<Address, Problem> {
        match (self.token, self.subscription) {
            (Some(token), None) => Address::fcm(&token)
                .ok_or_else(|| wrong("token", "invalid_token", "Send the registration token that Firebase gave.")),
            (None, Some(body)) => body.read(notify),
            _ => Err(wrong("token", "missing", "Send either `token` or `subscription`.")),
        }
    }
}

impl SubscriptionBody {
    fn read(self, notify: &Notify) -> Result<Address, Problem> {
        let key = self.key.or_else(|| notify.web_push_key().map(str::to_owned)).unwrap_or_default();
        let read = push::browser(notify, &self.endpoint, &self.keys.p256dh, &self.keys.auth, &key);
        read.map_err(|error| {
            let (field, code) = match error {
                InvalidSubscription::Endpoint => ("subscription.endpoint", "invalid_endpoint"),
                InvalidSubscription::Keys => ("subscription.keys", "invalid_keys"),
                InvalidSubscription::Key => ("subscription.key", "unknown_key"),
            };
            Problem::invalid_input(vec![FieldError::new(field, code, error.to_string())])
        })
    }
}

/// My devices
///
/// Those that I am pushed messages to, newest first, and the key with which a browser subscribes.
#[utoipa::path(get, path = "/api/v1/notifications/devices", tag = "Notifications", security(("access_token" = [])),
    responses((status = 200, description = "The devices.", body = PushDevices)))]
pub(super) async fn list_devices(caller: Caller, State(notify): State<Notify>) -> Result<Json<PushDevices>, Problem> {
    let items = push::list(&notify, caller.user).await?.into_iter().map(PushDeviceView::from).collect();
    Ok(Json(PushDevices { items, next: None, web_push_key: notify.web_push_key().map(str::to_owned) }))
}

/// Register a device
///
/// From then on messages are pushed to it, as the preferences say. It belongs to the session that asks and goes when that is
/// over. To register it again changes nothing.
#[utoipa::path(post, path = "/api/v1/notifications/devices", tag = "Notifications", security(("access_token" = [])),
    request_body = PostDevice,
    responses((status = 201, description = "It is registered.", body = PushDeviceRegistered),
        (status = 200, description = "It was registered before.", body = PushDeviceRegistered),
        (status = 409, description = "`push_not_configured`: nothing is pushed this way.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the token or the subscription is none.", body = ProblemDocument)))]
pub(super) async fn post_device(
    caller: Caller,
    State(notify): State<Notify>,
    StrictJson(post): StrictJson<PostDevice>,
) -> Result<(StatusCode, Json<PushDeviceRegistered>), Problem> {
    let address = post.read(&notify)?;
    let registered = push::register(&notify, caller.user, caller.session, &address).await?;
    let status = if registered.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(PushDeviceRegistered { id: registered.id })))
}

/// Remove a device
#[utoipa::path(delete, path = "/api/v1/notifications/devices/{id}", tag = "Notifications", security(("access_token" = [])),
    params(("id" = PushDeviceId, Path, description = "The device.")),
    responses((status = 204, description = "Nothing is pushed to it any more."),
        (status = 404, description = "`not_found`: there is no such device of yours.", body = ProblemDocument)))]
pub(super) async fn delete_device(
    caller: Caller,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    push::unregister(&notify, caller.user, caller.session, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
