//! Push: what somebody is told goes to the devices where they are signed in, by Firebase Cloud Messaging (`fcm`) and Web Push
//! (`web`).
//!
//! A device is a row of `push_devices` (`device` has the SQL): a token of an app, or the subscription of a browser, sealed
//! with its owner's key. It belongs to a session, and goes when that is over, or when the provider says that it is gone.
//! `register` makes and removes them; the [`Push`] channel sends.
//!
//! A message is one delivery to one person, whatever number of devices. One that has to be tried again goes to all of them
//! again: each shows it once, because a repeat has the same tag.

mod device;
mod fcm;
mod fcm_token;
mod register;
mod sweep;
mod web;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kernel::{SessionId, UserId};
use outbound::{Client, Reach};

pub use device::PushDevice;
pub use fcm::FcmSettings;
pub use fcm_token::InvalidCredentials;
pub use register::{Address, RegisterError, Registered, list, register, unregister, unregister_address};
pub use web::{InvalidSubscription, Subscription};

pub(crate) use device::{any, remove_all, suspect};
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

/// The channel.
pub(crate) struct Push {
    notify: Notify,
    fcm: Option<Fcm>,
    web: Option<Client>,
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
        (fcm.is_some() || web.is_some()).then(|| Self { notify: notify.clone(), fcm, web })
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
        let devices = self.devices(message.user).await.map_err(storage)?;
        let pushed = Pushed::of(message);
        let told = join_all(devices.iter().map(|device| self.reach(device, &pushed))).await;
        let gone: Vec<Opened> = devices
            .iter()
            .zip(&told)
            .filter(|(_, told)| **told == Err(Refusal::Gone))
            .map(|(device, _)| device.clone())
            .collect();
        device::forget(&self.notify, &gone).await.map_err(storage)?;
        outcome(&told)
    }
}

/// What has become of the message, all devices together: what can still reach one of them is tried again.
fn outcome(told: &[Result<(), Refusal>]) -> Result<Receipt, SendError> {
    let later = told.iter().filter_map(|one| match one {
        Err(Refusal::Later { reason, after }) => Some((reason, after)),
        _ => None,
    });
    if let Some((reason, after)) = later.max_by_key(|(_, after)| **after) {
        return Err(SendError::Later { reason: reason.clone(), after: *after });
    }
    if told.iter().any(Result::is_ok) {
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
        assert!(outcome(&[Ok(()), Err(Refusal::Gone)]).is_ok());
        assert!(outcome(&[Ok(()), Err(Refusal::Never("x".into()))]).is_ok());
        let again = outcome(&[Ok(()), later(3), later(9)]).unwrap_err();
        assert_eq!(again, SendError::Later { reason: "busy".into(), after: Some(Duration::from_secs(9)) });
        assert!(matches!(
            outcome(&[Err(Refusal::Never("x".into())), Err(Refusal::Gone)]),
            Err(SendError::Never { .. })
        ));
        assert!(matches!(outcome(&[Err(Refusal::Gone)]), Err(SendError::Nobody { .. })));
        assert!(matches!(outcome(&[]), Err(SendError::Nobody { .. })));
    }
}
