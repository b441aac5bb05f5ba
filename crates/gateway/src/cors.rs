//! Cross-origin resource sharing (Fetch §3.2): which other origins may use a route from a browser.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use axum::http::{HeaderMap, Method, Response, StatusCode};

use crate::spec::CorsSpec;

/// Request headers that every cross-origin use needs.
const ALWAYS: &str = "authorization, content-type";

/// A route's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    /// Exactly as browsers write them: an origin that only begins or ends like one of these is another.
    origins: Vec<HeaderValue>,
    credentials: bool,
    headers: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    /// Reads the rules, or says what is wrong with them.
    pub(crate) fn read(spec: &CorsSpec) -> Result<Self, String> {
        if spec.origins.is_empty() {
            return Err("`cors.origins` is empty: name the origins, like https://app.example.com".into());
        }
        let origins = spec.origins.iter().map(|origin| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_origin = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', ' ']));
            if !is_origin || origin.chars().any(|c| c.is_ascii_uppercase()) {
                return Err(format!(
                    "`cors.origins` has `{origin}`: write it as browsers do, like https://app.example.com (no path, no `*`)"
                ));
            }
            HeaderValue::from_str(origin).map_err(|_| format!("`cors.origins` has `{origin}`, which is no origin"))
        });
        let origins = origins.collect::<Result<_, _>>()?;
        let more = spec.headers.iter().map(|name| name.to_ascii_lowercase());
        let listed = std::iter::once(ALWAYS.to_owned()).chain(more).collect::<Vec<_>>().join(", ");
        if let Some(wrong) = spec.headers.iter().find(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            return Err(format!("`cors.headers` has `{wrong}`, which is no header's name"));
        }
        let headers = HeaderValue::from_str(&listed).map_err(|_| "`cors.headers`".to_owned())?;
        let age = Duration::from_secs(u64::from(spec.max_age)).min(Duration::from_secs(86_400));
        Ok(Self { origins, credentials: spec.credentials, headers, max_age: HeaderValue::from(age.as_secs()) })
    }

    /// The answer to a browser that asks first; nothing if this is not such a question.
    pub(crate) fn preflight(&self, method: &Method, asked: &HeaderMap, methods: &[Method]) -> Option<Response<Body>> {
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| method == Method::OPTIONS)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.complete(origin_of(asked).as_ref(), response.headers_mut()) {
            let listed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            let allowed = if methods.is_empty() { Ok(wanted.clone()) } else { HeaderValue::from_str(&listed) };
            if let Ok(allowed) = allowed {
                response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, allowed);
            }
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        Some(response)
    }

    /// Puts into an answer what the asking origin may do with it. What the upstream says about that is
    /// taken out: there is one rule, and it stands in the route. Whether the origin is one of ours.
    pub(crate) fn complete(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) -> bool {
        for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
            answer.remove(name);
        }
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin.filter(|origin| self.origins.contains(origin)) else { return false };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after, etag"));
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }
}

/// The origin that asks, if it is one.
pub(crate) fn origin_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
    Some(origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(origins: &[&str]) -> Result<Cors, String> {
        Cors::read(&CorsSpec {
            origins: origins.iter().map(|&o| o.to_owned()).collect(),
            credentials: true,
            ..CorsSpec::default()
        })
    }

    #[test]
    fn s9_only_the_exact_origin_is_let_in() {
        let cors = rules(&["https://app.example.com", "http://localhost:3000"]).unwrap();
        let let_in = |origin: &str| {
            let mut asked = HeaderMap::new();
            asked.insert(ORIGIN, origin.parse().unwrap());
            let mut answer = HeaderMap::new();
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            let said = cors.complete(origin_of(&asked).as_ref(), &mut answer);
            assert_eq!(said, answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
            said
        };
        assert!(let_in("https://app.example.com") && let_in("http://localhost:3000"));
        for other in [
            "https://app.example.com.evil.io",
            "https://localhost.evil.io",
            "null",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://xapp.example.com",
            "https://APP.example.com",
            "",
        ] {
            assert!(!let_in(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_at_once() {
        for wrong in ["*", "https://*.example.com", "app.example.com", "https://a/", "https://A.example.com", ""] {
            assert!(rules(&[wrong]).is_err(), "{wrong}");
        }
        assert!(rules(&[]).is_err());
    }

    #[test]
    fn a_preflight_is_answered_and_a_plain_options_is_not() {
        let cors = rules(&["https://app.example.com"]).unwrap();
        let mut asked = HeaderMap::new();
        asked.insert(ORIGIN, HeaderValue::from_static("https://app.example.com"));
        assert!(cors.preflight(&Method::OPTIONS, &asked, &[]).is_none());
        asked.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        let answer = cors.preflight(&Method::OPTIONS, &asked, &[Method::GET]).unwrap();
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        asked.insert(ORIGIN, HeaderValue::from_static("https://evil.io"));
        let answer = cors.preflight(&Method::OPTIONS, &asked, &[]).unwrap();
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS));
    }
}
