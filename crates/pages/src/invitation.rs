//! The page behind an invitation: whoever opens it chooses the password of the account that was made for them.

use std::sync::Arc;

use askama::Template;
use auth::{AcceptInvitationError, Invited};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::link::Purpose;

use crate::browser::{self, FormToken, KnownDevice, MaybeVisitor};
use crate::entry::{admit, client, retry_soon};
use crate::form::{Fields, SignedOutForm};
use crate::link::{self, OpenedLink};
use crate::shell::{Mistakes, Notice, Shell};
use crate::{Pages, csrf, page};

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    shell: Shell,
    csrf: &'a str,
    token: &'a str,
    invited: Invited,
    least: usize,
    errors: &'a Mistakes,
    notice: Option<Notice>,
}

/// `GET /invitation`: looks at the link and leaves it as it is, because mail filters and previews open links too.
pub async fn show(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: FormToken,
    OpenedLink(opened): OpenedLink,
    query: Fields,
) -> Result<Response, Problem> {
    let in_address = query.text("token");
    let token = if in_address.is_empty() { opened.as_str() } else { in_address };
    let invited = auth::check_invitation(&pages.auth, token).await.map_err(link::failed)?;
    if !in_address.is_empty() {
        return link::out_of_the_address(&pages, Purpose::Invitation.page(), token);
    }
    let shown = page(
        StatusCode::OK,
        &InvitationPage {
            shell: Shell::new(&context.request_id),
            csrf: &form.token,
            token,
            invited,
            least: pages.auth.settings().policy.min_characters,
            errors: &Mistakes::default(),
            notice: None,
        },
    )?;
    form.bind(shown)
}

/// `POST /invitation`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    before: MaybeVisitor,
    KnownDevice(device): KnownDevice,
    context: RequestContext,
    SignedOutForm(fields): SignedOutForm,
) -> Result<Response, Problem> {
    let (token, password) = (fields.text("token"), fields.text("password"));
    let client = client(&context, false);
    let outcome = if password.is_empty() {
        Err(Mistakes::one("password", "missing", "Choose a password."))
    } else {
        match auth::accept_invitation(&pages.auth, token, password, device.as_deref(), &client).await {
            Ok(opened) => {
                let mut response = admit(&pages, &opened, before, false, None).await?;
                let forget = browser::forget_link(pages.is_secure())?;
                response.headers_mut().append(header::SET_COOKIE, forget);
                return Ok(response);
            }
            Err(AcceptInvitationError::WeakPassword(weakness)) => {
                Err(Mistakes::one("password", weakness.code(), weakness.to_string()))
            }
            Err(AcceptInvitationError::Busy(_)) => Ok(Notice::busy()),
            Err(AcceptInvitationError::InvalidToken) => return Err(link::dead()),
            Err(failure @ (AcceptInvitationError::Hash(_) | AcceptInvitationError::Storage(_))) => {
                return Err(failure.into());
            }
        }
    };
    let invited = auth::check_invitation(&pages.auth, token).await.map_err(link::failed)?;
    let (status, errors, notice) = match outcome {
        Ok(notice) => (StatusCode::SERVICE_UNAVAILABLE, Mistakes::default(), Some(notice)),
        Err(mistakes) => (StatusCode::UNPROCESSABLE_ENTITY, mistakes, None),
    };
    let again = page(
        status,
        &InvitationPage {
            shell: Shell::new(&context.request_id),
            csrf: fields.text(csrf::FIELD),
            token,
            invited,
            least: pages.auth.settings().policy.min_characters,
            errors: &errors,
            notice,
        },
    )?;
    Ok(if status == StatusCode::SERVICE_UNAVAILABLE { retry_soon(again) } else { again })
}
