//! What goes on: how many come in, who is there, what waits, and what happened last.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use auth::Overview;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Kind, Problem, Timestamp, UserId};
use users::api::officer::UsersRead;
use users::{history, may, statistics};

use super::chart::{Chart, grouped};
use super::happening::Happening;
use super::{Console, Frame, Section};
use crate::form::Fields;
use crate::moment::Moment;
use crate::{Pages, page};

/// What is counted.
const KINDS: [Kind; 3] = [Kind::SessionStarted, Kind::AccountRegistered, Kind::SignInFailed];
/// What is worth a look.
const GRAVE: [Kind; 8] = [
    Kind::AccountLocked,
    Kind::AccountSuspended,
    Kind::AccountDeleted,
    Kind::AccountErased,
    Kind::RolesChanged,
    Kind::RefreshTokenReused,
    Kind::AdministratorCreated,
    Kind::SigningKeyWithdrawn,
];
/// How many of these are shown.
const MOST: usize = 8;
/// How far back in the ledger they are looked for.
const LOOK_BACK: i64 = 500;

/// How far a chart reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Day,
    Week,
}

impl Range {
    fn parse(text: &str) -> Self {
        if text == "7d" { Self::Week } else { Self::Day }
    }

    const fn hours(self) -> i64 {
        match self {
            Self::Day => 24,
            Self::Week => 24 * 7,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Day => "last 24 hours",
            Self::Week => "last 7 days",
        }
    }
}

/// Something that can be slow, and how it is.
struct Service {
    name: &'static str,
    waits: String,
    fine: bool,
    words: String,
}

/// Something that happened lately, to whom.
struct Recent {
    happening: Happening,
    at: Moment,
    subject: Option<UserId>,
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    frame: Frame,
    now: Moment,
    range: Range,
    sign_ins: Chart,
    sign_ups: Chart,
    failures: Chart,
    numbers: Overview,
    counted: Moment,
    services: Vec<Service>,
    recent: Option<Vec<Recent>>,
}

/// `GET /admin/overview`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    console: Console<UsersRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let now = pages.auth.clock().now();
    let range = Range::parse(query.text("range"));
    let numbers = auth::overview(&pages.auth).await?;
    let asked = Instant::now();
    let mut read = pages.auth.db().read().await?;
    let from = now.plus_seconds(-(2 * range.hours() - 1) * 3_600);
    let series = statistics::hourly(&mut read, &KINDS, from, now.plus_seconds(1)).await?;
    let took = asked.elapsed();
    let recent = if console.desk.may(may::AUDIT_READ) {
        let found = history::recent(&mut read, &GRAVE, LOOK_BACK).await?;
        Some(found.into_iter().take(MOST).map(|(subject, entry)| Recent::new(subject, &entry, now)).collect())
    } else {
        None
    };
    drop(read);
    let chart = |kind: Kind| {
        let found = series.iter().find(|series| series.kind == kind);
        found.map_or_else(|| Chart::new(&[], now), |series| Chart::new(&series.counts, series.from))
    };
    let page_of = OverviewPage {
        frame: Frame::new(&pages, &console.desk, Section::Overview),
        now: Moment::precise(now),
        range,
        sign_ins: chart(Kind::SessionStarted),
        sign_ups: chart(Kind::AccountRegistered),
        failures: chart(Kind::SignInFailed),
        counted: Moment::new(numbers.counted.at, now),
        services: services(&numbers, took.as_millis()),
        numbers,
        recent,
    };
    page(StatusCode::OK, &page_of)
}

impl Recent {
    fn new(subject: Option<UserId>, entry: &history::HistoryEntry, now: Timestamp) -> Self {
        Self { happening: Happening::of(&entry.kind), at: Moment::new(entry.at, now), subject }
    }
}

/// From what wait these are slow.
const SLOW_DATABASE_MS: u128 = 250;
const MANY_HASHES: usize = 32;
const MANY_EVENTS: i64 = 1_000;

fn services(numbers: &Overview, database_ms: u128) -> Vec<Service> {
    let hashes = numbers.hashes_waiting;
    let events = numbers.events_waiting;
    vec![
        Service {
            name: "Database",
            waits: format!("{database_ms} ms"),
            fine: database_ms < SLOW_DATABASE_MS,
            words: "to answer what this page asked".to_owned(),
        },
        Service {
            name: "Password checks",
            waits: hashes.to_string(),
            fine: hashes < MANY_HASHES,
            words: "sign-ins that wait for their turn in this process".to_owned(),
        },
        Service {
            name: "Ledger",
            waits: events.to_string(),
            fine: events < MANY_EVENTS,
            words: "events that wait for their number".to_owned(),
        },
    ]
}

impl OverviewPage {
    /// The part of all tries to sign in that failed.
    fn failed_share(&self) -> String {
        let (failed, tries) = (self.failures.total(), self.failures.total() + self.sign_ins.total());
        let tenths = failed.saturating_mul(1_000).checked_div(tries).unwrap_or(0);
        format!("{}.{} % of {} tries", tenths / 10, tenths % 10, grouped(tries))
    }

    /// A number with its thousands apart; a template has some of them by reference.
    fn grouped(number: impl Display) -> String {
        grouped(number)
    }
}
