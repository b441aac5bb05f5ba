//! What went wrong, for a person.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::Problem;

use crate::page;
use crate::shell::Shell;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    shell: Shell,
    words: Words<'a>,
    retry_after: Option<u32>,
}

struct Words<'a> {
    title: &'static str,
    heading: &'static str,
    advice: &'a str,
}

/// The page for a problem. The gateway asks for it instead of the JSON document when a person is at
/// the other end.
pub fn problem_page(problem: &Problem, request_id: &str) -> Response {
    let shell = Shell::new(request_id);
    let made = page(problem.status, &ErrorPage { shell, words: words(problem), retry_after: problem.retry_after });
    // If even this page fails, the status alone still says the truth.
    let mut response = made.unwrap_or_else(|_| problem.status.into_response());
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The problem's own title and detail are for programs and their makers, but for what only pages do.
fn words(problem: &Problem) -> Words<'_> {
    if let Some(words) = words_for_code(problem) {
        return words;
    }
    match problem.status {
        StatusCode::NOT_FOUND => Words {
            title: "Page not found",
            heading: "There’s nothing at this address",
            advice: "The link may be old, or a letter may have gone missing on the way. Nothing is wrong with your account.",
        },
        StatusCode::UNAUTHORIZED => Words {
            title: "Sign in first",
            heading: "Sign in to see this",
            advice: "This address is only for people who are signed in.",
        },
        StatusCode::FORBIDDEN => Words {
            title: "Not allowed",
            heading: "This isn’t open to you",
            advice: "Your account has no permission for this. If it should, ask whoever runs this site.",
        },
        StatusCode::METHOD_NOT_ALLOWED => Words {
            title: "Not a page",
            heading: "This address only takes forms",
            advice: "Nothing was changed. Go back and use the button on the page.",
        },
        StatusCode::PAYLOAD_TOO_LARGE => Words {
            title: "Too much at once",
            heading: "That was more than fits",
            advice: "Nothing was changed. Go back, shorten what you typed, and send it again.",
        },
        StatusCode::TOO_MANY_REQUESTS => Words {
            title: "Too many tries",
            heading: "Too many tries from your network",
            advice: "To keep accounts safe we take a break here. Nothing was changed.",
        },
        StatusCode::SERVICE_UNAVAILABLE => Words {
            title: "Not right now",
            heading: "We can’t do this right now",
            advice: "Too much is going on at this moment. Nothing was changed.",
        },
        status if status.is_client_error() => Words {
            title: "Not understood",
            heading: "We couldn’t read that request",
            advice: "Nothing was changed. Go back, open the page again, and try once more.",
        },
        _ => Words {
            title: "Something failed",
            heading: "Something failed on our side",
            advice: "You did nothing wrong, and nothing was changed. Trying once more may help.",
        },
    }
}

fn words_for_code(problem: &Problem) -> Option<Words<'_>> {
    match problem.code {
        "csrf_failed" => {
            Some(Words {
                title: "Form not accepted", heading: "This form can’t be accepted", advice: &problem.detail
            })
        }
        "invalid_setup_link" | "invalid_link" => {
            Some(Words { title: "Link no longer works", heading: "This link no longer works", advice: &problem.detail })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_words_a_status_and_a_reference() {
        for code in 400..600 {
            let status = StatusCode::from_u16(code).unwrap();
            let response = problem_page(&Problem::new(status, "some_code", "t", "d"), "ref-1");
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
        let wait = Problem::unavailable("busy", "d", 7);
        assert_eq!(problem_page(&wait, "ref-1").headers()[header::RETRY_AFTER], "7");
    }

    #[test]
    fn i1_what_a_client_sent_is_shown_as_text() {
        let shell = Shell::new("<script>alert(1)</script>\"'&");
        let problem = Problem::not_found();
        let html = ErrorPage { shell, words: words(&problem), retry_after: None }.render().unwrap();
        assert!(!html.contains("<script>alert") && !html.contains("\"'&"), "{html}");
    }
}
