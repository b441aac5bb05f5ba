//! Which path needs what. Whatever is not listed under `/api/` needs a token: a call that somebody
//! adds and forgets to list is closed, not open.

use axum::http::Method;

/// Whether a route needs an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It does.
    Required,
    /// It does not.
    Public,
}

/// A token bucket for each client address: `burst` at once, then one every `every_ms`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Distinguishes the buckets; routes that do the same share one.
    pub(crate) bucket: u8,
    pub(crate) every_ms: u64,
    pub(crate) burst: u64,
}

/// A kind of path.
#[derive(Debug)]
pub(crate) struct Route {
    /// For logs and metrics.
    pub(crate) name: &'static str,
    path: Path,
    pub(crate) access: Access,
    /// For methods that change something.
    limit: Option<Limit>,
}

#[derive(Debug)]
enum Path {
    Exact(&'static str),
    Prefix(&'static str),
}

/// Guessing passwords: through the API and through the page it is one bucket.
const SIGN_IN: Limit = Limit { bucket: 1, every_ms: 1_000, burst: 60 };
/// Making accounts.
const SIGN_UP: Limit = Limit { bucket: 2, every_ms: 6_000, burst: 30 };
/// Refreshing.
const REFRESH: Limit = Limit { bucket: 3, every_ms: 100, burst: 300 };
/// Guessing the password of a session that is signed in.
const PASSWORD: Limit = Limit { bucket: 4, every_ms: 6_000, burst: 20 };

/// Everything else that changes something: far more than a person does, far less than a disk holds.
const WRITE: Limit = Limit { bucket: 5, every_ms: 20, burst: 500 };

const fn route(name: &'static str, path: Path, access: Access, limit: Option<Limit>) -> Route {
    Route { name, path, access, limit }
}

/// First match wins.
static ROUTES: [Route; 15] = [
    route("register", Path::Exact("/api/v1/auth/register"), Access::Public, Some(SIGN_UP)),
    route("login", Path::Exact("/api/v1/auth/login"), Access::Public, Some(SIGN_IN)),
    route("refresh", Path::Exact("/api/v1/auth/refresh"), Access::Public, Some(REFRESH)),
    route("change_password", Path::Exact("/api/v1/auth/change-password"), Access::Required, Some(PASSWORD)),
    route("me", Path::Exact("/api/v1/auth/me"), Access::Required, None),
    route("api", Path::Prefix("/api/"), Access::Required, Some(WRITE)),
    route("well_known", Path::Prefix("/.well-known/"), Access::Public, None),
    route("health", Path::Prefix("/health/"), Access::Public, None),
    route("openapi", Path::Exact("/openapi.json"), Access::Public, None),
    route("assets", Path::Prefix("/assets/"), Access::Public, None),
    route("sign_in_page", Path::Exact("/sign-in"), Access::Public, Some(SIGN_IN)),
    route("sign_up_page", Path::Exact("/sign-up"), Access::Public, Some(SIGN_UP)),
    route("setup_page", Path::Exact("/setup"), Access::Public, Some(SIGN_UP)),
    route("password_page", Path::Exact("/account/password"), Access::Public, Some(PASSWORD)),
    route("pages", Path::Prefix("/"), Access::Public, Some(WRITE)),
];

impl Route {
    /// The route of a path.
    pub(crate) fn of(path: &str) -> &'static Self {
        let found = ROUTES.iter().find(|route| match route.path {
            Path::Exact(exact) => path == exact,
            Path::Prefix(prefix) => path.starts_with(prefix),
        });
        // `*` of `OPTIONS *` is no path; it gets the strictest treatment there is.
        found.unwrap_or(&ROUTES[5])
    }

    /// The limit for this method: looking costs nothing.
    pub(crate) fn limit_for(&self, method: &Method) -> Option<&Limit> {
        self.limit.as_ref().filter(|_| !method.is_safe())
    }

    /// Whether people look at it in a browser.
    pub(crate) fn is_page(&self) -> bool {
        self.access == Access::Public
            && !matches!(self.name, "register" | "login" | "refresh" | "well_known" | "health" | "openapi")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_under_api_needs_a_token() {
        for path in [
            "/api/v1/users/me",
            "/api/v2/anything",
            "/api/v1/auth/register/",
            "/api/v1/auth/loginx",
            "/api/v1//auth/login",
            "*",
        ] {
            assert_eq!(Route::of(path).access, Access::Required, "{path}");
        }
        for path in ["/api/v1/auth/login", "/.well-known/jwks.json", "/sign-in", "/"] {
            assert_eq!(Route::of(path).access, Access::Public, "{path}");
        }
    }

    #[test]
    fn page_and_api_share_their_bucket() {
        let bucket = |path: &str| Route::of(path).limit_for(&Method::POST).map(|limit| limit.bucket);
        assert_eq!(bucket("/sign-in"), bucket("/api/v1/auth/login"));
        assert_eq!(bucket("/sign-up"), bucket("/api/v1/auth/register"));
        assert!(Route::of("/sign-in").limit_for(&Method::GET).is_none());
    }
}
