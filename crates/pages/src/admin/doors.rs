//! The routes of the gateway, their limits, and what goes through them now.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use kernel::Problem;
use users::api::officer::GatewayRead;

use super::{Console, Frame, Section};
use crate::surroundings::RouteRow;
use crate::{Pages, page};

/// The page of routes.
pub fn router() -> Router<Arc<Pages>> {
    Router::new().route("/admin/routes", get(show))
}

#[derive(Template)]
#[template(path = "admin/routes.html")]
struct RoutesPage {
    frame: Frame,
    /// An operator's routes and Usher's own; nothing where a gateway elsewhere has them.
    tables: Option<[Doors; 2]>,
}

/// One table.
struct Doors {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    rows: Vec<Row>,
}

/// A route, as it is shown.
struct Row {
    route: RouteRow,
    per_second: String,
    median: String,
    p99: String,
    bad: String,
    /// Whether so many fail that somebody should look.
    is_failing: bool,
    spark: Option<String>,
}

impl Row {
    fn new(route: RouteRow) -> Self {
        let bad = route.failed + route.refused + route.limited;
        Self {
            per_second: rate(route.per_second),
            median: route.median.map(duration).unwrap_or_default(),
            p99: route.p99.map(duration).unwrap_or_default(),
            bad: share(bad, route.answered),
            is_failing: route.answered >= 20 && route.failed * 20 > route.answered,
            spark: spark(&route.minutes),
            route,
        }
    }

    fn verbs(&self) -> String {
        // A GET is always with its HEAD: one of them is enough to say so.
        let shown = self.route.methods.iter().filter(|method| *method != "HEAD" || self.route.methods.len() == 1);
        let verbs = shown.cloned().collect::<Vec<_>>().join(" ");
        if verbs.is_empty() { "ANY".to_owned() } else { verbs }
    }

    /// What its numbers are, for those who do not see the line.
    fn hour(&self) -> u64 {
        self.route.minutes.iter().sum()
    }
}

/// `GET /admin/routes`
async fn show(State(pages): State<Arc<Pages>>, console: Console<GatewayRead>) -> Result<Response, Problem> {
    let tables = pages.surroundings.routes().map(|routes| {
        let (own, theirs): (Vec<RouteRow>, Vec<RouteRow>) = routes.into_iter().partition(|route| route.is_own);
        let rows = |routes: Vec<RouteRow>| routes.into_iter().map(Row::new).collect();
        [
            Doors {
                id: "yours",
                title: "Your applications",
                about: "In the order in which they are tried. They come from gateway.routes of the configuration.",
                rows: rows(theirs),
            },
            Doors {
                id: "own",
                title: "Usher’s own",
                about: "What is not listed under /api/ needs a token.",
                rows: rows(own),
            },
        ]
    });
    let frame = Frame::new(&pages, &console.desk, Section::Routes);
    page(StatusCode::OK, &RoutesPage { frame, tables })
}

/// A rate with as many digits as somebody reads.
fn rate(per_second: f64) -> String {
    if per_second <= 0.0 {
        "0".to_owned()
    } else if per_second < 0.1 {
        "under 0.1".to_owned()
    } else if per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.0}")
    }
}

fn duration(took: Duration) -> String {
    let micros = took.as_micros();
    match micros {
        0..1_000 => "under 1 ms".to_owned(),
        1_000..10_000 => format!("{:.1} ms", took.as_secs_f64() * 1_000.0),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

/// A part of all in percent.
fn share(part: u64, all: u64) -> String {
    if part == 0 {
        return "0 %".to_owned();
    }
    let tenths = (part * 1_000).div_ceil(all.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// The line of the last hour, in a box of 1000 by 100; nothing before there are two minutes of it.
fn spark(minutes: &[u64]) -> Option<String> {
    let most = minutes.iter().max().copied().filter(|most| *most > 0)?;
    let last = u64::try_from(minutes.len()).ok()?.checked_sub(1).filter(|last| *last > 0)?;
    let mut path = String::new();
    for (at, count) in (0_u64..).zip(minutes) {
        let (x, y) = (at * 1_000 / last, 95 - count * 90 / most);
        // Writing to a String cannot fail.
        let _ = write!(path, "{}{x} {y}", if at == 0 { "M" } else { " L" });
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_people_read_them() {
        assert_eq!([0.0, 0.02, 0.5, 9.94, 38.4].map(rate), ["0", "under 0.1", "0.5", "9.9", "38"]);
        let shown = [400, 1_500, 84_000, 2_450_000].map(|micros| duration(Duration::from_micros(micros)));
        assert_eq!(shown, ["under 1 ms", "1.5 ms", "84 ms", "2.5 s"]);
        assert_eq!([share(0, 0), share(1, 1_000), share(59, 1_000), share(3, 3)], ["0 %", "0.1 %", "5.9 %", "100.0 %"]);
    }

    #[test]
    fn a_line_begins_with_two_minutes_that_somebody_came_in() {
        assert_eq!(spark(&[]), None);
        assert_eq!(spark(&[3]), None);
        assert_eq!(spark(&[0, 0]), None);
        assert_eq!(spark(&[0, 2, 1]).unwrap(), "M0 95 L500 5 L1000 50");
    }
}
