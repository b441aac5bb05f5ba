//! The JSON face: `/api/v1/notifications/…` and `/api/v1/webhooks/…`.

mod deliveries;
mod devices;
mod inbox;
mod preferences;
mod send;
mod webhooks;

use axum::extract::FromRef;
use users::Users;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use inbox::{NotificationView, last_event};

use crate::Notify;

/// The calls of this crate.
pub fn router(notify: Notify) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::retry))
        .routes(routes!(inbox::list_notifications))
        .routes(routes!(inbox::read_notification))
        .routes(routes!(inbox::read_all_notifications))
        .routes(routes!(inbox::watch_notifications))
        .routes(routes!(devices::list_devices, devices::post_device))
        .routes(routes!(devices::delete_device))
        .routes(routes!(webhooks::list_webhooks, webhooks::post_webhook))
        .routes(routes!(webhooks::get_webhook, webhooks::patch_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::rotate_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::list_webhook_deliveries))
        .routes(routes!(webhooks::retry_webhook_delivery))
        .routes(routes!(preferences::read_preferences, preferences::put_preferences))
        .routes(routes!(send::send))
        .routes(routes!(send::read_send))
        .with_state(notify)
}

impl FromRef<Notify> for Users {
    fn from_ref(notify: &Notify) -> Self {
        notify.users().clone()
    }
}
