//! Signing out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use kernel::Problem;

use crate::entry::see_other;
use crate::form::SignedInForm;
use crate::{Pages, browser};

/// `POST /sign-out`
///
/// The browser also drops the pages that it kept, so that nobody finds them with the back button
/// (ASVS 5.0 §14.3.1).
pub async fn submit(State(pages): State<Arc<Pages>>, form: SignedInForm) -> Result<Response, Problem> {
    auth::sign_out(&pages.auth, form.visitor.account.id, form.visitor.session.id).await?;
    let mut response = see_other("/sign-in");
    let headers = response.headers_mut();
    for gone in browser::forget(pages.is_secure())? {
        headers.append(header::SET_COOKIE, gone);
    }
    headers.insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}
