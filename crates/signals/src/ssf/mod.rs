//! Shared Signals: the ledger's events for receivers of any make (OpenID SSF 1.0, CAEP 1.0, RISC 1.0).
//!
//! An entry of the ledger is read by `reader`, means something by `mapping`, becomes claims in `set`
//! and waits in `outbox` until its receiver has it: sent by `push`, or fetched by `poll`. It is signed
//! when it leaves, by `keys`. `manage` makes and changes streams; `api` is the JSON face of it all.
//!
//! Nothing here decides anything about trust, and nothing in a request waits for a receiver.

mod api;
mod event_type;
mod keys;
mod manage;
mod mapping;
mod outbox;
mod poll;
mod push;
mod reader;
pub(crate) mod receivers;
mod rewrap;
mod send;
mod set;
mod stream;
mod upkeep;
mod waiters;
mod wire;

use kernel::id::StreamId;
use kernel::secret::SealingRing;
use kernel::{Label, MasterKeys};
use outbound::{Client, Reach};
use tokio::sync::watch;

use crate::Signals;
pub(crate) use keys::KeyError;
use keys::Keys;
pub(crate) use rewrap::rewrap;
use stream::Stream;
use waiters::Waiters;

pub(crate) use api::router;
#[cfg(test)]
pub(crate) use keys::keep_fresh;
#[cfg(test)]
pub(crate) use upkeep::round as tidy_up;

/// What this part works with.
pub(crate) struct State {
    sealing: SealingRing,
    keys: Keys,
    waiters: Waiters,
    /// Changes whenever there may be something to send.
    wake: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

impl State {
    pub(crate) fn new(master: &MasterKeys) -> Self {
        Self {
            sealing: master.sealing_ring(Label::KeyEncryption),
            keys: Keys::default(),
            waiters: Waiters::default(),
            wake: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }
    }

    fn wake(&self) {
        self.wake.send_modify(|count| *count += 1);
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Answers whoever waits for an event and ends the pushing, so that the process can stop.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
        self.wake();
    }
}

/// Reads the ledger and sends what receivers want pushed, until [`State::stop`].
pub(crate) async fn transmit(signals: &Signals) {
    let client = match Client::new(Reach::of(&signals.auth().settings().issuer)) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "TLS cannot be set up: Shared Signals are not sent");
            return;
        }
    };
    tokio::select! {
        () = reader::run(signals) => {}
        () = upkeep::run(signals) => {}
        () = push::run(signals, client) => {}
    }
}

fn seal_authorization(signals: &Signals, stream: StreamId, text: &str) -> Result<Vec<u8>, KeyError> {
    signals.ssf().sealing.seal(&authorization_place(stream), text.as_bytes()).map_err(|_| KeyError::Key)
}

fn open_authorization(signals: &Signals, stream: &Stream) -> Result<Option<String>, KeyError> {
    let Some(sealed) = &stream.authorization_sealed else { return Ok(None) };
    let opened = signals.ssf().sealing.open(&authorization_place(stream.id), sealed).map_err(|_| KeyError::Key)?;
    String::from_utf8(opened.to_vec()).map(Some).map_err(|_| KeyError::Key)
}

/// What a sealed header is bound to.
fn authorization_place(stream: StreamId) -> Vec<u8> {
    [b"signal_streams/authorization_sealed/", &stream.as_bytes()[..]].concat()
}
