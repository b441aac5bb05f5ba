//! How the parts are that everything rests on, and what waits for its turn.
//!
//! Each is asked with an end to the waiting: one that is away is a line of the page, and not the end of it.

use std::time::{Duration, Instant};

use auth::Overview;
use kernel::Problem;
use notify::webhooks::{self, Status};
use notify::{Count, State as DeliveryState};

use crate::Pages;
use crate::surroundings::{ListenerRow, RouteRow};

use super::chart::grouped;

/// How long a part may take to answer before it counts as away.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// From what wait these are slow.
const SLOW: Duration = Duration::from_millis(250);
const MANY_HASHES: usize = 32;
const MANY_EVENTS: i64 = 1_000;
const MANY_JOBS: i64 = 20;
const MANY_MESSAGES: i64 = 1_000;
/// Of fewer requests than this, a failed one says little.
const FEW_REQUESTS: u64 = 20;

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Healthy,
    /// It answers, and not as quickly as it should.
    Slow,
    /// Some of it fails.
    Failing,
    /// It does not answer.
    Down,
    /// It is not in this process.
    Elsewhere,
}

impl State {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Slow => "Slow",
            Self::Failing => "Failing",
            Self::Down => "Down",
            Self::Elsewhere => "Elsewhere",
        }
    }

    /// For `data-tone`; empty for none.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Healthy => "ok",
            Self::Slow | Self::Failing => "warn",
            Self::Down => "danger",
            Self::Elsewhere => "",
        }
    }

    /// For `data-shape`; empty for the dot.
    pub const fn shape(self) -> &'static str {
        match self {
            Self::Healthy => "",
            Self::Slow | Self::Failing => "diamond",
            Self::Down => "bar",
            Self::Elsewhere => "ring",
        }
    }

    const fn slow_if(slow: bool) -> Self {
        if slow { Self::Slow } else { Self::Healthy }
    }
}

/// A part, or a queue, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// Its number now.
    pub now: String,
    /// What that is a number of.
    pub words: String,
}

/// What came in time, and how long it took; nothing if it did not come or failed, which is logged.
pub async fn in_time<T, E: Into<Problem>>(
    part: &'static str,
    asked: impl Future<Output = Result<T, E>>,
) -> Option<(T, Duration)> {
    let started = Instant::now();
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Some((answer, started.elapsed())),
        // Making a problem of it logs its cause.
        Ok(Err(error)) => {
            let _: Problem = error.into();
            None
        }
        Err(_elapsed) => {
            tracing::warn!(part, "a part of the console did not come in time");
            None
        }
    }
}

/// What everything rests on. How long the database took is known to whoever asked it.
pub async fn services(pages: &Pages, database: impl Future<Output = Option<Duration>>) -> Vec<Part> {
    let files = in_time("files", pages.auth.users().blobs.check());
    let (database, files) = tokio::join!(database, files);
    let mut parts = vec![
        answering("Database", database, "to answer what this page asked"),
        answering("File store", files.map(|((), took)| took), "to say that it is there"),
    ];
    parts.extend(gateway(pages.surroundings.routes()));
    parts.extend(listeners(&pages.surroundings.listeners().unwrap_or_default()));
    parts
}

/// The programs that are told what happens; nothing if there are none. One that somebody has paused by hand is not missed.
pub async fn webhooks(pages: &Pages) -> Result<Option<Part>, Problem> {
    let all = webhooks::list(&pages.notify).await?;
    Ok(told(
        all.iter()
            .filter(|one| one.status != Status::Paused || one.reason.is_some())
            .map(|one| one.status == Status::Active && one.failures == 0),
    ))
}

fn told(all: impl Iterator<Item = bool>) -> Option<Part> {
    let (well, all) = all.fold((0_u32, 0_u32), |(well, all), is_well| (well + u32::from(is_well), all + 1));
    (all > 0).then(|| Part {
        name: "Webhooks",
        state: if well == all { State::Healthy } else { State::Failing },
        now: format!("{well} of {all}"),
        words: "take what they are told".to_owned(),
    })
}

