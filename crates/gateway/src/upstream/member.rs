//! One upstream of a route.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;

use super::Failed;
use super::health::{Health, Verdict};
use super::pool::Host;

/// One upstream of a route: where it is, how it is, and how much it has to do.
pub(super) struct Member {
    pub(super) host: Arc<Host>,
    pub(super) name: Arc<str>,
    pub(super) host_header: HeaderValue,
    pub(super) health: Health,
    in_flight: AtomicUsize,
}

/// A request's place at an upstream, taken until its answer is complete.
pub(super) struct Place {
    pub(super) member: Arc<Member>,
    pub(super) is_trial: bool,
}

impl Member {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self {
            name: host.address().to_string().into(),
            host_header: host.address().host_header(),
            host,
            health: Health::new(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn take(self: &Arc<Self>, is_trial: bool) -> Place {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.host.begin();
        Place { member: self.clone(), is_trial }
    }
}

impl Place {
    pub(super) fn host(&self) -> &Arc<Host> {
        &self.member.host
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.member.host.end();
        if self.is_trial {
            // If the outcome was told, this changes nothing.
            self.member.health.untried();
        }
    }
}

/// The one that has the least to do of those that are well; of equals, the next after the last one.
/// One whose ejection is over is tried first, by one request. `except` is taken if there is no other.
/// One that has all it may have at once is left out, which says nothing about how it is.
pub(super) fn choose(
    members: &[Arc<Member>],
    turn: &AtomicUsize,
    except: Option<&Arc<Member>>,
) -> Result<Place, Failed> {
    if let [only] = members {
        if only.host.is_full() {
            return Err(Failed::Full);
        }
        return match only.health.ask() {
            Verdict::Ejected => Err(Failed::NoneHealthy),
            verdict => Ok(only.take(verdict == Verdict::Trial)),
        };
    }
    let start = turn.fetch_add(1, Ordering::Relaxed) % members.len().max(1);
    let (before, after) = members.split_at(start);
    let mut best: Option<(&Arc<Member>, usize)> = None;
    let mut fallback = None;
    let mut none = Failed::NoneHealthy;
    for member in after.iter().chain(before) {
        // Before its health is asked, which may make this request the one that tries it.
        if member.host.is_full() {
            none = Failed::Full;
            continue;
        }
        if except.is_some_and(|except| Arc::ptr_eq(except, member)) {
            fallback = Some(member).filter(|member| member.health.is_well());
            continue;
        }
        match member.health.ask() {
            Verdict::Ejected => {}
            Verdict::Trial => return Ok(member.take(true)),
            Verdict::Well => {
                let load = member.in_flight();
                if best.is_none_or(|(_, least)| load < least) {
                    best = Some((member, load));
                }
            }
        }
    }
    best.map(|(member, _)| member).or(fallback).map(|member| member.take(false)).ok_or(none)
}
