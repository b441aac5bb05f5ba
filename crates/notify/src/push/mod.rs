//! Push: what somebody is told goes to the devices where they are signed in, by Firebase Cloud Messaging (`fcm`) and Web Push
//! (`web`).
//!
//! A device is a row of `push_devices` (`device` has the SQL): a token of an app, or the subscription of a browser, sealed
//! with its owner's key. It belongs to a session, and goes when that is over, or when the provider says that it is gone.
//! `register` makes and removes them; the [`Push`] channel sends.
//!
//! A message is one delivery to one person, whatever number of devices. One that has to be tried again goes to those that
//! have not taken it. Only this process knows which have ([`Taken`]): after a restart it may go to all again, and each shows
//! it in the place of the first, because a repeat has the same tag.

mod device;
mod fcm;
mod fcm_token;
mod register;
mod sweep;
mod web;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use kernel::id::{DeliveryId, PushDeviceId};
use kernel::{SessionId, UserId};
use outbound::{Client, Reach};

pub use device::PushDevice;
pub use fcm::FcmSettings;
pub use fcm_token::InvalidCredentials;
pub use register::{Address, RegisterError, Registered, is_registered, list, register, unregister, unregister_address};
pub use web::{InvalidSubscription, Subscription};

pub(crate) use device::{any, owners, remove_all, suspect};
pub(crate) use sweep::run as keep;
pub(crate) use web::Vapid;

use crate::channel::{Channel, ChannelName, Receipt, Rendered, SendError};
use crate::{Category, Notify};
use device::{Kind, Opened};
use fcm::Fcm;

/// What an operator can set.
#[derive(Clone, Default)]
pub struct PushSettings {
    /// Firebase, for apps.
    pub fcm: Option<FcmSettings>,
    /// Whether browsers can be pushed to.
    pub web: bool,
}

impl PushSettings {
    /// Whether there is any way to a device.
    pub const fn is_on(&self) -> bool {
        self.web || self.fcm.is_some()
    }

    const fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Fcm => self.fcm.is_some(),
            Kind::Web => self.web,
        }
    }
}

/// Which of these sessions of somebody are on: whoever knows sessions answers it. This crate does not.
pub type SessionsOn = dyn Fn(UserId, Vec<SessionId>) -> Pin<Box<dyn Future<Output = storage::Result<Vec<SessionId>>> + Send>>
    + Send
    + Sync;

/// Reads what a browser gave when it subscribed. `key` is the public key of ours that it was made with.
pub fn browser(
    notify: &Notify,
    endpoint: &str,
    p256dh: &str,
    auth: &str,
    key: &str,
) -> Result<Address, InvalidSubscription> {
    let reach = Reach::of(&notify.settings().origin);
    let subscription = Subscription::parse(endpoint, p256dh, auth, reach)?;
    if !notify.vapid().has(key) {
        return Err(InvalidSubscription::Key);
    }
    Ok(Address::Web { subscription, key: key.to_owned() })
}

/// A message as a device shows it.
struct Pushed {
    title: String,
    text: String,
    link: Option<String>,
    language: String,
    /// The same at every try.
    tag: String,
    template: &'static str,
    category: &'static str,
    is_urgent: bool,
}

impl Pushed {
    fn of(message: &Rendered) -> Self {
        Self {
            title: message.subject.clone(),
            text: message.preview.clone(),
            link: message.link.clone(),
            language: message.language.clone(),
            tag: message.delivery.to_string(),
            template: message.template.as_str(),
            category: message.category.as_str(),
            is_urgent: matches!(message.category, Category::Security | Category::Account),
        }
    }
}

/// A device was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// It is not there any more.
    Gone,
    /// Not now.
    Later {
        /// Why not, for operators.
        reason: String,
        /// Not before this time has gone by.
        after: Option<Duration>,
    },
    /// Not ever.
    Never(String),
}