fn answering(name: &'static str, took: Option<Duration>, words: &str) -> Part {
    match took {
        Some(took) => {
            let now = format!("{} ms", took.as_millis());
            Part { name, state: State::slow_if(took >= SLOW), now, words: words.to_owned() }
        }
        None => Part { name, state: State::Down, now: "–".to_owned(), words: "no good answer within 2 s".to_owned() },
    }
}

/// The door, and the applications behind it.
fn gateway(routes: Option<Vec<RouteRow>>) -> Vec<Part> {
    let Some(routes) = routes else {
        let words = "routes are served by another process".to_owned();
        return vec![Part { name: "Gateway", state: State::Elsewhere, now: "–".to_owned(), words }];
    };
    let (answered, failed): (u64, u64) = (sum(&routes, |route| route.answered), sum(&routes, |route| route.failed));
    let fails = answered >= FEW_REQUESTS && failed.saturating_mul(20) > answered;
    let door = Part {
        name: "Gateway",
        state: if fails { State::Failing } else { State::Healthy },
        now: grouped(answered),
        words: format!("requests in the last minute, {} failed", grouped(failed)),
    };
    let all: usize = routes.iter().map(|route| route.upstreams.len()).sum();
    if all == 0 {
        return vec![door];
    }
    let healthy = |route: &RouteRow| route.upstreams.iter().filter(|upstream| upstream.healthy).count();
    let good: usize = routes.iter().map(healthy).sum();
    let is_cut_off = routes.iter().any(|route| !route.upstreams.is_empty() && healthy(route) == 0);
    let state = if is_cut_off {
        State::Down
    } else if good < all {
        State::Failing
    } else {
        State::Healthy
    };
    let words = if is_cut_off { "answer; a route leads nowhere" } else { "answer" }.to_owned();
    vec![door, Part { name: "Applications", state, now: format!("{good} of {all}"), words }]
}

fn sum(routes: &[RouteRow], count: impl Fn(&RouteRow) -> u64) -> u64 {
    routes.iter().map(count).fold(0, u64::saturating_add)
}

/// The services that check tokens by themselves.
fn listeners(all: &[ListenerRow]) -> Option<Part> {
    let here = all.iter().filter(|service| service.connections > 0).count();
    (!all.is_empty()).then(|| Part {
        name: "Services that listen",
        state: if here == all.len() { State::Healthy } else { State::Failing },
        now: format!("{here} of {}", all.len()),
        words: "hear at once what is revoked".to_owned(),
    })
}

/// What waits. Without numbers from the database, that is said of what would have come from there.
pub fn queues(pages: &Pages, numbers: Option<&Overview>, messages: Option<&[Count]>) -> Vec<Part> {
    let hashes = pages.auth.hasher().stats().waiting;
    let unknown =
        |name| Part { name, state: State::Down, now: "–".to_owned(), words: "could not be counted".to_owned() };
    let jobs = numbers.map_or_else(
        || unknown("Jobs"),
        |numbers| Part {
            name: "Jobs",
            state: State::slow_if(numbers.jobs.queued >= MANY_JOBS),
            now: grouped(numbers.jobs.queued),
            words: format!("wait, {} under way", grouped(numbers.jobs.running)),
        },
    );
    let ledger = numbers.map_or_else(
        || unknown("Ledger"),
        |numbers| Part {
            name: "Ledger",
            state: State::slow_if(numbers.events_waiting >= MANY_EVENTS),
            now: grouped(numbers.events_waiting),
            words: "events wait for their number".to_owned(),
        },
    );
    let checks = Part {
        name: "Password checks",
        state: State::slow_if(hashes >= MANY_HASHES),
        now: grouped(hashes),
        words: "sign-ins wait for their turn here".to_owned(),
    };
    vec![jobs, messages.map_or_else(|| unknown("Messages"), waiting), checks, ledger]
}

