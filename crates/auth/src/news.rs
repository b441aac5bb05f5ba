//! What the owner of an account is told of a sign-in. It is decided in the transaction of the sign-in and stands in its
//! event; whoever tells it does nothing but read.

use std::net::IpAddr;

use kernel::{Event, UserId};
use storage::{Result, Tx};
use users::PersonalDataError;

use crate::agent::Agent;
use crate::{Auth, Client, Session};

/// What is remarkable about a sign-in.
pub(crate) struct News {
    /// The account was not signed in to from there before.
    pub(crate) new_device: bool,
    /// How many wrong passwords there were since the last one.
    pub(crate) failures: i64,
}

impl News {
    /// The event of the sign-in, with what there is to tell and from where it came, sealed.
    pub(crate) async fn said(
        self,
        auth: &Auth,
        tx: &mut Tx,
        user: UserId,
        client: &Client,
        event: Event,
    ) -> Result<Event> {
        let tells_failures = self.failures >= i64::from(auth.settings().failures_told);
        if !self.new_device && !tells_failures {
            return Ok(event);
        }
        let event = if self.new_device { event.with("new_device", true) } else { event };
        let event = if tells_failures { event.with("failures", self.failures) } else { event };
        with_device(auth, tx, user, &words(&client.user_agent, &client.ip.to_string()), event).await
    }
}

/// The event, with what a session is used with.
pub(crate) async fn about_session(auth: &Auth, tx: &mut Tx, session: &Session, event: Event) -> Result<Event> {
    with_device(auth, tx, session.user_id, &words(&session.user_agent, &session.ip), event).await
}

/// The client, as people may recognise it. What it calls itself at length is not in it, nor how its owner calls the
/// device: whoever signs in with somebody's password would write into the mail that warns them.
fn words(user_agent: &str, ip: &str) -> String {
    let ip = ip.parse::<IpAddr>().ok().map(|ip| ip.to_string());
    Agent::read(user_agent).words().map(str::to_owned).chain(ip).collect::<Vec<_>>().join(", ")
}

async fn with_device(auth: &Auth, tx: &mut Tx, user: UserId, words: &str, event: Event) -> Result<Event> {
    match auth.users().seal_said(tx, user, "device", words).await {
        Ok(sealed) => Ok(event.with("device", sealed)),
        // A key that does not open keeps nobody from signing in, and from being told.
        Err(PersonalDataError::Unsealable(error)) => {
            tracing::error!(%error, "where somebody signed in from cannot be sealed");
            Ok(event)
        }
        Err(PersonalDataError::Storage(error)) => Err(error),
    }
}
