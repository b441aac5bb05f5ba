//! The routes as people are shown them: what each is for, what it needs, how its upstreams are, and what goes
//! through it.

use std::sync::Arc;
use std::time::Duration;

use crate::gateway::{Gateway, Own};
use crate::limits::{Limit, Per};
use crate::route::{Route, Target};
use crate::spec::{AuthSpec, LimitSpec, PerSpec, RouteSpec, TimeoutSpec};
use crate::traffic::{self, Traffic};
use crate::{builtin, upstream};

/// One route.
#[derive(Clone, Debug)]
pub struct RouteView {
    /// What logs and metrics call it.
    pub name: String,
    /// The host it is for; any if empty.
    pub host: String,
    /// The path as it is written; a `/` at the end stands for everything below, too.
    pub path: String,
    /// The methods; any if empty.
    pub methods: Vec<String>,
    /// Whether it is Usher's own, and not an operator's.
    pub is_own: bool,
    /// Where requests go, if not to upstreams: `usher`, `forward-auth` or `gateway`.
    pub service: &'static str,
    /// Whether it needs a token.
    pub auth: AuthSpec,
    /// Any one of these is needed.
    pub roles: Vec<String>,
    /// All of these are needed.
    pub scopes: Vec<String>,
    /// All of these are needed.
    pub permissions: Vec<String>,
    /// Its token buckets.
    pub limits: Vec<LimitSpec>,
    /// Whether only what changes something counts against them.
    pub limits_writes_only: bool,
    /// How long an upstream may take.
    pub timeout: Option<TimeoutSpec>,
    /// The largest body of a request, in bytes.
    pub body_limit: usize,
    /// How often an idempotent request may be sent again.
    pub retries: u8,
    /// Where requests go.
    pub upstreams: Vec<UpstreamView>,
    /// What goes through it.
    pub traffic: Traffic,
}

/// How one upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamView {
    /// Its address.
    pub address: String,
    /// Whether requests are sent to it.
    pub healthy: bool,
    /// Requests that it is answering.
    pub in_flight: usize,
}

impl From<upstream::State> for UpstreamView {
    fn from(state: upstream::State) -> Self {
        Self { address: state.address.to_string(), healthy: state.healthy, in_flight: state.in_flight }
    }
}

impl Gateway {
    /// Every route in the order in which they are tried: an operator's, then Usher's own.
    pub fn traffic(&self) -> Vec<RouteView> {
        let table = self.table();
        let theirs = table.with_specs().map(|(route, spec)| self.of_operator(route, spec));
        let own = builtin::all().iter().map(|route| self.of_our_own(route));
        theirs.chain(own).collect()
    }

    /// Notes the numbers that rates are made of, for as long as the process lasts.
    pub async fn watch_traffic(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(traffic::EVERY);
        loop {
            ticks.tick().await;
            self.history.note();
        }
    }

    fn of_operator(&self, route: &Route, spec: &RouteSpec) -> RouteView {
        let upstreams = match &route.target {
            Target::Upstreams(upstreams) => upstreams.states().into_iter().map(UpstreamView::from).collect(),
            Target::Own | Target::Usher | Target::ForwardAuth | Target::Authorize | Target::Keys => Vec::new(),
        };
        RouteView {
            path: spec.path.clone(),
            roles: spec.roles.clone(),
            scopes: spec.scopes.clone(),
            permissions: spec.permissions.clone(),
            limits: spec.limits.clone(),
            timeout: (!upstreams.is_empty()).then(|| spec.timeout.clone()),
            retries: spec.retries,
            upstreams,
            is_own: false,
            ..self.plain(route)
        }
    }

    fn of_our_own(&self, route: &Route) -> RouteView {
        let upstreams = match (&self.services, &route.target) {
            (Own::There { upstreams, .. }, Target::Own) => upstreams.states().into_iter().map(Into::into).collect(),
            _ => Vec::new(),
        };
        RouteView { upstreams, ..self.plain(route) }
    }

    fn plain(&self, route: &Route) -> RouteView {
        RouteView {
            name: route.name.to_owned(),
            host: route.host.clone(),
            path: route.path.to_string(),
            methods: route.methods.iter().map(ToString::to_string).collect(),
            is_own: true,
            service: match route.target {
                Target::Own | Target::Usher => "usher",
                Target::Upstreams(_) => "",
                Target::ForwardAuth => "forward-auth",
                Target::Authorize | Target::Keys => "gateway",
            },
            auth: route.auth,
            roles: Vec::new(),
            scopes: Vec::new(),
            permissions: Vec::new(),
            limits: if self.settings.limits { route.limits.iter().map(written).collect() } else { Vec::new() },
            limits_writes_only: route.limits.iter().all(|limit| limit.writes_only) && !route.limits.is_empty(),
            timeout: None,
            body_limit: route.body_limit,
            retries: 0,
            upstreams: Vec::new(),
            traffic: self.history.of(route.name),
        }
    }
}

/// A limit as an operator would write it.
fn written(limit: &Limit) -> LimitSpec {
    let per = match limit.per {
        Per::Address => PerSpec::Ip,
        Per::User => PerSpec::User,
        Per::Route => PerSpec::Route,
    };
    LimitSpec { per, rate: rate(limit.every), burst: limit.burst }
}

/// How often something that comes once in `every` comes in the shortest period in which it does.
fn rate(every: Duration) -> String {
    let periods = [("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let millis = every.as_millis().max(1);
    let fits = periods.iter().find(|(_, period)| period % millis == 0);
    let (unit, period) = fits.unwrap_or(&("h", 3_600_000));
    format!("{}/{unit}", period / millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_an_operator_would() {
        for (millis, text) in [(20, "50/s"), (1_000, "1/s"), (6_000, "10/m"), (100, "10/s"), (3_600_000, "1/h")] {
            assert_eq!(rate(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn every_route_of_our_own_says_where_it_is() {
        let paths: Vec<String> = builtin::all().iter().map(|route| route.path.to_string()).collect();
        assert!(paths.contains(&"/api/v1/auth/login".to_owned()), "{paths:?}");
        assert!(paths.contains(&"/api/".to_owned()), "{paths:?}");
        assert!(paths.contains(&"/".to_owned()), "{paths:?}");
    }
}
