//! Reading JSON bodies strictly: unknown fields, wrong types, NUL characters, deep nesting and
//! broken text are each a 400 that says which, before any use case runs.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::Problem;

/// A JSON body of type `T`. Its type should be `#[serde(deny_unknown_fields)]`.
pub struct StrictJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body has to be JSON",
                "Send the body as JSON with `Content-Type: application/json`.",
            ));
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                too_large()
            } else {
                Problem::bad_request("incomplete_body", "The body ended before it was complete.")
            }
        })?;
        parse(&body).map(Self)
    }
}

/// 413 for a body over the limit of its route.
pub fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "The body is too large",
        "Send a smaller body: 64 KiB at most, and 5 MiB for pictures and lists of people to tell something.",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map_or("", str::trim);
    essence.eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let parsed = serde_json::from_slice(body).map_err(|error| explain(&error))?;
    // A NUL can only arrive escaped; a database would refuse it much later and less clearly.
    let escaped_nul = body.windows(6).any(|six| six == b"\\u0000");
    if escaped_nul && serde_json::from_slice(body).is_ok_and(|value| has_nul(&value)) {
        return Err(Problem::bad_request("nul_character", "Remove the NUL character (\\u0000) from the text."));
    }
    Ok(parsed)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn explain(error: &serde_json::Error) -> Problem {
    // serde's messages name fields and types of ours, and quote unknown field names and values of
    // theirs; only the position and the field are passed on, so a password never comes back.
    let text = error.to_string();
    let at = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data if text.starts_with("unknown field") => {
            let field = text.split('`').nth(1).unwrap_or_default();
            let field: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
            Problem::bad_request(
                "unknown_field",
                format!("Remove the field `{field}` ({at}): this call does not know it."),
            )
        }
        Category::Data if text.starts_with("missing field") => {
            let field = text.split('`').nth(1).unwrap_or_default();
            Problem::bad_request("missing_field", format!("Add the field `{field}`: this call needs it."))
        }
        Category::Data if text.starts_with("duplicate field") => {
            Problem::bad_request("duplicate_field", format!("A field stands twice ({at})."))
        }
        Category::Data => Problem::bad_request("wrong_type", format!("A value has the wrong type ({at}).")),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::bad_request("invalid_json", format!("The body is not valid JSON ({at})."))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(rename = "name")]
        _name: String,
    }

    fn code(body: &str) -> &'static str {
        parse::<Body>(body.as_bytes()).map_or_else(|problem| problem.code, |_| "ok")
    }

    #[test]
    fn each_kind_of_bad_body_has_its_code() {
        assert_eq!(code(r#"{"name":"Ann"}"#), "ok");
        assert_eq!(code(r#"{"name":"Ann","admin":true}"#), "unknown_field");
        assert_eq!(code(r#"{"name":7}"#), "wrong_type");
        assert_eq!(code(r#"{"name":"a","name":"b"}"#), "duplicate_field");
        assert_eq!(code("{}"), "missing_field");
        assert_eq!(code(r#"{"name":"a\u0000b"}"#), "nul_character");
        assert_eq!(code(r#"{"name":"a\\u0000b"}"#), "ok");
        assert_eq!(code("{\"name\":"), "invalid_json");
        assert_eq!(code(&"[".repeat(10_000)), "wrong_type");
        assert_eq!(code(&format!("{{\"name\":{}}}", "[".repeat(10_000))), "wrong_type");
    }

    #[test]
    fn a_value_is_never_quoted_back() {
        let problem = parse::<Body>(br#"{"name":{"secret-password":1}}"#).unwrap_err();
        assert!(!problem.detail.contains("secret-password"));
    }
}
