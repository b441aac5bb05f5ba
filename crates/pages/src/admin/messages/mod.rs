//! Mail and messages: what people are told, what became of it, and how it is put.

mod queue;
mod row;
mod templates;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub use row::{Row, shown_channel, shown_template};

use crate::Pages;

/// The pages of messages.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/admin/deliveries", get(queue::show))
        .route("/admin/deliveries/retry", post(queue::retry))
        .route("/admin/templates", get(templates::list))
        .route("/admin/templates/{template}", get(templates::show))
        .route("/admin/mail/{template}/{language}", get(templates::body))
}
