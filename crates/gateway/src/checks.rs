//! Whether a request may go on: its limits, and who asks.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use kernel::{Problem, UserId};
use verify::Claims;

use crate::gateway::{Gateway, Visit};
use crate::identity::{self, Identity};
use crate::limits::Limit;
use crate::refusals::{self, refused, too_many};
use crate::route::{Met, Route, forbidden};
use crate::spec::AuthSpec;

impl Gateway {
    /// Limits and token, in the order in which they cost us.
    pub(crate) fn check(
        &self,
        route: &Route,
        parts: &Parts,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Arc<Claims>>, Problem> {
        self.limit(route, &parts.method, None, visit)?;
        let claims = self.who(route, &parts.headers, visit)?;
        self.limit(route, &parts.method, Some(claims.as_deref()), visit)?;
        Ok(claims)
    }

    /// Who asks, if they may.
    pub(crate) fn who(
        &self,
        route: &Route,
        headers: &HeaderMap,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Arc<Claims>>, Problem> {
        if route.auth == AuthSpec::None {
            return Ok(None);
        }
        if route.takes_services && identity::shows_service(headers) {
            return Ok(None);
        }
        let claims = match identity::of(headers, &self.verifier, self.clock.now()) {
            Identity::Known(claims) => claims,
            Identity::Unknown if route.auth == AuthSpec::Optional => return Ok(None),
            Identity::Unknown => return Err(self.refuse(visit, "no_token", Problem::unauthenticated())),
            Identity::Refused(reason) => {
                visit.has_bad_token = true;
                return Err(self.refuse(visit, reason.as_str(), refused(reason)));
            }
        };
        visit.entry.user = claims.sub.parse().ok();
        match route.needs.are_met_by(&claims, &self.settings.roles) {
            Met::Yes => Ok(Some(claims)),
            Met::No => Err(self.refuse(visit, "forbidden", forbidden())),
            Met::Unknown => Err(self.refuse(visit, "not_ready", refusals::roles_unknown())),
        }
    }

    /// Takes a token from each bucket of the route: those of addresses first, before anybody knows who
    /// asks, and the others when it is known.
    #[expect(clippy::option_option, reason = "not known yet, known to be nobody, or known")]
    pub(crate) fn limit(
        &self,
        route: &Route,
        method: &Method,
        known: Option<Option<&Claims>>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Problem> {
        if !self.settings.limits {
            return Ok(());
        }
        let user: Option<UserId> = known.flatten().and_then(|claims| claims.sub.parse().ok());
        let due =
            |limit: &&Limit| limit.is_for_strangers() == known.is_none() && !(limit.writes_only && method.is_safe());
        for limit in route.limits.iter().filter(due) {
            if let Err(wait) = self.limits.take(limit, visit.client, user) {
                return Err(self.refuse(visit, "rate_limit", too_many(wait)));
            }
        }
        Ok(())
    }

    /// Notes why a request is refused.
    pub(crate) fn refuse(&self, visit: &mut Visit<'_>, reason: &'static str, problem: Problem) -> Problem {
        visit.entry.refused = Some(reason);
        self.metrics.refused(visit.entry.route, reason);
        problem
    }
}
