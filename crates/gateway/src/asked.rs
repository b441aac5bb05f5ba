//! What a request asks for: host, path and method, read once and strictly. Every decision is made on
//! this, and nothing else of the request can change it (no `X-Forwarded-…`, no `X-Original-URL`, no
//! method override).

use std::borrow::Cow;

use axum::http::header::{HOST, HeaderValue};
use axum::http::{Method, Request, StatusCode, Uri};
use kernel::Problem;

use crate::server::MAX_HEAD;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked<'r> {
    /// In lower case, without port and without a dot at the end.
    pub(crate) host: Cow<'r, str>,
    /// As everybody will read it: decoded. What goes on is what came.
    pub(crate) path: Cow<'r, str>,
    pub(crate) method: &'r Method,
}

impl<'r> Asked<'r> {
    /// Reads a request's head.
    pub(crate) fn of<B>(request: &'r Request<B>) -> Result<Self, Problem> {
        refuse_large_head(request)?;
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        if more.is_some() {
            return Err(bad_host());
        }
        let host = host.map(HeaderValue::to_str).transpose().map_err(|_| bad_host())?;
        // In absolute form, and in HTTP/2, the address names a host too: two would be two answers.
        let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let host = match (authority, host) {
            (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => return Err(bad_host()),
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => return Err(bad_host()),
        };
        Self::new(host, request.uri(), request.method())
    }

    /// The same from parts that somebody trusted has told us.
    pub(crate) fn new(host: &'r str, uri: &'r Uri, method: &'r Method) -> Result<Self, Problem> {
        if !is_known(method) {
            return Err(not_this_method());
        }
        let path = uri.path();
        if !crate::path::is_plain(path) {
            return Err(Problem::bad_request(
                "bad_path",
                "Write the path plainly: no empty or dot segments, no semicolon, no encoded slash, dot or percent sign.",
            ));
        }
        Ok(Self { host: plain_host(host).ok_or_else(bad_host)?, path: crate::path::read(path), method })
    }
}

/// The server bounds what it reads, but by whole buffers: a head that comes in one piece may be longer.
fn refuse_large_head<B>(request: &Request<B>) -> Result<(), Problem> {
    let line = request.uri().path_and_query().map_or(0, |all| all.as_str().len());
    let size = request.headers().iter().fold(line, |size, (name, value)| size + name.as_str().len() + value.len() + 4);
    if size <= MAX_HEAD {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        "The head of the request is too large",
        "Send less in the address and the headers: 32 KiB together at most.",
    ))
}

/// The methods that mean something here. TRACE and CONNECT do not.
fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS
    )
}

/// A host for comparing: without its port, in lower case, without the dot at its end.
pub(crate) fn plain_host(host: &str) -> Option<Cow<'_, str>> {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            is_port(port).then_some(&host[..address.len() + 2])?
        }
        None => match host.split_once(':') {
            Some((name, port)) => port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)?,
            None => host,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    if name.is_empty() || name.len() > 253 || !name.bytes().all(fits) {
        return None;
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some(Cow::Owned(name.to_ascii_lowercase()))
    } else {
        Some(Cow::Borrowed(name))
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn bad_host() -> Problem {
    Problem::bad_request("bad_host", "Send one `Host`, the name or address that you connected to.")
}

/// 405. The methods that would do go into `Allow`.
pub(crate) fn not_this_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take that method",
        "Use one of the methods in the `Allow` header.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, uri: &str, hosts: &[&str]) -> Result<(String, String), u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(()).unwrap();
        Asked::of(&request)
            .map(|asked| (asked.host.into_owned(), asked.path.into_owned()))
            .map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn g7_one_host_in_any_spelling() {
        for host in ["Quiz.Example.com", "quiz.example.com.", "quiz.example.com:8443", "QUIZ.example.com.:80"] {
            assert_eq!(ask("GET", "/x", &[host]).unwrap().0, "quiz.example.com", "{host}");
        }
        assert_eq!(ask("GET", "/x", &["[::1]:80"]).unwrap().0, "[::1]");
        for wrong in ["", "a b", "a/b", "a,b", "a:b", "[::1", "[x]", "[::1]x", "é", ":80", "a@b"] {
            assert_eq!(ask("GET", "/x", &[wrong]), Err(400), "{wrong}");
        }
        assert_eq!(ask("GET", "/x", &[]), Err(400));
        assert_eq!(ask("GET", "/x", &["a", "a"]), Err(400));
    }

    #[test]
    fn g2_absolute_form_has_to_agree_with_the_host() {
        assert_eq!(ask("GET", "http://a.example/x", &["A.example"]).unwrap(), ("a.example".into(), "/x".into()));
        assert_eq!(ask("GET", "http://a.example/x", &["b.example"]), Err(400));
        assert_eq!(ask("GET", "http://a.example/../x", &["a.example"]), Err(400));
        assert_eq!(ask("OPTIONS", "*", &["a.example"]), Err(400));
    }

    #[test]
    fn g8_only_methods_that_mean_something() {
        for method in ["TRACE", "CONNECT", "PROPFIND", "get", "X"] {
            assert_eq!(ask(method, "/x", &["a.example"]), Err(405), "{method}");
        }
        assert!(ask("PATCH", "/x", &["a.example"]).is_ok());
    }
}
