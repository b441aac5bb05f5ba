//! What goes on: how many come in, who is there, what waits, and what happened last.

use std::fmt::Display;
use std::sync::Arc;

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
use super::health::{self, Part};
use super::{Console, Desk, Frame, Section};
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

/// Something that happened lately, to whom.
struct Recent {
    happening: Happening,
    at: Moment,
    subject: Option<UserId>,
}

/// A number at the head of the page.
struct Figure {
    title: String,
    number: String,
    words: String,
    counted: Option<Moment>,
}

/// What happened, hour by hour.
struct Charts {
    sign_ins: Chart,
    sign_ups: Chart,
    failures: Chart,
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    frame: Frame,
    now: Moment,
    range: Range,
    figures: Vec<Figure>,
    /// Nothing if they could not be read.
    charts: Option<Charts>,
    services: Vec<Part>,
    queues: Vec<Part>,
    /// Whether routes are open to the visitor.
    sees_routes: bool,
    /// Nothing for those who may not read it.
    recent: Option<Vec<Recent>>,
}

/// What the database knows of it.
struct Read {
    charts: Charts,
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
    let desk = &console.desk;
    // A page about what is down must not go down with it: what cannot be read is said to be missing.
    let numbers = health::in_time("overview", auth::overview(&pages.auth));
    let mut read = None;
    let database = async {
        let (found, took) = health::in_time("charts", Read::ask(&pages, desk, range, now)).await?;
        read = Some(found);
        Some(took)
    };
    let messages = health::in_time("messages", pages.notify.waiting());
    let hooks = health::in_time("webhooks", health::webhooks(&pages));
    let (numbers, messages, hooks, mut services) =
        tokio::join!(numbers, messages, hooks, health::services(&pages, database));
    services.extend(hooks.and_then(|(hooks, _)| hooks));
    let messages = messages.map(|(messages, _)| messages);
    let numbers = numbers.map(|(numbers, _)| numbers);
    let (charts, recent) = read.map_or((None, None), |read| (Some(read.charts), read.recent));
    let page_of = OverviewPage {
        frame: Frame::new(&pages, desk, Section::Overview),
        now: Moment::precise(now),
        range,
        figures: figures(range, charts.as_ref(), numbers.as_ref(), now),
        charts,
        services,
        queues: health::queues(&pages, numbers.as_ref(), messages.as_deref()),
        sees_routes: desk.may(may::GATEWAY_READ),
        recent,
    };
    page(StatusCode::OK, &page_of)
}

impl Read {
    async fn ask(pages: &Pages, desk: &Desk, range: Range, now: Timestamp) -> Result<Self, Problem> {
        let mut read = pages.auth.db().read().await?;
        let from = now.plus_seconds(-(2 * range.hours() - 1) * 3_600);
        let series = statistics::hourly(&mut read, &KINDS, from, now.plus_seconds(1)).await?;
        let chart = |kind: Kind| {
            let found = series.iter().find(|series| series.kind == kind);
            found.map_or_else(|| Chart::new(&[], now), |series| Chart::new(&series.counts, series.from))
        };
        let charts = Charts {
            sign_ins: chart(Kind::SessionStarted),
            sign_ups: chart(Kind::AccountRegistered),
            failures: chart(Kind::SignInFailed),
        };
        if !desk.may(may::AUDIT_READ) {
            return Ok(Self { charts, recent: None });
        }
        let found = history::recent(&mut read, &GRAVE, LOOK_BACK).await?;
        let recent = found.into_iter().take(MOST).map(|(subject, entry)| Recent::new(subject, &entry, now)).collect();
        Ok(Self { charts, recent: Some(recent) })
    }
}

fn figures(range: Range, charts: Option<&Charts>, numbers: Option<&Overview>, now: Timestamp) -> Vec<Figure> {
    let figure = |title: &str, known: Option<(String, String)>| {
        let (number, words) = known.unwrap_or_else(|| ("–".to_owned(), "could not be counted".to_owned()));
        Figure { title: title.to_owned(), number, words, counted: None }
    };
    let total = |chart: &Chart| (grouped(chart.total()), chart.trend());
    let counted = numbers.map(|numbers| numbers.counted);
    vec![
        figure(&format!("Sign-ins, {}", range.words()), charts.map(|charts| total(&charts.sign_ins))),
        figure(&format!("Sign-ups, {}", range.words()), charts.map(|charts| total(&charts.sign_ups))),
        figure("Failed sign-ins", charts.map(|charts| (grouped(charts.failures.total()), charts.failed_share()))),
        Figure {
            counted: counted.map(|counted| Moment::new(counted.at, now)),
            ..figure("Active sessions", counted.map(|counted| (grouped(counted.sessions), "counted".to_owned())))
        },
        figure(
            "People",
            counted.map(|counted| {
                let (banned, deleted) = (counted.accounts.suspended, counted.accounts.deleted);
                (grouped(counted.accounts.active), format!("{} banned, {} deleted", grouped(banned), grouped(deleted)))
            }),
        ),
    ]
}

impl Recent {
    fn new(subject: Option<UserId>, entry: &history::HistoryEntry, now: Timestamp) -> Self {
        Self { happening: Happening::of(&entry.kind), at: Moment::new(entry.at, now), subject }
    }
}

impl Charts {
    /// The part of all tries to sign in that failed.
    fn failed_share(&self) -> String {
        let (failed, tries) = (self.failures.total(), self.failures.total() + self.sign_ins.total());
        let tenths = failed.saturating_mul(1_000).checked_div(tries).unwrap_or(0);
        format!("{}.{} % of {} tries", tenths / 10, tenths % 10, grouped(tries))
    }
}

impl OverviewPage {
    /// A number with its thousands apart; a template has some of them by reference.
    fn grouped(number: impl Display) -> String {
        grouped(number)
    }
}
