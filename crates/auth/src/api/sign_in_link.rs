//! Signing in by a link that is sent by mail.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::problem::ProblemDocument;
use kernel::{Problem, RequestContext, StrictJson};
use serde::Deserialize;

use super::entry::{SignedInView, client, parse_device_name, signed_in};
use super::verification::{AskByMail, address};
use crate::{Auth, tokens};

/// A link to sign in with.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmMagicLink {
    /// From the link in the mail.
    #[schema(max_length = 128)]
    token: String,
    /// What to call this device in the list of sessions: at most 100 characters.
    #[schema(max_length = 100, example = "Ann's laptop")]
    device_name: Option<String>,
}

/// Where it is not configured, nothing is here.
fn configured(auth: &Auth) -> Result<(), Problem> {
    if auth.settings().magic_link { Ok(()) } else { Err(Problem::not_found()) }
}

/// Ask for a link to sign in with
///
/// Where `auth.magic_link` is set. The link goes to the address of an account that has verified it and whose roles come to
/// no permission of Usher's; it works for 10 minutes, once, and only until a newer one is asked for. The answer is the same
/// for every address, and takes as long. One a minute and five an hour are sent.
#[utoipa::path(post, path = "/api/v1/auth/magic-link", tag = "Sign-in", request_body = AskByMail,
    responses((status = 202, description = "If there is such an account, a link is on its way."),
        (status = 404, description = "`not_found`: it is not configured.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn request_magic_link(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<AskByMail>,
) -> Result<StatusCode, Problem> {
    configured(&auth)?;
    crate::request_sign_in_link(&auth, &address(&body.email)?, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sign in with a link
///
/// The `amr` of the tokens is `email`.
#[utoipa::path(post, path = "/api/v1/auth/magic-link/confirm", tag = "Sign-in", request_body = ConfirmMagicLink,
    responses((status = 200, description = "Signed in.", body = SignedInView),
        (status = 400, description = "`invalid_token`: used, old, replaced by a newer one, for something else, or not one of ours; or the account is locked, or may not be used, or not by this way.", body = ProblemDocument),
        (status = 404, description = "`not_found`: it is not configured.", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn confirm_magic_link(
    State(auth): State<Auth>,
    context: RequestContext,
    StrictJson(body): StrictJson<ConfirmMagicLink>,
) -> Result<Response, Problem> {
    configured(&auth)?;
    let client = client(context, parse_device_name(body.device_name)?);
    let opened = crate::sign_in_by_link(&auth, &body.token, None, &client).await?;
    let now = opened.session.created_at;
    let answer = tokens::issue(&auth, opened.account, opened.session, now)?;
    signed_in(&auth, StatusCode::OK, answer).await
}
