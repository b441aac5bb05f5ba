//! A map in many parts, each with its own lock: whoever writes or sweeps one part keeps nobody from
//! reading the others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

/// With a million entries, the others of one part wait about a millisecond while it is swept.
const PARTS: usize = 64;

/// Values by name, of which there are never more than a bound.
pub(crate) struct Shards<V> {
    parts: [RwLock<HashMap<Box<str>, V>>; PARTS],
    /// Another hash than that of the maps, or each part would use a 64th of its places.
    choice: RandomState,
    /// Nearly always 0, and then a reader reads only this number.
    len: AtomicUsize,
    most: usize,
}

/// There was no room for another name.
pub(crate) struct Full;

impl<V> Shards<V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            parts: std::array::from_fn(|_| RwLock::default()),
            choice: RandomState::new(),
            len: AtomicUsize::new(0),
            most,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Looks at the value of a name, if there is one.
    pub(crate) fn is(&self, name: &str, question: impl FnOnce(&V) -> bool) -> bool {
        self.len() > 0 && self.part(name).read().unwrap_or_else(PoisonError::into_inner).get(name).is_some_and(question)
    }

    /// Puts a value under a name; if there is one, `join` puts both together.
    pub(crate) fn put(&self, name: &str, value: V, join: impl FnOnce(&mut V, V)) -> Result<(), Full> {
        let mut part = write(self.part(name));
        if let Some(old) = part.get_mut(name) {
            join(old, value);
            return Ok(());
        }
        // The place is taken before it is used, because other parts are written at the same time.
        if self.len.fetch_add(1, Ordering::AcqRel) >= self.most {
            self.len.fetch_sub(1, Ordering::AcqRel);
            return Err(Full);
        }
        part.insert(name.into(), value);
        Ok(())
    }

    /// Removes what is not needed, one part after the other.
    pub(crate) fn sweep(&self, is_needed: impl Fn(&V) -> bool) {
        for part in &self.parts {
            let mut part = write(part);
            let before = part.len();
            part.retain(|_, value| is_needed(value));
            self.len.fetch_sub(before - part.len(), Ordering::AcqRel);
            // After a storm the room is given back; half-empty maps keep theirs.
            if part.capacity() / 4 > part.len() {
                part.shrink_to_fit();
            }
        }
    }

    #[cfg(all(test, feature = "follow"))]
    pub(crate) fn names(&self) -> std::collections::BTreeSet<String> {
        let names = |part: &RwLock<HashMap<Box<str>, V>>| {
            part.read().unwrap_or_else(PoisonError::into_inner).keys().map(ToString::to_string).collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(names).collect()
    }

    fn part(&self, name: &str) -> &RwLock<HashMap<Box<str>, V>> {
        // The remainder is below 64.
        let [lowest, ..] = self.choice.hash_one(name).to_le_bytes();
        &self.parts[usize::from(lowest) % PARTS]
    }
}

/// A panic while a part was locked left it whole: nothing here stops half-way.
fn write<V>(part: &RwLock<HashMap<Box<str>, V>>) -> RwLockWriteGuard<'_, HashMap<Box<str>, V>> {
    part.write().unwrap_or_else(PoisonError::into_inner)
}
