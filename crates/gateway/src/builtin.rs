//! Usher's own routes: which of its paths needs what. Whatever is not listed under `/api/` needs a
//! token: a call that somebody adds and forgets to list is closed, not open.

use std::sync::LazyLock;
use std::time::Duration;

use crate::limits::{Limit, Per};
use crate::route::{Kind, Path, Route, Target};
use crate::spec::AuthSpec;

/// The largest body of a request to Usher itself, in bytes.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// Guessing passwords: through the API and through the page it is one bucket.
const SIGN_IN: Limit = limit(1, 1_000, 60);
/// Making accounts.
const SIGN_UP: Limit = limit(2, 6_000, 30);
/// Refreshing.
const REFRESH: Limit = limit(3, 100, 300);
/// Guessing the password of a session that is signed in.
const PASSWORD: Limit = limit(4, 6_000, 20);
/// Everything else that changes something: far more than a person does, far less than a disk holds.
const WRITE: Limit = limit(5, 20, 500);

/// Sending pictures: each is some work.
const UPLOAD: Limit = limit(6, 2_000, 30);

/// The largest picture that is taken, in bytes.
const PICTURE_LIMIT: usize = 5 * 1024 * 1024;

/// The largest list of people to tell something, in bytes.
const LIST_LIMIT: usize = 5 * 1024 * 1024;

const fn limit(bucket: u64, every_ms: u64, burst: u32) -> Limit {
    Limit { bucket, per: Per::Address, every: Duration::from_millis(every_ms), burst, writes_only: true }
}

/// A call of a program.
fn call(name: &'static str, path: Path, auth: AuthSpec, limit: Option<Limit>) -> Route {
    Route { auth, limits: limit.into_iter().collect(), body_limit: BODY_LIMIT, ..Route::new(name, path, Target::Own) }
}

/// What a person looks at in a browser.
fn page(name: &'static str, path: Path, limit: Option<Limit>) -> Route {
    Route { kind: Kind::Page, ..call(name, path, AuthSpec::None, limit) }
}

fn exact(path: &str) -> Path {
    Path::exact(path)
}

fn prefix(path: &str) -> Path {
    Path::prefix(path)
}

/// First match wins.
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    use AuthSpec::{None as Public, Required};
    vec![
        call("me", exact("/api/v1/auth/me"), Required, None),
        call("register", exact("/api/v1/auth/register"), Public, Some(SIGN_UP)),
        call("login", exact("/api/v1/auth/login"), Public, Some(SIGN_IN)),
        call("accept_invitation", exact("/api/v1/auth/accept-invitation"), Public, Some(SIGN_UP)),
        call("magic_link", exact("/api/v1/auth/magic-link"), Public, Some(PASSWORD)),
        call("confirm_magic_link", exact("/api/v1/auth/magic-link/confirm"), Public, Some(SIGN_IN)),
        call("refresh", exact("/api/v1/auth/refresh"), Public, Some(REFRESH)),
        call("change_password", exact("/api/v1/auth/change-password"), Required, Some(PASSWORD)),
        Route { body_limit: PICTURE_LIMIT, ..call("avatar", exact("/api/v1/users/me/avatar"), Required, Some(UPLOAD)) },
        call("change_email", exact("/api/v1/users/me/email"), Required, Some(PASSWORD)),
        call("confirm_email", exact("/api/v1/auth/confirm-email-change"), Public, Some(PASSWORD)),
        call("verify_email", exact("/api/v1/auth/verify-email"), Public, Some(PASSWORD)),
        call("verify_email_code", exact("/api/v1/auth/verify-email/code"), Required, Some(PASSWORD)),
        call("resend_verification", exact("/api/v1/auth/verify-email/resend"), Public, Some(PASSWORD)),
        call("reset_password", exact("/api/v1/auth/reset-password"), Public, Some(PASSWORD)),
        call("confirm_reset", exact("/api/v1/auth/reset-password/confirm"), Public, Some(PASSWORD)),
        // People with an access token, and services with a token of their own; a list of many people is long.
        Route {
            takes_services: true,
            body_limit: LIST_LIMIT,
            ..call("send", exact("/api/v1/notifications/send"), Required, Some(WRITE))
        },
        Route { takes_services: true, ..call("sent", prefix("/api/v1/notifications/send/"), Required, Some(WRITE)) },
        // Services show a token of their own, which the calls themselves check: it is no user's.
        call("feed", prefix("/api/v1/feed/"), Public, None),
        call("signals", prefix("/api/v1/ssf/"), Public, None),
        call("api", prefix("/api/"), Required, Some(WRITE)),
        Route { target: Target::Authorize, ..call("authorize", prefix("/gateway/authorize"), Public, None) },
        Route { target: Target::Keys, ..call("gateway_keys", exact("/gateway/jwks.json"), Public, None) },
        // Where a verifier looks whose issuer is `…/gateway`.
        Route { target: Target::Keys, ..call("gateway_keys", exact("/gateway/.well-known/jwks.json"), Public, None) },
        call("well_known", prefix("/.well-known/"), Public, None),
        Route { kind: Kind::Health, ..call("health", prefix("/health/"), Public, None) },
        call("openapi", exact("/openapi.json"), Public, None),
        Route { kind: Kind::Asset, ..page("assets", prefix("/assets/"), None) },
        Route { kind: Kind::Picture, ..call("pictures", prefix("/avatars/"), Public, None) },
        // The picture, and the form around it.
        Route {
            body_limit: PICTURE_LIMIT + BODY_LIMIT,
            ..page("picture_page", exact("/account/picture"), Some(UPLOAD))
        },
        page("sign_in_page", exact("/sign-in"), Some(SIGN_IN)),
        page("sign_in_by_mail_page", exact("/sign-in/by-mail"), Some(PASSWORD)),
        page("sign_in_link_page", exact("/sign-in/link"), Some(SIGN_IN)),
        page("sign_up_page", exact("/sign-up"), Some(SIGN_UP)),
        page("invitation_page", exact("/invitation"), Some(SIGN_UP)),
        page("setup_page", exact("/setup"), Some(SIGN_UP)),
        page("password_page", exact("/account/password"), Some(PASSWORD)),
        page("email_page", exact("/account/email"), Some(PASSWORD)),
        page("confirm_email_page", exact("/account/email/confirm"), Some(PASSWORD)),
        page("verify_page", exact("/verify"), Some(PASSWORD)),
        page("verify_page", prefix("/verify/"), Some(PASSWORD)),
        page("verify_account_page", prefix("/account/verify/"), Some(PASSWORD)),
        page("reset_page", exact("/reset"), Some(PASSWORD)),
        page("reset_page", prefix("/reset/"), Some(PASSWORD)),
        Route { kind: Kind::Inbox, ..page("development_inbox", prefix("/dev/inbox/"), Some(WRITE)) },
        Route { kind: Kind::Mail, ..page("development_mail", prefix("/dev/mail/"), Some(WRITE)) },
        Route { kind: Kind::Inbox, ..page("templates", prefix("/admin/templates/"), Some(WRITE)) },
        Route { kind: Kind::Mail, ..page("template_preview", prefix("/admin/mail/"), Some(WRITE)) },
        page("pages", prefix("/"), Some(WRITE)),
    ]
});

