//! Coming in and going out: register, login, refresh, logout, and what the token says.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, RequestContext, SessionId, StrictJson, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use users::api::UserView;
use users::{DisplayName, EmailAddress, Locale, Party};

use crate::tokens::{self, SignedIn, TokenError};
use crate::{
    Auth, Client, Credentials, NewAccount, RefreshError, RegisterError, Registered, SessionKind, SignInError, Weakness,
};

/// A sign-up.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    /// An address that mail reaches.
    #[schema(max_length = 254, example = "ann@example.com")]
    email: String,
    /// 8 characters or more, at most 1,024 bytes, not a common one.
    #[schema(max_length = 1024, example = "purple lantern drifts slowly")]
    password: String,
    /// The name to show: 1 to 100 characters.
    #[schema(max_length = 100, example = "Ann Lee")]
    name: Option<String>,
    /// A language tag (BCP 47).
    #[schema(max_length = 35, example = "en")]
    locale: Option<String>,
}

/// A sign-in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The address of the account.
    #[schema(max_length = 254, example = "ann@example.com")]
    email: String,
    /// Its password.
    #[schema(max_length = 1024, example = "purple lantern drifts slowly")]
    password: String,
    /// What to call this device in the list of sessions: at most 100 characters.
    #[schema(max_length = 100, example = "Ann's laptop")]
    device_name: Option<String>,
}

/// A refresh.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// The newest refresh token that the client has.
    refresh_token: String,
}

/// Signed in.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SignedInView {
    /// The account.
    user: UserView,
    /// The session: the `sid` of its tokens.
    session_id: SessionId,
    /// A JWT (RFC 9068), for `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    #[schema(value_type = String)]
    token_type: &'static str,
    /// How long the access token is good, in seconds.
    expires_in: u32,
    /// For one exchange at `/api/v1/auth/refresh`.
    refresh_token: String,
    /// How long the refresh token is good, in seconds.
    refresh_expires_in: i64,
}

/// What a token says.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Me {
    /// Who.
    user_id: UserId,
    /// In which session.
    session_id: SessionId,
    /// With which roles.
    roles: Vec<String>,
    /// For what, space-separated (RFC 6749 §3.3).
    scope: String,
    /// When they proved who they are.
    auth_time: Timestamp,
    /// How (RFC 8176).
    amr: Vec<String>,
    /// Until when the token is good.
    expires_at: Timestamp,
}

/// Sign up
///
/// Makes an account and signs it in at once; a mail with a link and a code asks to verify the address. Because of the
/// session a taken address has to be answered with 409, which tells whoever asks that there is an account.
///
/// With `auth.require_verified_email` the answer is 202 and the same for every address: a mail goes to it, and what has
/// been chosen comes into force with the link in it.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "Sign-in", request_body = Register,
    responses((status = 201, description = "Signed in.", body = SignedInView),
        (status = 202, description = "A mail is on its way, with `auth.require_verified_email`."),
        (status = 409, description = "`email_taken`", body = ProblemDocument),
        (status = 422, description = "`weak_password` or `invalid_input`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument),
        (status = 503, description = "`busy`: no room to hash.", body = ProblemDocument)))]
