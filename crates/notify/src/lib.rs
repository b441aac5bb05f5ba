//! Telling people: what the ledger says happened becomes messages, and each is handed over once.
//!
//! `reader` follows the ledger and asks `plan` what an event is told as. What is to be told to whom is a row of
//! `deliveries` (`delivery` has the SQL). The `worker` of a channel takes rows up in batches, has `compose` write the
//! message (`template`) and hands it to the [`Channel`]; `settle` writes down what has become of it. `retry_delivery` has it
//! tried again; `api` is the JSON face. `email` is a channel:
//! by SMTP, by SendGrid's API, or into the inbox of a development machine. `in_app` is another, without a worker: the
//! inbox that people look into, and are shown live. `reader` chooses the channels of a message, by what its recipient
//! wants (`preference`, `category`); what can wait may come together (`digest`). Applications say something, too (`send`,
//! in the words of `own`).
//!
//! `webhooks` tells programs: each entry of the ledger that an address was registered for, signed and in order.
//!
//! Nothing in a request waits for any of this, and it decides nothing about anybody's trust. Secrets of links are
//! derived while a message is written, and not kept.

mod among;
pub mod api;
mod backoff;
mod category;
mod channel;
mod compose;
mod delivery;
mod digest;
mod email;
pub mod in_app;
mod metrics;
mod own;
mod plan;
pub mod preference;
pub mod push;
mod reader;
mod retry_delivery;
mod send;
mod settings;
mod settle;
mod template;
#[cfg(test)]
mod tests;
pub mod webhooks;
mod worker;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kernel::id::DeliveryId;
use kernel::secret::{SealingRing, Unsealable};
use kernel::{Label, MacRing, MasterKeys, SessionId, UserId};
use prometheus_client::registry::Registry;
use storage::{Db, Migration};
use tokio::sync::watch;
use users::Users;

pub use category::{Categories, Category, CategorySpec, InvalidCategories, Offered};
pub use channel::{Channel, ChannelName, Receipt, Rendered, SendError};
pub use delivery::{COUNTED, Count, Delivery, Filter, State};
pub use email::{
    DevelopmentMail, InvalidMailUrl, InvalidSender, Provider, Security, SendGridSettings, Sender, SmtpSettings,
};
pub use own::{InvalidMessages, MessageSpec, Messages, OwnMessage, ValueKind};
pub use retry_delivery::{RetryDeliveryError, retry_delivery};
pub use send::{SenderIsGood, StillGood};
pub use settings::Settings;
pub use template::{Template, TemplateError, Templates, Written};

use email::Email;
use metrics::Metrics;

/// What happened longer ago is told to nobody any more.
pub(crate) const TOO_OLD: Duration = Duration::from_secs(24 * 3_600);
/// For how many days it is kept what has become of a delivery.
const KEPT_DAYS: i64 = 30;
/// How many rows one transaction throws away.
const SWEEP: i64 = 500;

/// What this crate works with. Cheap to clone.
#[derive(Clone)]
pub struct Notify(Arc<Parts>);

struct Parts {
    users: Users,
    settings: Settings,
    templates: Templates,
    sealing: SealingRing,
    unsubscribe: MacRing,
    metrics: Metrics,
    /// What devices are found by.
    index: MacRing,
    vapid: push::Vapid,
    sessions: OnceLock<push::AskSessions>,
    senders: OnceLock<send::AskSenders>,
    hub: in_app::Hub,
    sweeper: in_app::Sweeper,
    /// Changes whenever there may be something to send.
    wake: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

impl Notify {
    /// Puts the parts together. Templates that cannot be used are an error.
    pub fn new(users: Users, settings: Settings, master: &MasterKeys) -> Result<Self, TemplateError> {
        let templates = Templates::load(settings.templates.as_deref(), &settings.language, &settings.messages)?;
        // Push services want to know whom to write to when something is wrong.
        let contact = match settings.origin.strip_prefix("https://") {
            Some(_) => settings.origin.clone(),
            None => format!("mailto:{}", settings.from.address()),
        };
        Ok(Self(Arc::new(Parts {
            users,
            settings,
            templates,
            sealing: master.sealing_ring(Label::KeyEncryption),
            unsubscribe: master.mac_ring(Label::Link),
            metrics: Metrics::new(),
            index: master.mac_ring(Label::BlindIndex),
            vapid: push::Vapid::new(master, contact),
            sessions: OnceLock::new(),
            senders: OnceLock::new(),
            hub: in_app::Hub::new(),
            sweeper: in_app::Sweeper::default(),
            wake: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        })))
    }

