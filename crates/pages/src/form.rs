//! Forms, once it is clear that a page of ours sent them.

use std::sync::Arc;

use axum::Form;
use axum::body::Bytes;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::Problem;

use crate::Pages;
use crate::browser::{self, Visitor};
use crate::csrf::{self, Binding};

/// What a form without files is sent as.
const URL_ENCODED: &str = "application/x-www-form-urlencoded";

/// Names and values, as typed. A name that is missing has the empty text.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of the first field of this name.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// The values of all fields of this name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Reads what stands behind the `?` of an address; nothing if it cannot be.
    pub fn of_query(text: &str) -> Option<Self> {
        let address = format!("/?{text}").parse().ok()?;
        Query::try_from_uri(&address).ok().map(|Query(pairs)| Self(pairs))
    }

    /// All names and values, in their order.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Whether a box of this name was ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }
}

/// What stands behind the `?` of an address.
impl<S: Sync> FromRequestParts<S> for Fields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Problem::bad_request("invalid_query", "The part after the question mark cannot be read."))?;
        Ok(Self(pairs))
    }
}

/// A form of a page for people who are not signed in.
pub struct SignedOutForm(pub Fields);

impl FromRequest<Arc<Pages>> for SignedOutForm {
    type Rejection = Problem;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Problem> {
        check_sender(request.headers(), pages, URL_ENCODED)?;
        let value = browser::form_value(request.headers(), pages.is_secure());
        let fields = read(request).await?;
        let ours = value
            .is_some_and(|value| Binding::Browser(&value).accepts(pages.auth.cookie_key(), fields.text(csrf::FIELD)));
        if ours { Ok(Self(fields)) } else { Err(forged(pages)) }
    }
}

/// A form of a page for somebody who is signed in.
pub struct SignedInForm {
    /// Who sent it.
    pub visitor: Visitor,
    /// What it says.
    pub fields: Fields,
}

impl FromRequest<Arc<Pages>> for SignedInForm {
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Response> {
        receive(request, pages, |_| Ok(())).await
    }
}

/// A form with a file in it, of somebody who is signed in.
pub struct SignedInUpload {
    /// Who sent it.
    pub visitor: Visitor,
    /// What was in the file; nothing if none was chosen.
    pub file: Bytes,
}

impl FromRequest<Arc<Pages>> for SignedInUpload {
    type Rejection = Response;

    /// The token comes first in our forms, so nothing of the file is read before it is known to be ours.
    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Response> {
        check_sender(request.headers(), pages, "multipart/form-data").map_err(Problem::into_response)?;
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, pages).await?;
        let ours = Binding::Session(visitor.session.id);
        let file = read_upload(Request::from_parts(parts, body), |token| ours.accepts(pages.auth.cookie_key(), token));
        match file.await {
            Ok(Some(file)) => Ok(Self { visitor, file }),
            Ok(None) => Err(forged(pages).into_response()),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

/// The file of a form whose first field is a token that is accepted; nothing if it is not.
async fn read_upload(request: Request, accepts: impl FnOnce(&str) -> bool) -> Result<Option<Bytes>, Problem> {
    let broken = |_| Problem::bad_request("incomplete_body", "The body ended before it was complete.");
    let unreadable = |_| Problem::bad_request("incomplete_body", "The form cannot be read.");
    let mut form = Multipart::from_request(request, &()).await.map_err(unreadable)?;
    let Some(first) = form.next_field().await.map_err(broken)? else { return Ok(None) };
    if first.name() != Some(csrf::FIELD) || !accepts(&first.text().await.map_err(broken)?) {
        return Ok(None);
    }
    match form.next_field().await.map_err(broken)? {
        Some(file) => file.bytes().await.map(Some).map_err(broken),
        None => Ok(Some(Bytes::new())),
    }
}

/// Reads a form of somebody who is signed in and who `may` send it: of others nothing is read.
pub async fn receive(
    request: Request,
    pages: &Arc<Pages>,
    may: impl FnOnce(&Visitor) -> Result<(), Problem>,
) -> Result<SignedInForm, Response> {
    check_sender(request.headers(), pages, URL_ENCODED).map_err(Problem::into_response)?;
    let (mut parts, body) = request.into_parts();
    let visitor = Visitor::from_request_parts(&mut parts, pages).await?;
    may(&visitor).map_err(Problem::into_response)?;
    let fields = read(Request::from_parts(parts, body)).await.map_err(Problem::into_response)?;
    let ours = Binding::Session(visitor.session.id).accepts(pages.auth.cookie_key(), fields.text(csrf::FIELD));
    if ours { Ok(SignedInForm { visitor, fields }) } else { Err(forged(pages).into_response()) }
}

/// Refuses what no form of ours sends, before anything is read.
///
/// Of the three content types that a foreign page's form can have, `text/plain` can spell anything; only
/// the one that carries our token in this form is let in.
fn check_sender(headers: &HeaderMap, pages: &Pages, expected: &str) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(expected) && csrf::is_from(&pages.origin, headers) {
        Ok(())
    } else {
        Err(forged(pages))
    }
}

fn forged(pages: &Pages) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "csrf_failed",
        "The form was not sent by its own page",
        format!(
            "It was open for too long, or it came from another address. Nothing was changed. Open the page again at {}, \
             with cookies allowed, and send the form from there.",
            pages.origin
        ),
    )
}

async fn read(request: Request) -> Result<Fields, Problem> {
    let Form(pairs) =
        Form::<Vec<(String, String)>>::from_request(request, &()).await.map_err(|rejection| unreadable(&rejection))?;
    if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(Problem::bad_request("nul_character", "Remove the NUL character from the text."));
    }
    Ok(Fields(pairs))
}

fn unreadable(rejection: &FormRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        kernel::json::too_large()
    } else {
        Problem::bad_request("incomplete_body", "The body ended before it was complete.")
    }
}
