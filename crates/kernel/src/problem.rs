//! What goes wrong, as a client sees it: problem documents (RFC 9457) with a stable `code`.
//!
//! A handler returns a [`Problem`]; the gateway writes the document, because only it knows the
//! request's id and whether a person or a program is asking. What an operator needs to know is
//! logged where the failure was handled and is not in here.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One field of the input that is wrong.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Its name in the request.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// What is wrong, for programs.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// A field error.
    pub fn new(field: impl Into<Cow<'static, str>>, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// A refusal or a failure.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// What it is, for programs; it never changes.
    pub code: &'static str,
    /// What it is, for people, the same for every occurrence.
    pub title: &'static str,
    /// What to do about this occurrence.
    pub detail: Cow<'static, str>,
    /// The fields at fault.
    pub errors: Vec<FieldError>,
    /// After how many seconds trying again makes sense.
    pub retry_after: Option<u32>,
}

/// The document as it goes out (RFC 9457 §3).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// A link to the explanation of this code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, for people.
    pub title: &'a str,
    /// The HTTP status again.
    pub status: u16,
    /// What to do.
    pub detail: &'a str,
    /// What it is, for programs.
    pub code: &'a str,
    /// The `X-Request-Id` of the answer.
    pub request_id: &'a str,
    /// The fields at fault.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// A problem of one's own.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// 400: the body or the address is not of the right form.
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request is malformed", detail)
    }

    /// 422: well-formed, but some fields cannot be accepted.
    pub fn invalid_input(errors: Vec<FieldError>) -> Self {
        let detail =
            errors.first().map_or(Cow::Borrowed("Correct the fields named in `errors`."), |e| e.message.clone());
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", "Some fields need another look", detail)
        }
    }

    /// 401: no token, or none that is good any more.
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Sign in first",
            "Send a valid access token as `Authorization: Bearer …`. Refresh it if it has expired.",
        )
    }

    /// 404: nothing there, or nothing for this caller.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "There is nothing at this address for you.")
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, retry_after: u32) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "Not available right now", detail)
        }
    }

    /// 500: our fault. The reference leads an operator to the log line.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something failed on our side",
            "Quote the request id when you report this.",
        )
    }

    /// The document for a request of this id.
    pub fn document<'a>(&'a self, request_id: &'a str) -> ProblemDocument<'a> {
        ProblemDocument {
            kind: format!("/docs/problems#{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
