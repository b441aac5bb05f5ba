//! Verifying the address of an account, and choosing another password by mail.

use axum::extract::State;
use axum::http::StatusCode;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, StrictJson};
use serde::Deserialize;
use users::EmailAddress;

use super::entry::{busy, failed, weak_password};
use crate::{Auth, CodeError, Keep, LinkError, ResetPasswordError, VerifyEmailError};

/// The token of a link.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyEmail {
    /// From the link in the mail.
    #[schema(max_length = 128)]
    token: String,
    /// The password that was chosen at sign-up. With it, the address is verified only if it is that.
    #[serde(default)]
    #[schema(max_length = 1024)]
    password: Option<String>,
}

/// A code of six digits.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyEmailCode {
    /// From the mail; spaces are allowed.
    #[schema(max_length = 32, example = "418 203")]
    code: String,
}

/// An address to send a mail to.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskByMail {
    /// The address of the account.
    #[schema(max_length = 254, example = "ann@example.com")]
    pub(super) email: String,
}

/// Another password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetPassword {
    /// From the link in the mail.
    #[schema(max_length = 128)]
    token: String,
    /// 8 characters or more, at most 1,024 bytes, not a common one.
    #[schema(max_length = 1024, example = "purple lantern drifts slowly")]
    password: String,
}

/// Verify an email address
///
/// Each sign-up sends a mail with a link and a code. The link works for 24 hours, once. Where an address has to be
/// verified before an account is used, the password that was chosen with this sign-up comes into force; what others chose
/// who signed up with the address before is gone.
///
/// Whoever reads the mail need not be who signed up: somebody may have done so with the address of somebody else, and wait for
/// its owner to open the link. Usher's own page asks for the password unless it is opened in the browser that signed up. A page of
/// yours has to do the same, and pass `password`; with the token alone, what was chosen is taken for the owner's.
#[utoipa::path(post, path = "/api/v1/auth/verify-email", tag = "Sign-in", request_body = VerifyEmail,
    responses((status = 204, description = "The address is verified."),
        (status = 400, description = "`invalid_token`: used, old, for something else, or not one of ours.", body = ProblemDocument),
        (status = 422, description = "`wrong_password`: it is not the password that was chosen at sign-up, or was wrong too often. The link still works.", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument),
        (status = 503, description = "`busy`: too many passwords wait to be checked.", body = ProblemDocument)))]
pub(super) async fn verify_email(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<VerifyEmail>,
) -> Result<StatusCode, Problem> {
    match &body.password {
        Some(password) => crate::verify_email_with_password(&auth, &body.token, password).await?,
        None => crate::verify_email(&auth, &body.token, Keep::Everything).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Verify my email address by code
///
/// The six digits of the newest mail work for 10 minutes and can be tried five times.
#[utoipa::path(post, path = "/api/v1/auth/verify-email/code", tag = "Sign-in", security(("access_token" = [])),
    request_body = VerifyEmailCode,
    responses((status = 204, description = "The address is verified."),
        (status = 400, description = "`invalid_code`: wrong, older than 10 minutes, tried five times, or there is nothing to verify.", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn verify_email_code(
    State(auth): State<Auth>,
    caller: Caller,
    StrictJson(body): StrictJson<VerifyEmailCode>,
) -> Result<StatusCode, Problem> {
    crate::verify_email_by_code(&auth, caller.user, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send the mail that verifies once more
///
/// If an account has this address and has not verified it. The answer is the same for every address, and takes as long.
/// One a minute and five an hour are sent.
#[utoipa::path(post, path = "/api/v1/auth/verify-email/resend", tag = "Sign-in", request_body = AskByMail,
    responses((status = 202, description = "If there is something to verify, a mail is on its way."),
        (status = 422, description = "`invalid_input`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn resend_verification(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<AskByMail>,
) -> Result<StatusCode, Problem> {
    crate::request_verification(&auth, &address(&body.email)?, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Ask for another password
///
/// A link goes to the address, if an account has it, and works for an hour, once; one that was asked for before does not
/// work any more. The answer is the same for every address, and takes as long. One a minute and five an hour are sent.
#[utoipa::path(post, path = "/api/v1/auth/reset-password", tag = "Sign-in", request_body = AskByMail,
    responses((status = 202, description = "If there is an account, a link is on its way."),
        (status = 422, description = "`invalid_input`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn request_password_reset(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<AskByMail>,
) -> Result<StatusCode, Problem> {
    crate::request_password_reset(&auth, &address(&body.email)?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Choose another password
///
/// All sessions and all other links of the account end, a lock after failures is lifted, and a mail says so. Nobody is
/// signed in. After `weak_password` the link still works.
#[utoipa::path(post, path = "/api/v1/auth/reset-password/confirm", tag = "Sign-in", request_body = ResetPassword,
    responses((status = 204, description = "The password is changed."),
        (status = 400, description = "`invalid_token`: used, old, replaced by a newer one, for something else, or not one of ours.", body = ProblemDocument),
        (status = 422, description = "`weak_password`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument),
        (status = 503, description = "`busy`: no room to hash.", body = ProblemDocument)))]
pub(super) async fn reset_password(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<ResetPassword>,
) -> Result<StatusCode, Problem> {
    crate::reset_password(&auth, &body.token, &body.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn address(typed: &str) -> Result<EmailAddress, Problem> {
    EmailAddress::parse(typed)
        .map_err(|error| Problem::invalid_input(vec![FieldError::new("email", "invalid_email", error.to_string())]))
}

/// 400: one answer for whatever is wrong with a link.
fn invalid_token() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_token",
        "The link is not good any more",
        "It was used, it has expired, or a newer one has taken its place. Ask for a new one.",
    )
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::InvalidToken => invalid_token(),
            LinkError::Storage(error) => error.into(),
        }
    }
}

impl From<CodeError> for Problem {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::InvalidCode => Self::new(
                StatusCode::BAD_REQUEST,
                "invalid_code",
                "The code is not right",
                "Type the six digits of the newest mail. They work for 10 minutes and five tries; then ask for another mail.",
            ),
            CodeError::Storage(error) => error.into(),
        }
    }
}

impl From<VerifyEmailError> for Problem {
    fn from(error: VerifyEmailError) -> Self {
        match error {
            VerifyEmailError::InvalidToken => LinkError::InvalidToken.into(),
            VerifyEmailError::WrongPassword => Self {
                code: "wrong_password",
                title: "The password is not right",
                ..Self::invalid_input(vec![FieldError::new(
                    "password",
                    "wrong_password",
                    "Enter the password that was chosen at sign-up, or choose another by mail.",
                )])
            },
            VerifyEmailError::Busy(_) => busy(),
            VerifyEmailError::Hash(cause) => failed(&cause),
            VerifyEmailError::Storage(error) => error.into(),
        }
    }
}

impl From<ResetPasswordError> for Problem {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::InvalidToken => invalid_token(),
            ResetPasswordError::WeakPassword(weakness) => weak_password("password", weakness),
            ResetPasswordError::Busy(_) => busy(),
            ResetPasswordError::Hash(cause) => failed(&cause),
            ResetPasswordError::Storage(error) => error.into(),
        }
    }
}
