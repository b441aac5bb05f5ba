//! What every sign-in does once it is known who it is, whichever way they showed it.

use kernel::{Event, Kind, Timestamp};
use storage::{Result, Tx};
use users::{Account, Ended};

use crate::known_device::{self, Device};
use crate::news::News;
use crate::session::{self, How};
use crate::{Auth, Client, Opened};

/// Somebody who comes in.
pub(crate) struct Entering<'a> {
    /// The account as it was before.
    pub(crate) account: Account,
    /// How they showed that it is theirs.
    pub(crate) how: How,
    /// Which of the account's passwords is in force; 0 if it has none.
    pub(crate) password_version: i64,
    /// How many wrong passwords there were since the last sign-in.
    pub(crate) failures: i64,
    /// The id of their browser, if it is one.
    pub(crate) browser: [u8; 16],
    pub(crate) client: &'a Client,
}

/// Begins the session, ends the oldest ones if there are too many, and appends the event. The caller has recorded the
/// sign-in in the account's row, and so locked it.
pub(crate) async fn begin(auth: &Auth, tx: &mut Tx, entering: Entering<'_>, now: Timestamp) -> Result<Opened> {
    let Entering { account, how, password_version, failures, browser, client } = entering;
    let device = Device::new(auth, account.id, client, &browser);
    let new_device = known_device::meet(tx, &account, &device, now).await?;
    let account = Account { last_login_at: Some(now), ..account };
    let (session, others) = session::insert(tx, auth, &account, client, (how, &device), now).await?;
    let most = auth.settings().sessions_per_user;
    let too_many = if others < i64::from(most) {
        Vec::new()
    } else {
        session::end_oldest(tx, account.id, session.id, most, now).await?
    };
    let event = Event::new(Kind::SessionStarted, now).by(account.id).in_session(session.id);
    let event = if how == How::Password { event } else { event.with("amr", how.as_str()) };
    let event = News { new_device, failures }.said(auth, tx, account.id, client, event).await?;
    users::revoke(tx, Ended::Sessions(account.id, too_many), event).await?;
    Ok(Opened { account, session, password_version, browser })
}
