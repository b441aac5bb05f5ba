//! What the pages behind one-time links have in common: the token leaves the address bar before anything is shown, and a
//! link that does not work is one and the same page whatever is wrong with it.

use std::sync::Arc;

use auth::LinkError;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use kernel::Problem;

use crate::Pages;
use crate::browser;
use crate::entry::see_other;

/// From the link in a mail to its page: the token goes into a cookie, so that it is in no history, no bookmark and no
/// `Referer`. The caller has looked whether it is good; to look at a link changes nothing, because mail filters do.
pub fn out_of_the_address(pages: &Pages, page: &str, token: &str) -> Result<Response, Problem> {
    let mut response = see_other(page);
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, browser::link_cookie(token, pages.is_secure())?);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The token of the link that was opened last in this browser; empty if none was.
pub struct OpenedLink(pub String);

impl FromRequestParts<Arc<Pages>> for OpenedLink {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Self::Rejection> {
        Ok(Self(browser::link_token(&parts.headers, pages.is_secure()).unwrap_or_default()))
    }
}

/// On to what comes after a link that was used.
pub fn onward(pages: &Pages, address: &str) -> Result<Response, Problem> {
    let mut response = see_other(address);
    response.headers_mut().append(header::SET_COOKIE, browser::forget_link(pages.is_secure())?);
    Ok(response)
}

/// Used, too old, replaced, edited, for something else, or never ours: to whoever holds it, it is all the same.
pub fn dead() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "invalid_link",
        "This link no longer works",
        "A link works once, for a limited time, and only until a newer one is asked for. Nothing was changed. Ask for a new \
         one where you asked for this.",
    )
}

/// What a link that was not used is answered with.
pub fn failed(error: LinkError) -> Problem {
    match error {
        LinkError::InvalidToken => dead(),
        LinkError::Storage(cause) => cause.into(),
    }
}