    /// What this program had taken up when it died is due at once where there is no other process. To be called once,
    /// at start.
    pub async fn recover(&self) -> storage::Result<()> {
        if self.db().is_shared() {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        delivery::release_all(&mut tx, self.users().clock.now()).await?;
        webhooks::release(&mut tx).await?;
        tx.commit().await
    }

    /// Reads the ledger and writes down what is to be told. It ends only with the process.
    pub async fn follow(&self) {
        reader::run(self).await;
    }

    /// Gathers what waits for digests as they become due. It ends only with the process.
    pub async fn gather(&self) {
        digest::run(self).await;
    }

    /// Hands over what is due, until [`Notify::stop`]; then what is under way is finished.
    pub async fn deliver(&self) {
        tokio::join!(self.deliver_mail(), self.deliver_pushes());
    }

    async fn deliver_pushes(&self) {
        match push::Push::open(self) {
            Some(push) => worker::run(self, push).await,
            None => self.stopped().await,
        }
    }

    /// Whoever knows sessions tells here which of somebody's are on: a device goes with its session.
    pub fn ask_about_sessions(&self, ask: push::AskSessions) {
        // Once is enough: it is the same one again.
        let _ = self.0.sessions.set(ask);
    }

    /// Throws devices away whose session is over. It ends only with the process.
    pub async fn keep_devices(&self) {
        push::keep(self).await;
    }

    /// What a browser passes as `applicationServerKey`; nothing where browsers are not pushed to.
    pub fn web_push_key(&self) -> Option<&str> {
        self.settings().push.web.then(|| self.vapid().public()).flatten()
    }

    /// Whoever knows the tokens of services tells here whether one is still good: what it has begun to say ends with it.
    pub fn ask_about_senders(&self, ask: send::AskSenders) {
        // Once is enough: it is the same one again.
        let _ = self.0.senders.set(ask);
    }

    fn asks_senders(&self) -> Option<&send::AskSenders> {
        self.0.senders.get()
    }

    async fn deliver_mail(&self) {
        match Email::open(self, self.settings()) {
            Some(email) => worker::run(self, email).await,
            None => self.stopped().await,
        }
    }

    /// Tells those who look into their inbox over this process what is new in it. It ends only with the process.
    pub async fn show_live(&self) {
        self.hub().run(self).await;
    }

    /// Somebody begins to be shown their inbox live, knowing everything up to the change `after`. Whoever lets them for a
    /// session looks once more whether it is still good after this: what ends it from now on ends the stream.
    pub async fn listen(
        &self,
        user: UserId,
        session: SessionId,
        after: Option<i64>,
    ) -> Result<in_app::Listening, in_app::NotNow> {
        in_app::listen(self, user, session, after).await
    }

    /// Reads the ledger and writes down what webhooks are to be told. It ends only with the process.
    pub async fn follow_for_webhooks(&self) {
        webhooks::follow(self).await;
    }

    /// Tells webhooks what is due, until [`Notify::stop`]; then what is under way is finished.
    pub async fn tell_webhooks(&self) {
        webhooks::deliver(self).await;
    }

    /// Throws away what webhooks were told long ago, and pauses those that do nothing but fail. Whether there may be more.
    pub async fn sweep_webhooks(&self) -> storage::Result<bool> {
        webhooks::sweep(self).await
    }

    /// Seals with the master key of today what an older one sealed and what is not made anew by itself. How many it was.
    pub async fn rewrap(&self) -> storage::Result<Result<u64, Unsealable>> {
        let webhooks = webhooks::rewrap(self).await?;
        let said = send::rewrap(self).await?;
        Ok(webhooks.and_then(|webhooks| Ok(webhooks + said?)))
    }

    /// Ends the workers and the streams, so that the process can stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
        self.hub().stop();
        self.wake();
    }

    /// Removes what is too old: deliveries that came to their end long ago, and messages of inboxes. Whether there may be
    /// more.
    pub async fn sweep(&self) -> storage::Result<bool> {
        Ok(self.sweep_deliveries().await?
            | in_app::sweep(self).await?
            | digest::sweep(self).await?
            | send::sweep(self).await?)
    }

    async fn sweep_deliveries(&self) -> storage::Result<bool> {
        let before = self.users().clock.now().plus_seconds(-KEPT_DAYS * 86_400);
        if !delivery::any_to_sweep(&mut self.db().read().await?, before).await? {
            return Ok(false);
        }
        let mut tx = self.db().begin().await?;
        let removed = delivery::sweep(&mut tx, before, SWEEP).await?;
        tx.commit().await?;
        Ok(removed == SWEEP.unsigned_abs())
    }