/// Where an operator's route may not go on Usher's own host: these are, or may become, its own.
const RESERVED: [&str; 20] = [
    "/account",
    "/admin",
    "/api",
    "/assets",
    "/avatars",
    "/dev",
    "/docs",
    "/gateway",
    "/health",
    "/invitation",
    "/inbox",
    "/openapi.json",
    "/reset",
    "/setup",
    "/sign-in",
    "/sign-out",
    "/sign-up",
    "/unsubscribe",
    "/verify",
    "/.well-known",
];

/// All of them, in the order in which they are tried.
pub(crate) fn all() -> &'static [Route] {
    &ROUTES
}

/// Usher's own route for a path.
pub(crate) fn of(path: &str) -> &'static Route {
    // The last one takes every path.
    ROUTES.iter().find(|route| route.path.matches(path)).unwrap_or(&ROUTES[ROUTES.len() - 1])
}

/// Whether a path is, or lies above, one of Usher's own.
pub(crate) fn is_reserved(path: &str) -> bool {
    path.trim_end_matches('/').is_empty()
        || RESERVED
            .iter()
            .any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
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
            "/api/v1/feedback",
        ] {
            assert_eq!(of(path).auth, AuthSpec::Required, "{path}");
        }
        for path in ["/api/v1/auth/login", "/.well-known/jwks.json", "/sign-in", "/"] {
            assert_eq!(of(path).auth, AuthSpec::None, "{path}");
        }
    }

    #[test]
    fn page_and_api_share_their_bucket() {
        let bucket = |path: &str| of(path).limits.first().map(|limit| limit.bucket);
        assert_eq!(bucket("/sign-in"), bucket("/api/v1/auth/login"));
        assert_eq!(bucket("/sign-up"), bucket("/api/v1/auth/register"));
        assert!(of("/sign-in").limits.iter().all(|limit| limit.writes_only));
    }

    #[test]
    fn reserved_paths_are_usher_s() {
        for path in ["/", "/api", "/api/", "/api/v1/quiz", "/gateway/x", "/sign-in", "/.well-known/x"] {
            assert!(is_reserved(path), "{path}");
        }
        for path in ["/quiz/", "/apis/", "/sign-inx", "/quiz/api/"] {
            assert!(!is_reserved(path), "{path}");
        }
    }
}
