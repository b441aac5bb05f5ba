//! Which services listen, and how far each of them says it has come: how far a ban has got.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kernel::id::ServiceTokenId;

use crate::service_token::Service;

/// How many may listen to one process with one token: a large fleet that shares it, and never so many
/// that other services find no place.
const MOST_OF_ONE: usize = 2_000;

#[derive(Default)]
pub(crate) struct Verifiers(Mutex<HashMap<ServiceTokenId, Known>>);

#[derive(Default)]
struct Known {
    name: String,
    connections: usize,
    report: Option<(i64, Instant)>,
}

/// One service, as this process knows it.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Its token.
    pub id: ServiceTokenId,
    /// What it is called.
    pub name: String,
    /// How many of its processes listen here.
    pub connections: usize,
    /// The last ledger number that it says it has applied, and how many seconds ago it said so.
    pub applied: Option<(i64, u64)>,
}

impl Verifiers {
    /// A service begins to listen. Whether its token had a place left.
    pub(super) fn connect(&self, service: &Service) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(service.id).or_default();
        known.name.clone_from(&service.name);
        let has_room = known.connections < MOST_OF_ONE;
        known.connections += usize::from(has_room);
        has_room
    }

    pub(super) fn disconnected(&self, id: ServiceTokenId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&id) {
            known.connections = known.connections.saturating_sub(1);
        }
    }

    /// A service says how far it has come.
    pub(crate) fn report(&self, service: &Service, applied: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(service.id).or_default();
        known.name.clone_from(&service.name);
        known.report = Some((applied, Instant::now()));
    }

    /// Forgets a service whose token was taken back.
    pub(crate) fn forget(&self, id: ServiceTokenId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// How far behind `newest` the slowest of those is that listen and report.
    pub(crate) fn slowest(&self, newest: i64) -> i64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = |known: &Known| {
            known.report.filter(|_| known.connections > 0).map(|(applied, _)| newest.saturating_sub(applied))
        };
        all.values().filter_map(behind).max().unwrap_or(0).max(0)
    }

    /// All that have been heard of, in alphabetical order.
    pub(crate) fn list(&self) -> Vec<Connected> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<Connected> = all
            .iter()
            .map(|(id, known)| Connected {
                id: *id,
                name: known.name.clone(),
                connections: known.connections,
                applied: known.report.map(|(applied, at)| (applied, at.elapsed().as_secs())),
            })
            .collect();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        list
    }
}