    /// Whether there is a development inbox: no mail leaves this machine.
    pub fn has_development_inbox(&self) -> bool {
        matches!(self.settings().provider, Provider::Inbox)
    }

    /// Whether mail reaches anybody, be it whoever develops.
    pub fn sends_mail(&self) -> bool {
        !matches!(self.settings().provider, Provider::None)
    }

    /// What the development inbox has, newest first, at most `limit`; nothing where there is none.
    pub async fn development_mails(&self, limit: u32) -> storage::Result<Vec<DevelopmentMail>> {
        if !self.has_development_inbox() {
            return Ok(Vec::new());
        }
        email::inbox::list(self, limit.into()).await
    }

    /// One mail of the development inbox.
    pub async fn development_mail(&self, id: DeliveryId) -> storage::Result<Option<DevelopmentMail>> {
        if !self.has_development_inbox() {
            return Ok(None);
        }
        email::inbox::find(self, id).await
    }

    /// Empties the development inbox.
    pub async fn clear_development_mails(&self) -> storage::Result<()> {
        email::inbox::clear(self).await
    }

    /// Deliveries, newest first: `limit` of those before `before`.
    pub async fn deliveries(
        &self,
        filter: Filter,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> storage::Result<Vec<Delivery>> {
        delivery::list(&mut self.db().read().await?, filter, before, limit.into()).await
    }

    /// How many deliveries wait, are tried again or were given up, by channel.
    pub async fn waiting(&self) -> storage::Result<Vec<Count>> {
        delivery::counts(&mut self.db().read().await?).await
    }

    /// All messages that there are here, an application's own after those that are built in.
    pub fn messages(&self) -> Vec<Template> {
        Template::ALL.iter().copied().chain(self.settings().messages.templates()).collect()
    }

    /// The message of this name.
    pub fn message(&self, name: &str) -> Option<Template> {
        Template::parse(name).or_else(|| self.settings().messages.find(name).map(Template::Own))
    }

    /// A message as it looks in this language, with somebody who is nobody; nothing if there are no words in it.
    pub fn sample(&self, template: Template, language: &str) -> Option<Written> {
        let (templates, settings) = (self.templates(), self.settings());
        if !templates.languages().contains(&language) {
            return None;
        }
        // All of them were written once at start.
        templates.sample(template, language, &settings.product, &settings.origin).ok()
    }

    /// The languages that messages are written in.
    pub fn languages(&self) -> Vec<&str> {
        self.templates().languages()
    }

    /// Registers what is counted.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics().register(registry);
        self.hub().register(registry);
    }

    /// What an operator has set.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn users(&self) -> &Users {
        &self.0.users
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.users.db
    }

    pub(crate) fn templates(&self) -> &Templates {
        &self.0.templates
    }

    pub(crate) fn sealing(&self) -> &SealingRing {
        &self.0.sealing
    }

    pub(crate) fn unsubscribe_key(&self) -> &MacRing {
        &self.0.unsubscribe
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn index(&self) -> &MacRing {
        &self.0.index
    }

    pub(crate) fn vapid(&self) -> &push::Vapid {
        &self.0.vapid
    }

    pub(crate) fn asks_sessions(&self) -> Option<&push::AskSessions> {
        self.0.sessions.get()
    }

    pub(crate) fn hub(&self) -> &in_app::Hub {
        &self.0.hub
    }

    pub(crate) fn sweeper(&self) -> &in_app::Sweeper {
        &self.0.sweeper
    }

    /// There may be something to send.
    pub(crate) fn wake(&self) {
        self.0.wake.send_modify(|count| *count += 1);
    }

    pub(crate) fn woken(&self) -> watch::Receiver<u64> {
        self.0.wake.subscribe()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.stopping.borrow()
    }

    async fn stopped(&self) {
        let _ = self.0.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    migration(1, "deliveries", include_str!("../migrations/0001_deliveries.sql")),
    migration(2, "inboxes", include_str!("../migrations/0002_notifications.sql")),
    migration(3, "webhooks", include_str!("../migrations/0003_webhooks.sql")),
    migration(4, "push devices", include_str!("../migrations/0004_push_devices.sql")),
    migration(5, "preferences", include_str!("../migrations/0005_preferences.sql")),
    migration(6, "sends", include_str!("../migrations/0006_sends.sql")),
];

const fn migration(version: i64, name: &'static str, shared: &'static str) -> Migration {
    Migration { owner: "notify", version, name, shared, sqlite: "", postgres: "" }
}
