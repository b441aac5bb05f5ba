//! Having a delivery tried again that was given up, or that waits for its next try.

use kernel::id::DeliveryId;
use kernel::{Event, Kind};
use users::{Authority, may};

use crate::{Delivery, Notify, delivery};

/// It is not tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryDeliveryError {
    /// There is no such delivery.
    #[error("there is no such delivery")]
    NotFound,
    /// Whoever asks lacks the permission by now.
    #[error("the permission {} is missing", may::NOTIFICATIONS_WRITE)]
    Forbidden,
    /// It was sent, or it is being tried at this moment.
    #[error("the delivery was sent already, or is being tried right now")]
    NotWaiting,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Has a delivery tried again, at once and for another day.
pub async fn retry_delivery(
    notify: &Notify,
    authority: Authority,
    id: DeliveryId,
) -> Result<Delivery, RetryDeliveryError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    let restarted = delivery::restart(&mut tx, id, now).await?;
    if !authority.may(&mut tx, may::NOTIFICATIONS_WRITE).await? {
        return Err(RetryDeliveryError::Forbidden);
    }
    let found = delivery::find(&mut tx, id).await?.ok_or(RetryDeliveryError::NotFound)?;
    if !restarted {
        return Err(RetryDeliveryError::NotWaiting);
    }
    let event = Event::new(Kind::DeliveryRetried, now).about(found.user_id).with("delivery", id.to_string());
    tx.append(authority.sign(event.with("template", found.template.as_str())));
    tx.commit().await?;
    notify.wake();
    Ok(found)
}
