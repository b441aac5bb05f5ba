//! The JSON face: `/api/v1/notifications/…`.

mod deliveries;
mod inbox;

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
        .with_state(notify)
}

impl FromRef<Notify> for Users {
    fn from_ref(notify: &Notify) -> Self {
        notify.users().clone()
    }
}