pub(super) async fn register(
    State(auth): State<Auth>,
    context: RequestContext,
    StrictJson(body): StrictJson<Register>,
) -> Result<Response, Problem> {
    let new = parse_account(body)?;
    match crate::register(&auth, new, &client(context, None), None).await? {
        Registered::SignedIn(opened) => {
            let now = opened.session.created_at;
            let answer = tokens::issue(&auth, opened.account, opened.session, now)?;
            signed_in(&auth, StatusCode::CREATED, answer).await
        }
        Registered::ByMail => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

/// Sign in
///
/// An unknown address, a wrong password, and a locked, suspended or deleted account are answered
/// alike, in bytes and in work; with `auth.require_verified_email` also one whose address is not verified.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "Sign-in", request_body = Login,
    responses((status = 200, description = "Signed in.", body = SignedInView),
        (status = 401, description = "`invalid_credentials`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument),
        (status = 503, description = "`busy`: no room to hash.", body = ProblemDocument)))]
pub(super) async fn login(
    State(auth): State<Auth>,
    context: RequestContext,
    StrictJson(body): StrictJson<Login>,
) -> Result<Response, Problem> {
    let device_name = parse_device_name(body.device_name)?;
    let credentials = Credentials { email: body.email, password: body.password };
    let opened = crate::sign_in(&auth, &credentials, None, &client(context, device_name)).await?;
    let now = opened.session.created_at;
    let answer = tokens::issue(&auth, opened.account, opened.session, now)?;
    signed_in(&auth, StatusCode::OK, answer).await
}

/// Exchange a refresh token
///
/// Each refresh token is good for one exchange. If the answer is lost, ask again with the same one:
/// it stays good until its successor is used. After that it is taken for stolen, and the session ends.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "Sign-in", request_body = Refresh,
    responses((status = 200, description = "Signed in.", body = SignedInView),
        (status = 401, description = "`invalid_refresh_token`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument)))]
pub(super) async fn refresh(
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<Refresh>,
) -> Result<Response, Problem> {
    let answer = crate::refresh(&auth, &body.refresh_token).await?;
    signed_in(&auth, StatusCode::OK, answer).await
}

/// Sign out
///
/// The session and its tokens are dead everywhere.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "Sign-in", security(("access_token" = [])),
    responses((status = 204, description = "Signed out.")))]
pub(super) async fn logout(State(auth): State<Auth>, caller: Caller) -> Result<StatusCode, Problem> {
    crate::sign_out(&auth, caller.user, caller.session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What my token says
///
/// No look-up: it is the token's own view, after its signature and every revocation were checked.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "Sign-in", security(("access_token" = [])),
    responses((status = 200, description = "The token's claims.", body = Me)))]
pub(super) async fn me(caller: Caller) -> Json<Me> {
    Json(Me {
        user_id: caller.user,
        session_id: caller.session,
        roles: caller.roles,
        scope: caller.scope,
        auth_time: caller.auth_time,
        amr: caller.amr,
        expires_at: caller.expires_at,
    })
}

pub(super) fn client(context: RequestContext, device_name: Option<String>) -> Client {
    Client { ip: context.client_ip, user_agent: context.user_agent, device_name, kind: SessionKind::Api, keep: true }
}

fn parse_account(body: Register) -> Result<NewAccount, Problem> {
    let mut errors = Vec::new();
    let email = EmailAddress::parse(&body.email)
        .map_err(|error| errors.push(FieldError::new("email", "invalid_email", error.to_string())));
    let name = body.name.as_deref().map(DisplayName::parse).transpose();
    let name = name.map_err(|error| errors.push(FieldError::new("name", "invalid_name", error.to_string())));
    let locale = body.locale.as_deref().map(|tag| Locale::parse(tag).ok_or(())).transpose();
    let locale = locale.map_err(|()| {
        errors.push(FieldError::new("locale", "invalid_locale", "Use a language tag like en or pt-BR."));
    });
    match (email, name, locale) {
        (Ok(email), Ok(name), Ok(locale)) => Ok(NewAccount { email, password: body.password, name, locale }),
        _ => Err(Problem::invalid_input(errors)),
    }
}

pub(super) fn parse_device_name(typed: Option<String>) -> Result<Option<String>, Problem> {
    let Some(typed) = typed else { return Ok(None) };
    match DisplayName::parse(&typed) {
        Ok(name) => Ok(Some(name.as_str().to_owned())),
        Err(error) => {
            Err(Problem::invalid_input(vec![FieldError::new("device_name", "invalid_name", error.to_string())]))
        }
    }
}

pub(super) async fn signed_in(auth: &Auth, status: StatusCode, answer: SignedIn) -> Result<Response, Problem> {
    let view = SignedInView {
        user: auth.users().view(&answer.account, Party::Owner).await?,
        session_id: answer.session.id,
        access_token: answer.access_token,
        token_type: "Bearer",
        expires_in: answer.expires_in,
        refresh_token: answer.refresh_token,
        refresh_expires_in: answer.refresh_expires_in,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::PRAGMA, header::HeaderValue::from_static("no-cache"));
    Ok((status, headers, Json(view)).into_response())
}

/// 503 for a full hashing queue.
pub(super) fn busy() -> Problem {
    Problem::unavailable("busy", "Too many people are signing in right now. Nothing was changed.", 2)
}

/// 422 for a password that cannot be chosen.
pub(super) fn weak_password(field: &'static str, weakness: Weakness) -> Problem {
    Problem {
        code: "weak_password",
        title: "Choose another password",
        ..Problem::invalid_input(vec![FieldError::new(field, weakness.code(), weakness.to_string())])
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::new(
                StatusCode::CONFLICT,
                "email_taken",
                "There is an account with this email",
                "Sign in instead, or use another email.",
            ),
            RegisterError::WeakPassword(weakness) => weak_password("password", weakness),
            RegisterError::Busy(_) => busy(),
            RegisterError::Hash(cause) => failed(&cause),
            RegisterError::Storage(error) => error.into(),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::InvalidCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_credentials",
                "The email or the password is not right",
                "Check both and try again. After several failures an account is locked for a while.",
            ),
            SignInError::Busy(_) => busy(),
            SignInError::Hash(cause) => failed(&cause),
            SignInError::Storage(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::InvalidToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_refresh_token",
                "The refresh token is not good any more",
                "Sign in again.",
            ),
            RefreshError::Token(error) => error.into(),
            RefreshError::Storage(error) => error.into(),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        failed(&error)
    }
}

pub(super) fn failed(cause: &dyn std::error::Error) -> Problem {
    tracing::error!(%cause, "a sign-in could not be completed");
    Problem::internal()
}