impl Refusal {
    fn later(reason: impl Into<String>, after: Option<Duration>) -> Self {
        Self::Later { reason: reason.into(), after }
    }
}

/// How many messages it is remembered of which devices have them.
const REMEMBERED: usize = 10_000;

/// Which devices have taken a message that others have not: they must not show it again for as long as one of them is
/// tried.
#[derive(Default)]
struct Taken(Mutex<BTreeMap<DeliveryId, Vec<PushDeviceId>>>);

impl Taken {
    fn of(&self, message: DeliveryId) -> Vec<PushDeviceId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&message).cloned().unwrap_or_default()
    }

    /// These have it, and it is tried again for others.
    fn remember(&self, message: DeliveryId, devices: Vec<PushDeviceId>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(message, devices);
        if all.len() > REMEMBERED {
            // The oldest: ids begin with the time.
            all.pop_first();
        }
    }

    fn forget(&self, message: DeliveryId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&message);
    }
}

/// The channel.
pub(crate) struct Push {
    notify: Notify,
    fcm: Option<Fcm>,
    web: Option<Client>,
    taken: Taken,
}

impl Push {
    /// The ways that are configured; nothing if there is none.
    pub(crate) fn open(notify: &Notify) -> Option<Self> {
        let settings = &notify.settings().push;
        let fcm = settings.fcm.clone().and_then(|fcm| {
            Fcm::new(fcm).inspect_err(|error| tracing::error!(%error, "nothing can be pushed by Firebase")).ok()
        });
        let reach = Reach::of(&notify.settings().origin);
        let web = settings.web.then(|| Client::new(reach));
        let web = web.and_then(|client| {
            client.inspect_err(|error| tracing::error!(%error, "TLS cannot be set up: no browser is pushed to")).ok()
        });
        (fcm.is_some() || web.is_some()).then(|| Self { notify: notify.clone(), fcm, web, taken: Taken::default() })
    }

    async fn reach(&self, device: &Opened, message: &Pushed) -> Result<(), Refusal> {
        let now = self.notify.users().clock.now();
        match (&device.address, &self.fcm, &self.web) {
            (Address::Fcm(token), Some(fcm), _) => fcm.send(token, message).await,
            (Address::Web { subscription, key }, _, Some(client)) => {
                web::send(client, self.notify.vapid(), subscription, key, message, now).await
            }
            // Whoever switched the way off may switch it on again.
            _ => Err(Refusal::Never("this way of pushing is switched off".into())),
        }
    }

    /// The devices of somebody, those whose session is over thrown away.
    async fn devices(&self, user: UserId) -> storage::Result<Vec<Opened>> {
        let devices = device::open_all(&self.notify, user).await?;
        let sessions = devices.iter().map(|device| device.session).collect();
        let on = self.notify.sessions_on(user, sessions).await?;
        let (alive, over): (Vec<Opened>, Vec<Opened>) =
            devices.into_iter().partition(|device| on.contains(&device.session));
        device::forget(&self.notify, &over).await?;
        Ok(alive)
    }
}

impl Channel for Push {
    const PATIENCE: Duration = Duration::from_secs(30);

    fn name(&self) -> ChannelName {
        ChannelName::Push
    }

    async fn send(&self, message: &Rendered) -> Result<Receipt, SendError> {
        let storage = |error: storage::Error| SendError::later(error.to_string());
        let mut devices = self.devices(message.user).await.map_err(storage)?;
        let mut taken = self.taken.of(message.delivery);
        devices.retain(|device| !taken.contains(&device.id));
        let pushed = Pushed::of(message);
        let told = join_all(devices.iter().map(|device| self.reach(device, &pushed))).await;
        let gone: Vec<Opened> = devices
            .iter()
            .zip(&told)
            .filter(|(_, told)| **told == Err(Refusal::Gone))
            .map(|(device, _)| device.clone())
            .collect();
        let took = devices.iter().zip(&told).filter(|(_, told)| told.is_ok()).map(|(device, _)| device.id);
        taken.extend(took);
        let outcome = outcome(&told, !taken.is_empty());
        if matches!(outcome, Err(SendError::Later { .. })) && !taken.is_empty() {
            self.taken.remember(message.delivery, taken);
        } else {
            self.taken.forget(message.delivery);
        }
        // The message is where it is, whether or not this can be written: the next one finds them gone again.
        if let Err(error) = device::forget(&self.notify, &gone).await {
            tracing::warn!(%error, "devices that are gone could not be thrown away");
        }
        outcome
    }
}

