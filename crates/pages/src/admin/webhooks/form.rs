//! The form of a webhook: a new one, or one that is there.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Kind, Problem};
use notify::webhooks::{self, Change, CreateError, Destination, NewWebhook, WantedKinds, Webhook, WebhookName};
use users::api::officer::WebhooksWrite;

use super::{back, find, show_secret};
use crate::admin::{Console, ConsoleForm, Desk, Frame, Section};
use crate::form::Fields;
use crate::shell::{Mistakes, Notice};
use crate::{Pages, page};

#[derive(Template)]
#[template(path = "admin/webhook-form.html")]
struct FormPage {
    frame: Frame,
    /// The webhook that is there; none while one is made.
    webhook: Option<Webhook>,
    typed: Typed,
    kinds: Vec<&'static str>,
    mistakes: Mistakes,
}

impl FormPage {
    fn action(&self) -> String {
        match &self.webhook {
            Some(webhook) => format!("/admin/webhooks/{}/edit", webhook.id),
            None => "/admin/webhooks/new".to_owned(),
        }
    }

    fn heading(&self) -> &str {
        self.webhook.as_ref().map_or("A new webhook", |webhook| webhook.name.as_str())
    }

    const fn verb(&self) -> &'static str {
        if self.webhook.is_some() { "Save webhook" } else { "Register webhook" }
    }
}

/// What stands in the form.
#[derive(Default)]
struct Typed {
    name: String,
    url: String,
    kinds: String,
}

impl Typed {
    fn of(webhook: &Webhook) -> Self {
        let kinds = webhook.kinds.names().map(|names| names.join("\n")).unwrap_or_default();
        Self { name: webhook.name.clone(), url: webhook.url.clone(), kinds }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).trim().to_owned();
        Self { name: text("name"), url: text("url"), kinds: text("kinds") }
    }

    /// The parts that both forms have, if all of them can be.
    fn parts(&self, pages: &Pages, mistakes: &mut Mistakes) -> Option<(Destination, WantedKinds)> {
        let url = webhooks::address(&pages.notify, &self.url)
            .map_err(|wrong| mistakes.add("url", "invalid_url", wrong.to_string()));
        let names: Vec<String> = self
            .kinds
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let kinds =
            WantedKinds::parse(&names).map_err(|wrong| mistakes.add("kinds", "invalid_kinds", wrong.to_string()));
        Some((url.ok()?, kinds.ok()?))
    }
}

/// What a form that failed leaves on the page.
#[derive(Default)]
struct Returned {
    mistakes: Mistakes,
    notice: Option<Notice>,
}

fn render(
    pages: &Pages,
    desk: &Desk,
    webhook: Option<Webhook>,
    typed: Typed,
    returned: Returned,
) -> Result<Response, Problem> {
    let status = match (returned.mistakes.is_failed(), returned.notice.is_some()) {
        (true, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (false, true) => StatusCode::CONFLICT,
        (false, false) => StatusCode::OK,
    };
    let frame = Frame::new(pages, desk, Section::Webhooks).saying(returned.notice);
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    page(status, &FormPage { frame, webhook, typed, kinds, mistakes: returned.mistakes })
}

/// `GET /admin/webhooks/new`
pub(super) async fn ask_new(
    State(pages): State<Arc<Pages>>,
    console: Console<WebhooksWrite>,
) -> Result<Response, Problem> {
    render(&pages, &console.desk, None, Typed::default(), Returned::default())
}

/// `POST /admin/webhooks/new`
pub(super) async fn make(
    State(pages): State<Arc<Pages>>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    let typed = Typed::read(&form.fields);
    let mut mistakes = Mistakes::default();
    let name = WebhookName::parse(&typed.name).map_err(|wrong| mistakes.add("name", "invalid_name", wrong.to_string()));
    let parts = typed.parts(&pages, &mut mistakes);
    let (Ok(name), Some((url, kinds))) = (name, parts) else {
        return render(&pages, &form.desk, None, typed, Returned { mistakes, notice: None });
    };
    let returned = match webhooks::create(&pages.notify, form.desk.authority, &NewWebhook { name, url, kinds }).await {
        Ok(created) => return show_secret(&pages, &form.desk, created),
        Err(CreateError::Taken) => {
            let message = "There is a webhook of this name. Choose another.";
            Returned { mistakes: Mistakes::one("name", "webhook_taken", message), notice: None }
        }
        Err(CreateError::TooMany) => {
            let text = "Nothing was made. Remove one that nobody needs first.";
            Returned { notice: Some(Notice::failed("There are too many webhooks.", text)), ..Returned::default() }
        }
        Err(error @ (CreateError::Forbidden | CreateError::Secret(_) | CreateError::Storage(_))) => {
            return Err(error.into());
        }
    };
    render(&pages, &form.desk, None, typed, returned)
}

/// `GET /admin/webhooks/{id}/edit`
pub(super) async fn ask_change(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    console: Console<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    let typed = Typed::of(&webhook);
    render(&pages, &console.desk, Some(webhook), typed, Returned::default())
}

/// `POST /admin/webhooks/{id}/edit`
pub(super) async fn change(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: ConsoleForm<WebhooksWrite>,
) -> Result<Response, Problem> {
    let webhook = find(&pages, &id).await?;
    let typed = Typed::read(&form.fields);
    let mut mistakes = Mistakes::default();
    let Some((url, kinds)) = typed.parts(&pages, &mut mistakes) else {
        return render(&pages, &form.desk, Some(webhook), typed, Returned { mistakes, notice: None });
    };
    let change = Change { url: Some(url), kinds: Some(kinds), active: None };
    webhooks::update(&pages.notify, form.desk.authority, webhook.id, &change).await?;
    Ok(back(webhook.id, "changed"))
}
