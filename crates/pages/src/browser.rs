//! Cookies, and who they say is there.

use std::sync::Arc;

use auth::Session;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Problem, secret};
use users::Account;

use crate::Pages;
use crate::csrf::Binding;
use crate::entry::see_other;
use crate::return_address::ReturnAddress;

/// The cookies there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Who is signed in.
    Session,
    /// That somebody signed in here before: strangers' failures do not lock this browser out.
    Device,
    /// What forms of signed-out pages are bound to.
    Form,
    /// The one-time link that was opened last.
    Link,
}

/// The longest that browsers keep a cookie (RFC 6265bis §5.5).
const DEVICE_SECONDS: u32 = 400 * 24 * 60 * 60;
/// From opening a link to pressing its button. A form that is shown has the token in itself.
const LINK_SECONDS: u32 = 60 * 60;

impl Cookie {
    /// `__Host-` makes a browser refuse the cookie unless it is `Secure`, for this host alone and for
    /// all of it, so that no neighbouring host can plant one (RFC 6265bis §4.1.3.2). Without https, which
    /// is for development on one's own machine only, it cannot be had.
    const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-usher_session",
            (Self::Session, false) => "usher_session",
            (Self::Device, true) => "__Host-usher_device",
            (Self::Device, false) => "usher_device",
            (Self::Form, true) => "__Host-usher_form",
            (Self::Form, false) => "usher_form",
            (Self::Link, true) => "__Host-usher_link",
            (Self::Link, false) => "usher_link",
        }
    }

    fn with(self, value: &str, max_age: Option<u32>, secure: bool) -> Result<HeaderValue, Problem> {
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let flag = if secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{max_age}{flag}", self.name(secure));
        HeaderValue::try_from(text).map_err(|cause| {
            tracing::error!(%cause, cookie = ?self, "a cookie cannot be sent");
            Problem::internal()
        })
    }

    /// What this browser sent by this name.
    fn find(self, headers: &HeaderMap, secure: bool) -> Option<String> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == self.name(secure) && !value.is_empty())
            .map(|(_, value)| value.to_owned())
    }
}

/// The cookie for a session: until the browser closes, or kept for so many days.
pub fn session_cookie(value: &str, kept_days: Option<u32>, secure: bool) -> Result<HeaderValue, Problem> {
    Cookie::Session.with(value, kept_days.map(|days| days * 24 * 60 * 60), secure)
}

/// The cookie that gives this browser its own count of failures.
pub fn device_cookie(value: &str, secure: bool) -> Result<HeaderValue, Problem> {
    Cookie::Device.with(value, Some(DEVICE_SECONDS), secure)
}

/// The cookie that carries the token of a link from the address to the page.
pub fn link_cookie(token: &str, secure: bool) -> Result<HeaderValue, Problem> {
    Cookie::Link.with(token, Some(LINK_SECONDS), secure)
}

/// The token of the link that was opened last.
pub fn link_token(headers: &HeaderMap, secure: bool) -> Option<String> {
    Cookie::Link.find(headers, secure)
}

/// Tells the browser to forget the link that was opened last.
pub fn forget_link(secure: bool) -> Result<HeaderValue, Problem> {
    Cookie::Link.with("", Some(0), secure)
}

/// Tells the browser to forget the session and what its forms were bound to. The device cookie stays: the
/// owner is still the owner of this browser.
pub fn forget(secure: bool) -> Result<[HeaderValue; 2], Problem> {
    Ok([Cookie::Session.with("", Some(0), secure)?, Cookie::Form.with("", Some(0), secure)?])
}

/// The device cookie that came with a request.
pub struct KnownDevice(pub Option<String>);

impl FromRequestParts<Arc<Pages>> for KnownDevice {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Self::Rejection> {
        Ok(Self(Cookie::Device.find(&parts.headers, pages.is_secure())))
    }
}

/// The binding for forms of a signed-out page that is about to be shown.
pub struct FormToken {
    /// The token to put into the form.
    pub token: String,
    new: Option<String>,
    secure: bool,
}

impl FormToken {
    /// The page, with the form cookie if this browser had none.
    pub fn bind(self, mut page: Response) -> Result<Response, Problem> {
        if let Some(value) = self.new {
            page.headers_mut().append(header::SET_COOKIE, Cookie::Form.with(&value, None, self.secure)?);
        }
        Ok(page)
    }
}

