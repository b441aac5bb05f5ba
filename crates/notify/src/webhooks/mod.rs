//! Webhooks: programs are told what happens, at addresses that an operator has registered.
//!
//! `reader` follows the ledger and writes a row of `webhook_deliveries` for each webhook that wants an entry (`queue` has the
//! SQL). `worker` takes rows up, those about the same account one after the other; `message` writes what is said, `secret`
//! signs it, `send` says what the answer means, and `settle` writes down what has become of it. `manage` makes, changes and
//! removes webhooks (`record` has the SQL).
//!
//! It is not a channel of `deliveries`: those are messages to people, in any order, through one provider. Here there are many
//! receivers, none of which may hold up another, and an order ([decision
//! 0029](../../../docs/decisions/0029-webhooks-have-a-queue-of-their-own.md)).

mod manage;
mod message;
mod queue;
mod reader;
mod record;
mod rewrap;
mod secret;
mod send;
mod settle;
mod sweep;
#[cfg(test)]
mod tests;
mod wanted;
mod worker;

pub use manage::{
    Change, CreateError, Created, ManageError, NewWebhook, create, delivery_of_test, remove, retry, rotate, test,
    update,
};
pub use queue::WebhookDelivery;
pub use record::{Status, Webhook};
pub use secret::SecretText;
pub use wanted::{InvalidKinds, InvalidWebhookName, WantedKinds, WebhookName};

pub use manage::{MOST_OVERLAP_HOURS, OVERLAP_HOURS};
pub(crate) use reader::run as follow;
pub(crate) use rewrap::rewrap;
pub(crate) use send::Outcome;
pub(crate) use sweep::sweep;
pub(crate) use worker::run as deliver;

use kernel::id::{WebhookDeliveryId, WebhookId};
use outbound::Reach;
pub use outbound::{Destination, InvalidDestination};

use storage::Tx;

use crate::Notify;

/// How many there can be.
pub const MOST: i64 = 100;

/// What a process that is gone had taken up is free again.
pub(crate) async fn release(tx: &mut Tx) -> storage::Result<()> {
    queue::release_all(tx).await
}

/// Reads the address of a webhook as somebody typed it.
pub fn address(notify: &Notify, text: &str) -> Result<Destination, InvalidDestination> {
    Destination::parse(text, Reach::of(&notify.settings().origin))
}

/// All webhooks, in alphabetical order.
pub async fn list(notify: &Notify) -> storage::Result<Vec<Webhook>> {
    record::list(&mut notify.db().read().await?).await
}

/// One webhook.
pub async fn find(notify: &Notify, id: WebhookId) -> storage::Result<Option<Webhook>> {
    record::find(&mut notify.db().read().await?, id).await
}

/// The webhook of this name.
pub async fn named(notify: &Notify, name: &str) -> storage::Result<Option<Webhook>> {
    Ok(list(notify).await?.into_iter().find(|webhook| webhook.name == name))
}

/// How many events wait to be taken by this webhook, counted up to a thousand.
pub async fn waiting(notify: &Notify, id: WebhookId) -> storage::Result<i64> {
    queue::waiting(&mut notify.db().read().await?, id, 1_000).await
}

/// What this webhook was told, newest first: `limit` of those before `before`, all or those in one state.
pub async fn deliveries(
    notify: &Notify,
    id: WebhookId,
    state: Option<crate::State>,
    before: Option<WebhookDeliveryId>,
    limit: u32,
) -> storage::Result<Vec<WebhookDelivery>> {
    queue::list(&mut notify.db().read().await?, id, state, before, limit.into()).await
}
