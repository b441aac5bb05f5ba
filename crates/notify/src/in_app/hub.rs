//! Telling those who look right now. However many they are, what has changed is asked for once, and what it says is
//! written once for each of them who is concerned.
//!
//! Changes in inboxes have numbers, in the order of the commits. Whoever begins to listen is put down first and asks
//! then up to which number they know, so nothing is missed; what comes twice they pass over by its number. The hub
//! reads the ledger for ends of trust, too: whoever listens in a session that has ended does not any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use kernel::id::NotificationId;
use kernel::{Revocation, SessionId, UserId};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use storage::ledger;
use tokio::sync::{mpsc, watch};

use super::record::{self, Change, PEOPLE};
use super::stream::{self, NotNow};
use super::{Shown, show};
use crate::Notify;

/// How many may listen to one process.
const MOST: usize = 5_000;
/// How many of these may be one person.
const MOST_OF_ONE: usize = 8;
/// How many pieces a slow listener may be behind.
const BEHIND: usize = 16;
/// To whom more than this came at once is told how many there are, and not each.
const EACH: usize = 8;
/// How many changes are read at once.
const CHANGES: i64 = 2_000;
/// How many ends of trust are read at once.
const ENDS: i64 = 500;
/// How often it is looked whether another process has changed something, while somebody listens.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is looked where no other process is: only a wake that was missed could make it needed.
const LOOK_ALONE: Duration = Duration::from_secs(1);
/// The shortest time from one look to the next.
const PAUSE: Duration = Duration::from_millis(10);
/// How often there is something to hear, whatever happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a listener is told.
pub(super) struct Piece {
    /// The number that it then knows; none for a heartbeat.
    pub(super) number: Option<i64>,
    pub(super) text: Bytes,
}

/// One listener's end of the line.
struct Line {
    key: u64,
    session: SessionId,
    /// Shared pieces: the room that a line keeps for some of them is small, for there are thousands of lines.
    sender: mpsc::Sender<Arc<Piece>>,
}

/// Up to where the hub has read.
#[derive(Clone, Copy)]
struct Place {
    changed: i64,
    ledger: i64,
}

/// The messages that somebody for whom this has changed is told one by one.
fn told_one_by_one(changes: &[Change]) -> impl Iterator<Item = NotificationId> {
    let few = if changes.len() <= EACH { changes } else { &[] };
    few.iter().filter(|change| change.is_unread).map(|change| change.id)
}

/// How many of these people, from the first on, one question is about.
fn fitting(people: &[(UserId, Vec<Change>)]) -> usize {
    let mut messages = 0;
    let fit = people.iter().take(PEOPLE).take_while(|(_, changes)| {
        messages += told_one_by_one(changes).count();
        messages <= PEOPLE
    });
    fit.count()
}

#[derive(Default)]
struct State {
    lines: HashMap<UserId, Vec<Line>>,
    count: usize,
    /// Nothing while nobody listens.
    place: Option<Place>,
    closed: bool,
}