impl FromRequestParts<Arc<Pages>> for FormToken {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Self::Rejection> {
        let secure = pages.is_secure();
        let (value, is_new) = match Cookie::Form.find(&parts.headers, secure) {
            Some(value) => (value, false),
            None => (URL_SAFE_NO_PAD.encode(secret::random_bytes::<32>()), true),
        };
        let token = Binding::Browser(&value).token(pages.auth.cookie_key());
        Ok(Self { token, new: is_new.then_some(value), secure })
    }
}

/// The value that this browser's signed-out forms are bound to.
pub fn form_value(headers: &HeaderMap, secure: bool) -> Option<String> {
    Cookie::Form.find(headers, secure)
}

/// The value that this browser's signed-out forms are bound to: which browser it is, as long as its window is open.
pub struct FormCookie(pub Option<String>);

impl FromRequestParts<Arc<Pages>> for FormCookie {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Self::Rejection> {
        Ok(Self(form_value(&parts.headers, pages.is_secure())))
    }
}

/// Somebody who is signed in on this browser. A handler that takes one does not run for anybody else:
/// they are sent to sign in first.
pub struct Visitor {
    /// Whose account.
    pub account: Account,
    /// Which session.
    pub session: Session,
}

impl FromRequestParts<Arc<Pages>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Response> {
        match MaybeVisitor::from_request_parts(parts, pages).await {
            Ok(MaybeVisitor(Some(visitor))) => Ok(visitor),
            Ok(MaybeVisitor(None)) => Err(sign_in_first(parts)),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

/// To the sign-in page and back. Only a page can be come back to; a form has to be filled in again; and a script that
/// listens to events is told not to come again (HTML §9.2, 204).
fn sign_in_first(parts: &Parts) -> Response {
    if parts.headers.get(header::ACCEPT).is_some_and(|accepts| accepts == "text/event-stream") {
        return StatusCode::NO_CONTENT.into_response();
    }
    let wanted = parts.uri.path_and_query().filter(|_| parts.method == Method::GET);
    let next = wanted.and_then(|address| ReturnAddress::parse(address.as_str()));
    see_other(&format!("/sign-in{}", next.map(|next| next.as_query()).unwrap_or_default()))
}

/// Who is signed in on this browser, if anybody is.
pub struct MaybeVisitor(pub Option<Visitor>);

impl FromRequestParts<Arc<Pages>> for MaybeVisitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Problem> {
        let Some(cookie) = Cookie::Session.find(&parts.headers, pages.is_secure()) else { return Ok(Self(None)) };
        let found = auth::browser::find(&pages.auth, &cookie).await?;
        Ok(Self(found.map(|(account, session)| Visitor { account, session })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Cookie; 4] = [Cookie::Session, Cookie::Device, Cookie::Form, Cookie::Link];

    #[test]
    fn s6_over_https_every_cookie_is_for_this_host_and_out_of_reach_of_scripts() {
        for cookie in ALL {
            let text = cookie.with("value", None, true).unwrap();
            let text = text.to_str().unwrap();
            assert!(text.starts_with("__Host-usher_"), "{text}");
            for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
                assert_eq!(text.matches(part).count(), 1, "{text}");
            }
            assert!(!text.to_ascii_lowercase().contains("domain"), "{text}");
            assert!(text.len() <= 4096);
        }
    }

    #[test]
    fn s6_over_http_a_cookie_cannot_claim_to_be_secure() {
        for cookie in ALL {
            let text = cookie.with("value", None, false).unwrap();
            let text = text.to_str().unwrap();
            assert!(
                text.starts_with("usher_") && text.contains("; HttpOnly; SameSite=Lax") && !text.contains("Secure"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_session_lasts_until_the_browser_closes_unless_it_is_kept() {
        assert!(!session_cookie("v", None, true).unwrap().to_str().unwrap().contains("Max-Age"));
        assert!(session_cookie("v", Some(30), true).unwrap().to_str().unwrap().contains("; Max-Age=2592000;"));
        assert!(device_cookie("v", true).unwrap().to_str().unwrap().contains("; Max-Age=34560000;"));
        for gone in forget(true).unwrap() {
            assert!(gone.to_str().unwrap().contains("=; ") && gone.to_str().unwrap().contains("; Max-Age=0;"));
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; usher_session=plain; __Host-usher_session2=no"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-usher_session=a=b ;c=d"));
        assert_eq!(Cookie::Session.find(&headers, true).as_deref(), Some("a=b"));
        assert_eq!(Cookie::Session.find(&headers, false).as_deref(), Some("plain"));
        assert_eq!(Cookie::Form.find(&headers, true), None);
    }
}