/// What people are to be told.
fn waiting(counts: &[Count]) -> Part {
    let sum = |state: DeliveryState| -> i64 {
        counts.iter().filter(|count| count.state == state.as_str()).map(|count| count.count).sum()
    };
    let (late, dead) = (sum(DeliveryState::Failed), sum(DeliveryState::Dead));
    let now = sum(DeliveryState::Queued).saturating_add(late);
    Part {
        name: "Messages",
        state: if dead > 0 { State::Failing } else { State::slow_if(now >= MANY_MESSAGES) },
        now: grouped(now),
        words: format!("wait, {} of them late, {} given up", grouped(late), grouped(dead)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surroundings::UpstreamRow;

    fn route(healthy: &[bool], answered: u64, failed: u64) -> RouteRow {
        let upstream = |healthy: &bool| UpstreamRow { address: "http://a".into(), healthy: *healthy, in_flight: 0 };
        RouteRow { upstreams: healthy.iter().map(upstream).collect(), answered, failed, ..RouteRow::default() }
    }

    fn states(routes: Vec<RouteRow>) -> Vec<(State, String)> {
        gateway(Some(routes)).into_iter().map(|part| (part.state, part.now)).collect()
    }

    #[tokio::test]
    async fn a_part_that_never_answers_is_down_after_two_seconds() {
        let started = Instant::now();
        assert!(in_time::<(), Problem>("x", std::future::pending()).await.is_none());
        assert!((PATIENCE..PATIENCE * 2).contains(&started.elapsed()));
        assert!(in_time::<(), _>("x", async { Err(Problem::not_found()) }).await.is_none());
        assert!(in_time::<_, Problem>("x", async { Ok(7) }).await.is_some_and(|(answer, _)| answer == 7));
        assert_eq!(answering("x", None, "").state, State::Down);
        assert_eq!(answering("x", Some(SLOW), "").state, State::Slow);
        assert_eq!(answering("x", Some(Duration::ZERO), "").state, State::Healthy);
    }

    #[test]
    fn the_door_says_what_fails_and_which_applications_are_away() {
        assert_eq!(gateway(None)[0].state, State::Elsewhere);
        assert_eq!(states(vec![route(&[], 19, 19)]), [(State::Healthy, "19".to_owned())]);
        assert_eq!(states(vec![route(&[], 100, 5)]), [(State::Healthy, "100".to_owned())]);
        assert_eq!(states(vec![route(&[], 100, 6)]), [(State::Failing, "100".to_owned())]);
        let behind = |routes| states(routes)[1].clone();
        assert_eq!(
            behind(vec![route(&[true, true], 0, 0), route(&[true], 0, 0)]),
            (State::Healthy, "3 of 3".to_owned())
        );
        assert_eq!(
            behind(vec![route(&[true, false], 0, 0), route(&[true], 0, 0)]),
            (State::Failing, "2 of 3".to_owned())
        );
        assert_eq!(behind(vec![route(&[true, true], 0, 0), route(&[false], 0, 0)]), (State::Down, "2 of 3".to_owned()));
    }

    #[test]
    fn webhooks_that_fail_are_counted() {
        assert_eq!(told(std::iter::empty()), None);
        let part = told([true, false, true].into_iter()).unwrap();
        assert_eq!((part.state, part.now.as_str()), (State::Failing, "2 of 3"));
        assert_eq!(told([true].into_iter()).unwrap().state, State::Healthy);
    }

    #[test]
    fn services_that_went_away_are_counted() {
        let row = |connections| ListenerRow { name: "quiz".into(), connections, applied: None };
        assert_eq!(listeners(&[]), None);
        let part = listeners(&[row(2), row(0)]).unwrap();
        assert_eq!((part.state, part.now.as_str()), (State::Failing, "1 of 2"));
        assert_eq!(listeners(&[row(1)]).unwrap().state, State::Healthy);
    }
}
