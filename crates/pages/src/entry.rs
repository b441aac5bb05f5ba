//! Coming in: where a visitor goes first, and what a browser is given once somebody is signed in.

use std::sync::Arc;

use auth::{Client, Opened, SessionKind};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::{Problem, RequestContext};

use crate::Pages;
use crate::browser::{self, MaybeVisitor};
use crate::return_address::ReturnAddress;

/// `GET /`
pub async fn home(State(_): State<Arc<Pages>>, MaybeVisitor(visitor): MaybeVisitor) -> Response {
    see_other(if visitor.is_some() { "/account" } else { "/sign-in" })
}

/// After a form, the browser gets the next page with `GET`, so that going back and reloading send
/// nothing twice (RFC 9110 §15.4.4). Every caller passes an address of ours.
pub fn see_other(address: &str) -> Response {
    let location = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("/"));
    let keep = HeaderValue::from_static("no-store");
    (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::CACHE_CONTROL, keep)]).into_response()
}

/// A page that says "not now", with when there will be room again.
pub fn retry_soon(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// Who is asking, for the session that a sign-in opens.
pub fn client(context: &RequestContext, keep: bool) -> Client {
    Client {
        ip: context.client_ip,
        user_agent: context.user_agent.clone(),
        device_name: None,
        kind: SessionKind::Browser,
        keep,
    }
}

/// The browser's cookies for a new session (with `keep`, until after the window is closed), and on to where its owner wanted to go.
///
/// A session that was open on this browser is ended first: a session id from before a sign-in must be
/// worth nothing after it (ASVS 5.0 §7.2.4).
pub async fn admit(
    pages: &Pages,
    opened: &Opened,
    before: MaybeVisitor,
    keep: bool,
    next: Option<&ReturnAddress>,
) -> Result<Response, Problem> {
    if let MaybeVisitor(Some(before)) = before {
        auth::sign_out(&pages.auth, before.account.id, before.session.id).await?;
    }
    let secure = pages.is_secure();
    let session = auth::browser::session_cookie(&pages.auth, &opened.session);
    let device = auth::browser::device_cookie(&pages.auth, opened);
    let mut response = see_other(next.map_or("/account", ReturnAddress::as_str));
    let headers = response.headers_mut();
    let kept_days = keep.then_some(pages.auth.settings().session_days);
    headers.append(header::SET_COOKIE, browser::session_cookie(&session, kept_days, secure)?);
    headers.append(header::SET_COOKIE, browser::device_cookie(&device, secure)?);
    Ok(response)
}
