//! Registering a device, and removing one.

use kernel::id::PushDeviceId;
use kernel::{Event, Kind as EventKind, SessionId, UserId};
use serde::{Deserialize, Serialize};
use storage::Tx;
use users::PersonalDataError;

use super::device::{self, Kind, New, PushDevice};
use super::web::Subscription;
use crate::Notify;

/// How many devices somebody can have: beyond that, the one that was not seen for the longest time goes.
const MOST: i64 = 20;
/// The longest token of an app.
const LONGEST_TOKEN: usize = 4_096;

/// Where a device is. It has no `Debug`: whoever has it can push.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// The registration token of an app.
    Fcm(String),
    /// The subscription of a browser.
    Web {
        /// What the browser gave.
        subscription: Subscription,
        /// The public key of ours that it was made with.
        key: String,
    },
}

impl Address {
    /// The token of an app, if it can be one.
    pub fn fcm(token: &str) -> Option<Self> {
        let fits = (16..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self::Fcm(token.to_owned()))
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Fcm(_) => Kind::Fcm,
            Self::Web { .. } => Kind::Web,
        }
    }

    /// What tells it from others.
    fn identity(&self) -> &str {
        match self {
            Self::Fcm(token) => token,
            Self::Web { subscription, .. } => &subscription.endpoint,
        }
    }
}

/// What a device is found by: keyed, so that nobody who has the database alone can tell that a token is there. By every
/// key that may have made it, the current one first.
fn lookups(notify: &Notify, kind: Kind, identity: &str) -> Vec<[u8; 32]> {
    let parts: [&[u8]; 3] = [b"push_devices", kind.as_str().as_bytes(), identity.as_bytes()];
    notify.index().keys().map(|key| key.sign(&parts)).collect()
}

/// The device was not registered or removed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Nothing is pushed this way here.
    #[error("this way of pushing is not configured")]
    Off,
    /// There is no such device, or no such account any more.
    #[error("there is no such device")]
    NotFound,
    /// Its address could not be sealed.
    #[error(transparent)]
    Personal(#[from] PersonalDataError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// A device that is registered.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// Its id.
    pub id: PushDeviceId,
    /// Whether it was new.
    pub is_new: bool,
}

/// Registers a device of somebody in their session. The same once more is no change; one that was somebody else's, or of
/// another session, is theirs and of this one from now on.
pub async fn register(
    notify: &Notify,
    user: UserId,
    session: SessionId,
    address: &Address,
) -> Result<Registered, RegisterError> {
    if !notify.settings().push.takes(address.kind()) {
        return Err(RegisterError::Off);
    }
    let now = notify.users().clock.now();
    let lookups = lookups(notify, address.kind(), address.identity());
    // An address can always be written as JSON.
    let text = serde_json::to_string(address).unwrap_or_default();
    let mut tx = notify.db().begin().await?;
    // Looked at behind the lock: whoever was erased meanwhile has no key, and must not get one again.
    let is_there = users::account::lock(&mut tx, user).await?;
    let account = if is_there { users::account::find(&mut tx, user).await? } else { None };
    if account.is_none_or(|account| account.status != users::account::Status::Active) {
        return Err(RegisterError::NotFound);
    }
    for lookup in &lookups {
        if let Some(id) = device::see(&mut tx, lookup, user, session, now).await? {
            let sealed = notify.users().seal_said(&mut tx, user, &device::fact(id), &text).await?;
            device::reseal(&mut tx, id, &sealed).await?;
            tx.commit().await?;
            return Ok(Registered { id, is_new: false });
        }
        device::remove_address(&mut tx, lookup).await?;
    }
    let id = PushDeviceId::new(now);
    let sealed = notify.users().seal_said(&mut tx, user, &device::fact(id), &text).await?;
    let lookup = lookups.first().map(<[u8; 32]>::as_slice).unwrap_or_default();
    let new = New { id, user, session, kind: address.kind(), lookup, sealed: &sealed };
    if !device::insert(&mut tx, &new, now).await? {
        // Two requests at once: the other one has it.
        return Err(RegisterError::NotFound);
    }
    device::trim(&mut tx, user, MOST).await?;
    append(&mut tx, EventKind::PushDeviceRegistered, user, session, id, now);
    tx.commit().await?;
    Ok(Registered { id, is_new: true })
}

/// Removes a device of somebody.
pub async fn unregister(
    notify: &Notify,
    user: UserId,
    session: SessionId,
    id: PushDeviceId,
) -> Result<(), RegisterError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    if !device::remove(&mut tx, user, id).await? {
        return Err(RegisterError::NotFound);
    }
    append(&mut tx, EventKind::PushDeviceRemoved, user, session, id, now);
    tx.commit().await?;
    Ok(())
}

/// Removes the device of somebody that has this address; a browser does not know its id.
pub async fn unregister_address(
    notify: &Notify,
    user: UserId,
    session: SessionId,
    endpoint: &str,
) -> Result<(), RegisterError> {
    let now = notify.users().clock.now();
    let mut tx = notify.db().begin().await?;
    for lookup in lookups(notify, Kind::Web, endpoint) {
        if let Some(id) = device::remove_own_address(&mut tx, &lookup, user).await? {
            append(&mut tx, EventKind::PushDeviceRemoved, user, session, id, now);
            tx.commit().await?;
            return Ok(());
        }
    }
    Err(RegisterError::NotFound)
}

/// Whether somebody has registered the browser of this address in this session.
pub async fn is_registered(notify: &Notify, user: UserId, session: SessionId, endpoint: &str) -> storage::Result<bool> {
    let mut read = notify.db().read().await?;
    for lookup in lookups(notify, Kind::Web, endpoint) {
        if device::is_in(&mut read, &lookup, user, session).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn append(tx: &mut Tx, kind: EventKind, user: UserId, session: SessionId, id: PushDeviceId, now: kernel::Timestamp) {
    tx.append(Event::new(kind, now).by(user).in_session(session).with("device", id.to_string()));
}

/// The devices of somebody, newest first.
pub async fn list(notify: &Notify, user: UserId) -> storage::Result<Vec<PushDevice>> {
    device::list(&mut notify.db().read().await?, user).await
}