/// What has become of the message, all devices together: what can still reach one of them is tried again. `is_taken` if one
/// has it, now or from a try before.
fn outcome(told: &[Result<(), Refusal>], is_taken: bool) -> Result<Receipt, SendError> {
    let later = told.iter().filter_map(|one| match one {
        Err(Refusal::Later { reason, after }) => Some((reason, after)),
        _ => None,
    });
    if let Some((reason, after)) = later.max_by_key(|(_, after)| **after) {
        return Err(SendError::Later { reason: reason.clone(), after: *after });
    }
    if is_taken {
        return Ok(Receipt::default());
    }
    let never = told.iter().find_map(|one| match one {
        Err(Refusal::Never(reason)) => Some(reason.clone()),
        _ => None,
    });
    never.map_or(Err(SendError::Nobody { reason: "no device of theirs takes messages any more" }), |reason| {
        Err(SendError::never(reason))
    })
}

impl Notify {
    /// Which of these sessions are on; all, where nobody knows.
    pub(crate) async fn sessions_on(&self, user: UserId, sessions: Vec<SessionId>) -> storage::Result<Vec<SessionId>> {
        match self.asks_sessions() {
            Some(ask) if !sessions.is_empty() => ask(user, sessions).await,
            _ => Ok(sessions),
        }
    }
}

/// As [`Notify`] keeps it.
pub(crate) type AskSessions = Arc<SessionsOn>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_tried_again_while_one_device_may_still_take_it() {
        let later = |seconds| Err(Refusal::later("busy", Some(Duration::from_secs(seconds))));
        assert!(outcome(&[Ok(()), Err(Refusal::Gone)], true).is_ok());
        assert!(outcome(&[Ok(()), Err(Refusal::Never("x".into()))], true).is_ok());
        assert!(outcome(&[Err(Refusal::Gone)], true).is_ok(), "another device took it before");
        let again = outcome(&[Ok(()), later(3), later(9)], true).unwrap_err();
        assert_eq!(again, SendError::Later { reason: "busy".into(), after: Some(Duration::from_secs(9)) });
        assert!(matches!(
            outcome(&[Err(Refusal::Never("x".into())), Err(Refusal::Gone)], false),
            Err(SendError::Never { .. })
        ));
        assert!(matches!(outcome(&[Err(Refusal::Gone)], false), Err(SendError::Nobody { .. })));
        assert!(matches!(outcome(&[], false), Err(SendError::Nobody { .. })));
    }

    #[test]
    fn which_devices_have_a_message_is_remembered_for_the_newest() {
        let now = kernel::Timestamp::from_unix_seconds(1_795_000_000);
        let (taken, device) = (Taken::default(), PushDeviceId::new(now));
        let ids: Vec<DeliveryId> = (0..=REMEMBERED).map(|_| DeliveryId::new(now)).collect();
        for id in &ids {
            taken.remember(*id, vec![device]);
        }
        let oldest = ids.iter().min().unwrap();
        assert!(taken.of(*oldest).is_empty());
        assert!(ids.iter().filter(|id| *id != oldest).all(|id| taken.of(*id) == [device]));
        let newest = ids.iter().max().unwrap();
        taken.forget(*newest);
        assert!(taken.of(*newest).is_empty());
    }
}
