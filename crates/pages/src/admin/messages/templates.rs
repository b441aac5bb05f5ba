//! How messages look, in every language, with somebody in them who is nobody.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use kernel::Problem;
use notify::{Template, Written};
use users::api::officer::NotificationsRead;

use super::shown_template;
use crate::admin::{Console, Frame, Section};
use crate::form::Fields;
use crate::languages::LANGUAGES;
use crate::{Pages, page};

#[derive(askama::Template)]
#[template(path = "admin/messages/templates.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Line>,
    languages: Vec<String>,
    folder: Option<String>,
}

/// A message, as it is listed.
struct Line {
    name: &'static str,
    title: String,
    subject: String,
    preview: String,
}

#[derive(askama::Template)]
#[template(path = "admin/messages/template.html")]
struct OnePage {
    frame: Frame,
    name: &'static str,
    title: String,
    /// Each language with what its speakers call it.
    languages: Vec<(String, String)>,
    written: Written,
    is_text: bool,
}

/// `GET /admin/templates`
pub async fn list(State(pages): State<Arc<Pages>>, console: Console<NotificationsRead>) -> Result<Response, Problem> {
    let language = pages.notify.settings().language.clone();
    let line = |template: &Template| {
        let written = pages.notify.sample(*template, &language)?;
        let (name, title) = (template.as_str(), shown_template(template.as_str()));
        Some(Line { name, title, subject: written.subject, preview: written.preview })
    };
    page(
        StatusCode::OK,
        &ListPage {
            frame: Frame::new(&pages, &console.desk, Section::Templates),
            rows: pages.notify.messages().iter().filter_map(line).collect(),
            languages: pages.notify.languages().into_iter().map(native).collect(),
            folder: pages.notify.settings().templates.as_ref().map(|folder| folder.display().to_string()),
        },
    )
}

/// What its speakers call a language.
fn native(language: &str) -> String {
    let known = LANGUAGES.iter().find(|(tag, _)| *tag == language);
    known.map_or_else(|| language.to_owned(), |(_, name)| (*name).to_owned())
}

/// `GET /admin/templates/{template}`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    Path(name): Path<String>,
    console: Console<NotificationsRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let language = match query.text("language") {
        "" => pages.notify.settings().language.as_str(),
        language => language,
    };
    let (template, written) = find(&pages, &name, language)?;
    let languages = pages.notify.languages().into_iter().map(|tag| (tag.to_owned(), native(tag))).collect();
    page(
        StatusCode::OK,
        &OnePage {
            frame: Frame::new(&pages, &console.desk, Section::Templates),
            name: template.as_str(),
            title: shown_template(template.as_str()),
            languages,
            written,
            is_text: query.text("view") == "text",
        },
    )
}

fn find(pages: &Pages, name: &str, language: &str) -> Result<(Template, Written), Problem> {
    let template = pages.notify.message(name).ok_or_else(Problem::not_found)?;
    let written = pages.notify.sample(template, language).ok_or_else(Problem::not_found)?;
    Ok((template, written))
}

/// `GET /admin/mail/{template}/{language}`: the message as a mail program shows it, for the frame. The gateway lets it do
/// nothing but that.
pub async fn body(
    State(pages): State<Arc<Pages>>,
    Path((name, language)): Path<(String, String)>,
    _console: Console<NotificationsRead>,
) -> Result<Response, Problem> {
    let (_, written) = find(&pages, &name, &language)?;
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")], written.html).into_response())
}
