//! What the feed says, and what follows from it: the whole protocol, without a connection.

use super::lines::{Event, Lines, TooLong};
use crate::Revocations;
use crate::json::{Json, Object, Wrong, optional};

/// Why the feed cannot be read on from here. The next connection asks for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// An entry says that there was one before it that never came.
    Gap,
    /// Something came that is not in the protocol, or too long.
    NotUnderstood,
}

impl From<TooLong> for Lost {
    fn from(_: TooLong) -> Self {
        Self::NotUnderstood
    }
}

impl From<Wrong> for Lost {
    fn from(_: Wrong) -> Self {
        Self::NotUnderstood
    }
}

/// What one portion of bytes brought.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Events that were complete, whatever they said.
    pub(crate) events: u64,
    /// After the last of them, everything up to it is known: the issuer was heard.
    pub(crate) is_current: bool,
    /// The key set has to be fetched again.
    pub(crate) fetch_keys: bool,
    /// Snapshots that came to their end.
    pub(crate) snapshots: u64,
}

/// How far the feed was read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The highest number seen, for finding gaps. `None` before the first whole snapshot.
    pub(crate) position: Option<i64>,
    /// Where to go on after a break. Behind [`position`](Self::position) in the middle of a ledger
    /// entry with several events, so that all of them come again.
    pub(crate) resume: Option<i64>,
    /// False from the first part of a snapshot to its last.
    pub(crate) is_current: bool,
}

impl Place {
    pub(crate) const fn resumed(at: Option<i64>) -> Self {
        Self { position: at, resume: at, is_current: at.is_some() }
    }
}

/// One connection to the feed.
pub(crate) struct Feed {
    lines: Lines,
    pub(crate) place: Place,
    access_seconds: i64,
}

/// For how long an entry is kept until a snapshot says how long tokens live.
pub(crate) const USUAL_ACCESS_SECONDS: i64 = 900;

impl Feed {
    pub(crate) fn new(resume: Option<i64>, access_seconds: i64) -> Self {
        Self { lines: Lines::default(), place: Place::resumed(resume), access_seconds }
    }

    pub(crate) fn access_seconds(&self) -> i64 {
        self.access_seconds
    }

    /// Reads one portion of bytes and applies what is complete in it. What was understood before
    /// something was not, stays applied: an entry only ever ends trust.
    pub(crate) fn read(&mut self, bytes: &[u8], revocations: &Revocations, now: i64) -> (Heard, Result<(), Lost>) {
        let Self { lines, place, access_seconds } = self;
        let mut heard = Heard::default();
        let mut reader = Reader { place, access_seconds, revocations, now, heard: &mut heard };
        let read = lines.read(bytes, |event| reader.event(&event));
        if read.is_err() {
            *place = Place::default();
        }
        (heard, read)
    }
}

struct Reader<'r> {
    place: &'r mut Place,
    access_seconds: &'r mut i64,
    revocations: &'r Revocations,
    now: i64,
    heard: &'r mut Heard,
}

impl Reader<'_> {
    fn event(&mut self, event: &Event) -> Result<(), Lost> {
        if event.has_data {
            let document = || Object::parse(&event.data).ok_or(Lost::NotUnderstood);
            match event.kind.as_slice() {
                b"snapshot" => self.snapshot(document()?)?,
                b"revoked" => self.revoked(document()?)?,
                b"keys" => self.keys(document()?)?,
                // Of a later version. Its id still says how far we are.
                _ => {}
            }
        }
        if let Some(id) = event.id {
            self.moved_to(id);
        }
        self.heard.events += 1;
        self.heard.is_current = self.place.is_current;
        Ok(())
    }

    /// An id alone says that there was nothing for us up to it. Before and between the parts of a
    /// snapshot there is no position that it could move.
    fn moved_to(&mut self, id: i64) {
        let Place { position: Some(position), is_current: true, .. } = *self.place else { return };
        if id >= position {
            self.place.position = Some(id);
            self.place.resume = Some(id);
            self.revocations.set_applied(id);
        }
    }

    fn snapshot(&mut self, mut members: Object) -> Result<(), Lost> {
        // Everything is read before anything is applied: an event counts whole or not at all.
        let index = members.take_integer("index")?;
        let is_last = members.take_boolean("last")?;
        let access_seconds = members.take_integer("access_seconds")?;
        let subjects = members.take_list("subjects")?.into_iter().map(subject).collect::<Result<Vec<_>, Lost>>()?;
        let sessions = members.take_texts("sessions")?;
        let keys = members.take_texts("keys")?;

        *self.access_seconds = access_seconds;
        let forget_at = self.forget_at();
        for (subject, epoch) in &subjects {
            self.revocations.end_subject(subject, *epoch, forget_at);
        }
        for session in &sessions {
            self.revocations.end_session(session, forget_at);
        }
        for key in &keys {
            self.revocations.end_key(key, forget_at);
        }
        if is_last {
            *self.place = Place::resumed(Some(index));
            self.revocations.restart_applied(index);
            self.heard.snapshots += 1;
        } else {
            self.place.is_current = false;
        }
        Ok(())
    }

    fn revoked(&mut self, mut members: Object) -> Result<(), Lost> {
        let numbers = Numbers::read(&mut members)?;
        let subject = members.take_text("subject")?;
        let epoch = optional(members.take_integer("epoch"))?;
        let session = optional(members.take_text("session"))?;
        if epoch.is_none() && session.is_none() {
            return Err(Lost::NotUnderstood);
        }
        let forget_at = self.forget_at();
        if let Some(epoch) = epoch {
            self.revocations.end_subject(&subject, epoch, forget_at);
        }
        if let Some(session) = session {
            self.revocations.end_session(&session, forget_at);
        }
        self.follow(numbers)
    }

    fn keys(&mut self, mut members: Object) -> Result<(), Lost> {
        let withdrawn = members.take_texts("withdrawn")?;
        if withdrawn.is_empty() {
            self.heard.fetch_keys = true;
            return Ok(());
        }
        let numbers = Numbers::read(&mut members)?;
        for key in &withdrawn {
            self.revocations.end_key(key, self.forget_at());
        }
        self.heard.fetch_keys = true;
        self.follow(numbers)
    }

    /// The entry itself counts even after a gap: what it ends is ended.
    fn follow(&mut self, numbers: Numbers) -> Result<(), Lost> {
        match self.place.position {
            Some(position) if numbers.previous <= position => {
                self.place.position = Some(position.max(numbers.index));
                Ok(())
            }
            Some(_) | None => Err(Lost::Gap),
        }
    }

    fn forget_at(&self) -> i64 {
        self.now.saturating_add(*self.access_seconds)
    }
}

/// Where an entry stands in the ledger, and the last one before it that ended trust.
#[derive(Clone, Copy)]
struct Numbers {
    index: i64,
    previous: i64,
}

impl Numbers {
    fn read(members: &mut Object) -> Result<Self, Lost> {
        Ok(Self { index: members.take_integer("index")?, previous: members.take_integer("previous")? })
    }
}

fn subject(item: Json) -> Result<(String, i64), Lost> {
    let Json::Object(mut members) = item else { return Err(Lost::NotUnderstood) };
    Ok((members.take_text("subject")?, members.take_integer("epoch")?))
}
