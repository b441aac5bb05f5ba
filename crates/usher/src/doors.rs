//! The gateway's routes and the feed's listeners in the words of the console, which knows neither.

use gateway::{AuthSpec, Gateway, LimitSpec, PerSpec, RouteView};
use pages::{ListenerRow, RouteRow, UpstreamRow};
use signals::Signals;

/// All routes, with what goes through them now.
pub fn rows(gateway: &Gateway) -> Vec<RouteRow> {
    gateway.traffic().into_iter().map(row).collect()
}

/// All services that listen to this process, or have.
pub fn listeners(signals: &Signals) -> Vec<ListenerRow> {
    let row = |service: signals::Connected| ListenerRow {
        name: service.name,
        connections: service.connections,
        applied: service.applied,
    };
    signals.verifiers().into_iter().map(row).collect()
}

fn row(route: RouteView) -> RouteRow {
    let upstreams = route.upstreams.iter().map(|upstream| UpstreamRow {
        address: upstream.address.clone(),
        healthy: upstream.healthy,
        in_flight: upstream.in_flight,
    });
    RouteRow {
        place: format!("{}{}", route.host, route.path),
        is_own: route.is_own,
        service: route.service.to_owned(),
        upstreams: upstreams.collect(),
        needs: needs(&route),
        limits: route.limits.iter().map(|limit| limit_in_words(limit, route.limits_writes_only)).collect(),
        bounds: bounds(&route),
        per_second: route.traffic.per_second,
        answered: route.traffic.answered,
        failed: route.traffic.failed,
        refused: route.traffic.refused,
        limited: route.traffic.limited,
        median: route.traffic.median,
        p99: route.traffic.p99,
        minutes: route.traffic.minutes,
        name: route.name,
        methods: route.methods,
    }
}

/// Who may, one condition a line.
fn needs(route: &RouteView) -> Vec<String> {
    let mut needs = Vec::new();
    if !route.roles.is_empty() {
        needs.push(format!("role {}", route.roles.join(" or ")));
    }
    needs.extend(route.permissions.iter().map(|permission| format!("may {permission}")));
    needs.extend(route.scopes.iter().map(|scope| format!("scope {scope}")));
    if needs.is_empty() {
        let words = match route.auth {
            AuthSpec::None => "Anyone",
            AuthSpec::Optional => "Anyone; a token has to be good",
            AuthSpec::Required => "Signed in",
        };
        needs.push(words.to_owned());
    }
    needs
}

fn limit_in_words(limit: &LimitSpec, writes_only: bool) -> (String, &'static str) {
    let whose = match (limit.per, writes_only) {
        (PerSpec::Ip, false) => "for each address",
        (PerSpec::Ip, true) => "for each address that changes something",
        (PerSpec::User, false) => "for each person",
        (PerSpec::User, true) => "for each person who changes something",
        (PerSpec::Route, false) => "for all together",
        (PerSpec::Route, true) => "for all changes together",
    };
    let burst = if limit.burst == 0 { String::new() } else { format!(", {} at once", limit.burst) };
    (format!("{}{burst}", limit.rate), whose)
}

fn bounds(route: &RouteView) -> Vec<(&'static str, String)> {
    let mut bounds = Vec::new();
    if let Some(timeout) = &route.timeout {
        bounds.push(("connects within", timeout.connect.clone()));
        bounds.push(("begins to answer within", timeout.first_byte.clone()));
        bounds.push(("ends within", timeout.total.clone()));
        bounds.push(("bodies up to", size(route.body_limit)));
    }
    if route.retries > 0 {
        bounds.push(("tries again", route.retries.to_string()));
    }
    bounds
}

/// A size in the largest unit that fits.
fn size(bytes: usize) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_sizes_are_words() {
        let limit = LimitSpec { per: PerSpec::User, rate: "10/s".into(), burst: 20 };
        assert_eq!(limit_in_words(&limit, false), ("10/s, 20 at once".into(), "for each person"));
        assert_eq!([size(1 << 20), size(65_536), size(1_000)], ["1 MiB", "64 KiB", "1000 bytes"]);
    }
}