/// The hub of this process.
pub(crate) struct Hub {
    state: Mutex<State>,
    next_key: AtomicU64,
    /// Changes whenever this process has changed something, and when the first listener comes.
    wake: watch::Sender<u64>,
    listeners: Gauge,
    dropped: Counter,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            next_key: AtomicU64::new(0),
            wake: watch::Sender::new(0),
            listeners: Gauge::default(),
            dropped: Counter::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "usher_inbox_listeners",
            "Inboxes that are shown live by this process",
            self.listeners.clone(),
        );
        registry.register(
            "usher_inbox_dropped",
            "Listeners dropped because they read too slowly",
            self.dropped.clone(),
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something in some inbox has changed.
    pub(crate) fn wake(&self) {
        self.wake.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ends all streams: the process stops.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.closed = true;
        state.lines.clear();
        drop(state);
        self.wake();
    }

    /// A place to listen from, if there is one left for this person.
    pub(super) fn join(&self, user: UserId, session: SessionId) -> Result<(u64, mpsc::Receiver<Arc<Piece>>), NotNow> {
        let mut state = self.state();
        if state.closed {
            return Err(NotNow::Closed);
        }
        if state.count >= MOST || state.lines.get(&user).is_some_and(|lines| lines.len() >= MOST_OF_ONE) {
            return Err(NotNow::Full);
        }
        let (sender, receiver) = mpsc::channel(BEHIND);
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        state.lines.entry(user).or_default().push(Line { key, session, sender });
        state.count += 1;
        self.listeners.inc();
        Ok((key, receiver))
    }

    /// Whoever joined knows everything up to here: the hub begins no later.
    pub(super) fn knows(&self, changed: i64, ledger: i64) {
        let mut state = self.state();
        let first = Place { changed, ledger };
        let place = state.place.get_or_insert(first);
        place.changed = place.changed.min(changed);
        place.ledger = place.ledger.min(ledger);
        drop(state);
        self.wake();
    }

    /// Whoever joined is gone.
    pub(super) fn leave(&self, user: UserId, key: u64) {
        let mut state = self.state();
        state.count -= 1;
        self.listeners.dec();
        if let Some(lines) = state.lines.get_mut(&user) {
            lines.retain(|line| line.key != key);
            if lines.is_empty() {
                state.lines.remove(&user);
            }
        }
        if state.count == 0 {
            // Nobody listens, so nobody misses anything: to the next one, all before they came is known.
            *state = State { closed: state.closed, ..State::default() };
        }
    }

    fn place(&self) -> Option<Place> {
        self.state().place
    }

    /// Reads and tells. It ends only with the process.
    pub(crate) async fn run(&self, notify: &Notify) {
        let mut woken = self.wake.subscribe();
        let mut head = notify.db().head();
        let look = if notify.db().is_shared() { LOOK } else { LOOK_ALONE };
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            woken.borrow_and_update();
            head.borrow_and_update();
            let listened_to = self.place().is_some();
            if listened_to {
                match self.tell_what_is_new(notify).await {
                    Ok(true) => continue,
                    // What happens without a pause is told some together.
                    Ok(false) => tokio::time::sleep(PAUSE).await,
                    Err(error) => {
                        tracing::warn!(%error, "inboxes cannot be looked at: those who listen wait");
                        tokio::time::sleep(LOOK_ALONE).await;
                    }
                }
            }
            tokio::select! {
                _ = woken.changed() => {}
                _ = head.changed(), if listened_to => {}
                () = tokio::time::sleep(look), if listened_to => {}
                _ = beat.tick(), if listened_to => self.beat(),
            }
        }
    }

    /// One round. Whether there may be more to tell at once.
    async fn tell_what_is_new(&self, notify: &Notify) -> storage::Result<bool> {
        let Some(place) = self.place() else { return Ok(false) };
        let mut read = notify.db().read().await?;
        let newest = ledger::newest(&mut read).await?;
        let mut ended = Vec::new();
        if newest > place.ledger {
            ended = ledger::revoking_after(&mut read, place.ledger, newest, ENDS).await?;
        }
        let changes = record::changes_after(&mut read, place.changed, CHANGES).await?;
        drop(read);
        for end in &ended {
            self.end(&end.revocation);
        }
        self.tell(notify, &changes).await?;
        let all_ends = i64::try_from(ended.len()) != Ok(ENDS);
        let read_to = Place {
            changed: changes.last().map_or(place.changed, |change| change.changed),
            ledger: if all_ends { newest } else { ended.last().map_or(newest, |end| end.index) },
        };
        let mut state = self.state();
        if let Some(now) = &mut state.place {
            // Somebody who has joined meanwhile may know less: then it is read once more from there.
            if now.changed == place.changed {
                now.changed = read_to.changed;
            }
            if now.ledger == place.ledger {
                now.ledger = read_to.ledger;
            }
        }
        drop(state);
        Ok(!all_ends || i64::try_from(changes.len()) == Ok(CHANGES))
    }

    /// Ends the streams of sessions whose trust has ended.
    fn end(&self, revocation: &Revocation) {
        let mut state = self.state();
        match revocation {
            // Whoever is still trusted comes back and shows it.
            Revocation::Subject { subject, .. } => {
                state.lines.remove(subject);
            }
            Revocation::Sessions { subject, sessions } => {
                if let Some(lines) = state.lines.get_mut(subject) {
                    lines.retain(|line| !sessions.contains(&line.session));
                }
            }
            // It says nothing of whose tokens these are; the gateway cuts those streams.
            Revocation::Key { .. } => {}
        }
    }

    /// Tells those who listen what has changed for them.
    async fn tell(&self, notify: &Notify, changes: &[Change]) -> storage::Result<()> {
        let mut concerned: BTreeMap<UserId, Vec<Change>> = BTreeMap::new();
        {
            let state = self.state();
            for change in changes.iter().filter(|change| state.lines.contains_key(&change.user_id)) {
                concerned.entry(change.user_id).or_default().push(*change);
            }
        }
        let concerned: Vec<(UserId, Vec<Change>)> = concerned.into_iter().collect();
        let mut rest = concerned.as_slice();
        while !rest.is_empty() {
            let (some, after) = rest.split_at(fitting(rest));
            self.tell_some(notify, some).await?;
            rest = after;
        }
        Ok(())
    }

    async fn tell_some(&self, notify: &Notify, some: &[(UserId, Vec<Change>)]) -> storage::Result<()> {
        let people: Vec<UserId> = some.iter().map(|(user, _)| *user).collect();
        let ids: Vec<_> = some.iter().flat_map(|(_, changes)| told_one_by_one(changes)).collect();
        let mut read = notify.db().read().await?;
        let counts: HashMap<UserId, i64> = record::unread_of(&mut read, &people).await?.into_iter().collect();
        let messages = if ids.is_empty() { Vec::new() } else { record::these(&mut read, &ids).await? };
        let (accounts, keys) = if messages.is_empty() {
            (Vec::new(), BTreeMap::new())
        } else {
            let accounts = users::account::find_many(&mut read, &people).await?;
            (accounts, notify.users().said_keys(&mut read, &people).await?)
        };
        drop(read);
        let mut shown: HashMap<UserId, Vec<Shown>> = HashMap::new();
        for message in &messages {
            if let Ok(at) = accounts.binary_search_by_key(&message.user_id, |account| account.id) {
                let told = show::show(notify, message, &accounts[at], keys.get(&message.user_id));
                shown.entry(message.user_id).or_default().push(told);
            }
        }
        for (user, changes) in some {
            let unread = counts.get(user).copied().unwrap_or(0);
            let new = shown.remove(user).unwrap_or_default();
            let newest = changes.last().map_or(0, |change| change.changed);
            let piece = |number, text| Arc::new(Piece { number: Some(number), text });
            let mut pieces: Vec<Arc<Piece>> =
                new.iter().map(|shown| piece(shown.changed, stream::notification(shown, unread))).collect();
            if new.last().is_none_or(|shown| shown.changed < newest) {
                pieces.push(piece(newest, stream::count(newest, unread)));
            }
            self.send(*user, &pieces);
        }
        Ok(())
    }

    fn send(&self, user: UserId, pieces: &[Arc<Piece>]) {
        let mut state = self.state();
        let Some(lines) = state.lines.get_mut(&user) else { return };
        lines.retain(|line| {
            let told = pieces.iter().all(|piece| line.sender.try_send(piece.clone()).is_ok());
            if !told {
                // It comes back and is told what it missed.
                self.dropped.inc();
            }
            told
        });
    }

    /// Lets connections that nobody reads any more be noticed.
    fn beat(&self) {
        let heartbeat = Arc::new(Piece { number: None, text: stream::heartbeat() });
        let state = self.state();
        for line in state.lines.values().flatten() {
            // Whoever is so far behind that there is no room hears enough.
            let _ = line.sender.try_send(heartbeat.clone());
        }
    }
}
