//! Signing in without a password: asking for a link by mail, and the page behind it. Where it is not configured, nothing
//! is at these addresses.

use std::sync::Arc;

use askama::Template;
use auth::SignInLink;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::EmailAddress;
use users::link::Purpose;

use crate::browser::{self, FormToken, KnownDevice, MaybeVisitor};
use crate::entry::{admit, client};
use crate::form::{Fields, SignedOutForm};
use crate::link::{self, OpenedLink};
use crate::shell::{Mistakes, Shell};
use crate::{Pages, csrf, page};

#[derive(Template)]
#[template(path = "sign-in-by-mail.html")]
struct AskPage<'a> {
    shell: Shell,
    csrf: &'a str,
    email: &'a str,
    errors: &'a Mistakes,
    /// Whether the link is on its way, to whoever it may be.
    is_sent: bool,
}

#[derive(Template)]
#[template(path = "sign-in-link.html")]
struct LinkPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
    link: SignInLink,
}

fn configured(pages: &Pages) -> Result<(), Problem> {
    if pages.auth.settings().magic_link { Ok(()) } else { Err(Problem::not_found()) }
}

/// `GET /sign-in/by-mail`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: FormToken,
) -> Result<Response, Problem> {
    configured(&pages)?;
    let (shell, errors) = (Shell::new(&context.request_id), &Mistakes::default());
    let shown = page(StatusCode::OK, &AskPage { shell, csrf: &form.token, email: "", errors, is_sent: false })?;
    form.bind(shown)
}

/// `POST /sign-in/by-mail`. The answer is the same whether somebody has the address or not, and may come in by a link.
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    headers: HeaderMap,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    configured(&pages)?;
    let (shell, csrf) = (Shell::new(&context.request_id), fields.text(csrf::FIELD));
    let typed = fields.text("email");
    let (status, errors) = match EmailAddress::parse(typed) {
        Ok(email) => {
            let form = browser::form_value(&headers, pages.is_secure());
            auth::request_sign_in_link(&pages.auth, &email, form.as_deref()).await?;
            (StatusCode::OK, Mistakes::default())
        }
        Err(wrong) => (StatusCode::UNPROCESSABLE_ENTITY, Mistakes::one("email", "invalid_email", wrong.to_string())),
    };
    let is_sent = !errors.is_failed();
    page(status, &AskPage { shell, csrf, email: typed, errors: &errors, is_sent })
}

/// `GET /sign-in/link`: looks at the link and leaves it as it is, because mail filters and previews open links too.
pub async fn show_link(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    headers: HeaderMap,
    form: FormToken,
    OpenedLink(opened): OpenedLink,
    query: Fields,
) -> Result<Response, Problem> {
    configured(&pages)?;
    let in_address = query.text("token");
    let token = if in_address.is_empty() { opened.as_str() } else { in_address };
    let value = browser::form_value(&headers, pages.is_secure());
    let link = auth::check_sign_in_link(&pages.auth, token, value.as_deref()).await.map_err(link::failed)?;
    if !in_address.is_empty() {
        return link::out_of_the_address(&pages, Purpose::SignIn.page(), token);
    }
    let shell = Shell::new(&context.request_id);
    let shown = page(StatusCode::OK, &LinkPage { shell, csrf: &form.token, token, link })?;
    form.bind(shown)
}

/// `POST /sign-in/link`
pub async fn submit_link(
    State(pages): State<Arc<Pages>>,
    before: MaybeVisitor,
    KnownDevice(device): KnownDevice,
    context: RequestContext,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    configured(&pages)?;
    let client = client(&context, false);
    let opened = auth::sign_in_by_link(&pages.auth, fields.text("token"), device.as_deref(), &client).await;
    let mut response = admit(&pages, &opened.map_err(link::failed)?, before, false, None).await?;
    response.headers_mut().append(header::SET_COOKIE, browser::forget_link(pages.is_secure())?);
    Ok(response)
}
