//! What the feed has in memory: everything that a living token can be refused by, for snapshots, and
//! the last entries as they were written, for those who were away for a moment.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use auth::MAX_ACCESS_SECONDS;
use axum::body::Bytes;
use kernel::id::KeyId;
use kernel::{Revocation, SessionId, Timestamp, UserId};
use storage::ledger::Revoking;

use super::text::{self, SnapshotPart, SubjectPart};

/// For how long a revocation matters, in seconds: as long as any access token may be good, and two
/// minutes for clocks that are apart.
pub(super) const MATTERS: i64 = MAX_ACCESS_SECONDS as i64 + 120;
/// How many written entries are kept, some 300 bytes each. Whoever is further behind gets a snapshot.
const MOST_WRITTEN: usize = 20_000;
/// How many things one part of a snapshot names.
const PART: usize = 1_000;
/// A snapshot this young is given again, with what has come since.
const FRESH: Duration = Duration::from_millis(500);

/// The feed's memory. It is changed and read under one lock, in which nothing waits.
pub(super) struct Window {
    /// How far the ledger was read.
    newest: i64,
    /// The last entry that ends trust.
    last_revoking: i64,
    /// Every entry after this one that ends trust is in `written`.
    floor: i64,
    written: VecDeque<(i64, Timestamp, Bytes)>,
    subjects: HashMap<UserId, (i64, Timestamp)>,
    sessions: HashMap<SessionId, Timestamp>,
    keys: HashMap<KeyId, Timestamp>,
    snapshot: Option<Snapshot>,
}

/// A snapshot as it was written.
#[derive(Clone)]
struct Snapshot {
    index: i64,
    at: Instant,
    parts: Vec<Bytes>,
}

impl Window {
    /// A memory that knows nothing yet; the entries after `position` are to come.
    pub(super) fn new(position: i64) -> Self {
        Self {
            newest: position,
            last_revoking: position,
            floor: position,
            written: VecDeque::new(),
            subjects: HashMap::new(),
            sessions: HashMap::new(),
            keys: HashMap::new(),
            snapshot: None,
        }
    }

    /// How far the ledger was read.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    /// How many things a snapshot names.
    pub(super) fn len(&self) -> usize {
        self.subjects.len() + self.sessions.len() + self.keys.len()
    }

    /// Takes the next entry that ends trust. What it says to those who listen.
    pub(super) fn push(&mut self, revoking: &Revoking) -> Bytes {
        let written = text::entry(revoking, self.last_revoking);
        match &revoking.revocation {
            Revocation::Subject { subject, epoch } => {
                let known = self.subjects.entry(*subject).or_insert((*epoch, revoking.at));
                *known = (known.0.max(*epoch), known.1.max(revoking.at));
            }
            Revocation::Sessions { sessions, .. } => {
                self.sessions.extend(sessions.iter().map(|session| (*session, revoking.at)));
            }
            Revocation::Key { kid } => {
                self.keys.insert(*kid, revoking.at);
            }
        }
        self.last_revoking = revoking.index;
        self.newest = self.newest.max(revoking.index);
        self.written.push_back((revoking.index, revoking.at, written.clone()));
        if self.written.len() > MOST_WRITTEN
            && let Some((dropped, _, _)) = self.written.pop_front()
        {
            self.floor = dropped;
        }
        written
    }

    /// Notes that nothing else ends trust up to this number.
    pub(super) fn read_up_to(&mut self, newest: i64) {
        self.newest = self.newest.max(newest);
    }

    /// Forgets what no living token can be refused by any more.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let from = now.plus_seconds(-MATTERS);
        self.subjects.retain(|_, (_, at)| *at >= from);
        self.sessions.retain(|_, at| *at >= from);
        self.keys.retain(|_, at| *at >= from);
        while let Some((index, at, _)) = self.written.front()
            && *at < from
        {
            self.floor = *index;
            self.written.pop_front();
        }
    }

    /// What somebody has to be told first, who knows everything up to `after`, or nothing.
    pub(super) fn begin(&mut self, after: Option<i64>) -> VecDeque<Bytes> {
        match after {
            Some(after) if (self.floor..=self.newest).contains(&after) => {
                let mut first: VecDeque<Bytes> = self.written_after(after).collect();
                // Also when there is nothing new: a client is to hear at once that it is current.
                first.push_back(text::heartbeat(self.newest));
                first
            }
            Some(_) | None => {
                let snapshot = self.snapshot();
                let since = self.written_after(snapshot.index);
                snapshot.parts.iter().cloned().chain(since).collect()
            }
        }
    }

    fn written_after(&self, index: i64) -> impl Iterator<Item = Bytes> {
        let from = self.written.partition_point(|(written, _, _)| *written <= index);
        self.written.iter().skip(from).map(|(_, _, text)| text.clone())
    }

    /// The snapshot of now, or one that others were given a moment ago and that `written` goes on from.
    fn snapshot(&mut self) -> Snapshot {
        let usable = |snapshot: &&Snapshot| {
            snapshot.index >= self.floor && (snapshot.index == self.newest || snapshot.at.elapsed() < FRESH)
        };
        if let Some(known) = self.snapshot.as_ref().filter(usable) {
            return known.clone();
        }
        let new = Snapshot { index: self.newest, at: Instant::now(), parts: self.write_snapshot() };
        self.snapshot = Some(new.clone());
        new
    }

    fn write_snapshot(&self) -> Vec<Bytes> {
        let mut subjects = self.subjects.iter().map(|(subject, (epoch, _))| (subject.to_string(), *epoch));
        let mut sessions = self.sessions.keys().map(ToString::to_string);
        let keys: BTreeSet<String> = self.keys.keys().map(ToString::to_string).collect();
        let count = self.subjects.len().div_ceil(PART).max(self.sessions.len().div_ceil(PART)).max(1);
        let part = |number: usize| SnapshotPart {
            index: self.newest,
            last: number == count,
            access_seconds: MAX_ACCESS_SECONDS,
            subjects: subjects.by_ref().take(PART).map(|(subject, epoch)| SubjectPart { subject, epoch }).collect(),
            sessions: sessions.by_ref().take(PART).collect(),
            keys: if number == count { keys.iter().cloned().collect() } else { Vec::new() },
        };
        (1..=count).map(part).map(|part| text::snapshot(&part)).collect()
    }
}
