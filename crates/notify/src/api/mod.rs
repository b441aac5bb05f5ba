//! The JSON face: `/api/v1/notifications/…`.

mod deliveries;

use axum::extract::FromRef;
use users::Users;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Notify;

/// The calls of this crate.
pub fn router(notify: Notify) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::retry))
        .with_state(notify)
}

impl FromRef<Notify> for Users {
    fn from_ref(notify: &Notify) -> Self {
        notify.users().clone()
    }
}
