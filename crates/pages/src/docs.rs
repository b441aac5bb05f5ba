//! The API's documentation, from the OpenAPI document that the program makes of its own code.

mod openapi;
mod problems;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use crate::shell::Shell;
use crate::{Pages, page};
use openapi::Document;
use problems::{Entry, PROBLEMS};

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    shell: Shell,
    document: Document,
}

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    shell: Shell,
    problems: &'static [Entry],
}

/// Both pages are the same for everybody, so the document is read once.
pub fn router(pages: &Pages) -> Router {
    let docs = Arc::new(DocsPage { shell: Shell::new(""), document: Document::read(&pages.openapi) });
    let problems = Arc::new(ProblemsPage { shell: Shell::new(""), problems: PROBLEMS });
    Router::new()
        .route("/docs", get(async move || page(StatusCode::OK, &*docs)))
        .route("/docs/problems", get(async move || page(StatusCode::OK, &*problems)))
}

/// A stretch of text that is all code or all words.
pub struct Run<'a> {
    pub text: &'a str,
    pub code: bool,
}

/// Splits a sentence at its backticks, the only markup that descriptions in the code use.
pub fn prose(text: &str) -> impl Iterator<Item = Run<'_>> {
    text.split('`').enumerate().map(|(at, text)| Run { text, code: at % 2 == 1 }).filter(|run| !run.text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_are_code() {
        let runs: Vec<(&str, bool)> = prose("Send `next` as `cursor`.").map(|run| (run.text, run.code)).collect();
        assert_eq!(runs, [("Send ", false), ("next", true), (" as ", false), ("cursor", true), (".", false)]);
    }
}
