//! Inviting people, and accepting.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::problem::ProblemDocument;
use kernel::{FieldError, Problem, RequestContext, StrictJson, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use users::api::UserView;
use users::api::officer::{May, UsersDelete, UsersRead, UsersWrite, forbidden};
use users::{DisplayName, EmailAddress, Locale, NewAccount, NewProfile, Party, ProfileChange, Roles};

use super::administration::parse;
use super::email::too_often;
use super::entry::{SignedInView, busy, client, failed, parse_device_name, signed_in, weak_password};
use crate::{AcceptInvitationError, Auth, ChangeInvitationError, Invitation, InviteError, LinkError, tokens};

/// Somebody to invite.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    /// An address that mail reaches.
    #[schema(max_length = 254, example = "ann@example.com")]
    email: String,
    /// The name to show: 1 to 100 characters.
    #[schema(max_length = 100, example = "Ann Lee")]
    name: Option<String>,
    /// The language that they read (BCP 47): that of the mail.
    #[schema(max_length = 35, example = "en")]
    locale: Option<String>,
    /// Their roles beside `user`, for whoever may give them: at most 32.
    #[schema(max_items = 32)]
    roles: Option<Vec<String>>,
}

/// An acceptance.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptInvitation {
    /// From the link.
    #[schema(max_length = 128)]
    token: String,
    /// 8 characters or more, at most 1,024 bytes, not a common one.
    #[schema(max_length = 1024, example = "purple lantern drifts slowly")]
    password: String,
    /// What to call this device in the list of sessions: at most 100 characters.
    #[schema(max_length = 100, example = "Ann's laptop")]
    device_name: Option<String>,
}

/// An invitation that waits for somebody.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct InvitationView {
    /// When it was sent.
    sent_at: Timestamp,
    /// Until when the link in it works.
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(Invitation { sent_at, expires_at }: Invitation) -> Self {
        Self { sent_at, expires_at }
    }
}

/// An account, and the invitation that was sent to it.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct InvitedView {
    /// The account.
    user: UserView,
    /// The invitation.
    invitation: InvitationView,
}

/// Invite somebody
///
/// Makes an account without a password, and sends a link to choose one to its address. The link works once, for 7
/// days. Roles need the permission `roles:grant`, and every permission that they come to.
#[utoipa::path(post, path = "/api/v1/users/invitations", tag = "Administration", security(("access_token" = ["users:write"])),
    request_body = Invite,
    responses((status = 201, description = "The account, and the invitation.", body = InvitedView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or a role has more than the caller.", body = ProblemDocument),
        (status = 409, description = "`email_taken`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`, `unknown_role`", body = ProblemDocument)))]
pub(super) async fn invite_user(
    May { authority, .. }: May<UsersWrite>,
    State(auth): State<Auth>,
    StrictJson(body): StrictJson<Invite>,
) -> Result<Response, Problem> {
    let (account, invitation) = crate::invite(&auth, authority, &read(&body)?).await?;
    let user = auth.users().view(&account, Party::Officers).await?;
    let etag = [(header::ETAG, format!("\"{}\"", account.version))];
    let view = InvitedView { user, invitation: invitation.into() };
    Ok((StatusCode::CREATED, etag, Json(view)).into_response())
}

fn read(body: &Invite) -> Result<NewProfile, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field, code, message: String| errors.push(FieldError::new(field, code, message));
    let email = EmailAddress::parse(&body.email).map_err(|error| wrong("email", "invalid_email", error.to_string()));
    let name = body.name.as_deref().map(DisplayName::parse).transpose();
    let name = name.map_err(|error| wrong("name", "invalid_name", error.to_string()));
    let locale = body.locale.as_deref().map(|tag| Locale::parse(tag).ok_or(())).transpose();
    let locale = locale.map_err(|()| wrong("locale", "invalid_locale", "Use a language tag like en or pt-BR.".into()));
    let roles = body.roles.as_deref().map(Roles::parse).transpose();
    let roles = roles.map_err(|error| wrong("roles", "invalid_roles", error.to_string()));
    match (email, name, locale, roles) {
        (Ok(email), Ok(name), Ok(locale), Ok(roles)) => Ok(NewProfile {
            account: NewAccount { email, email_verified: false, name, locale },
            roles,
            profile: ProfileChange::default(),
        }),
        _ => Err(Problem::invalid_input(errors)),
    }
}

/// The invitation of an account
#[utoipa::path(get, path = "/api/v1/users/{id}/invitation", tag = "Administration", security(("access_token" = ["users:read"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 200, description = "The newest, while its link works.", body = InvitationView),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is no such account, or nobody is waited for.", body = ProblemDocument)))]
pub(super) async fn read_invitation(
    _proven: May<UsersRead>,
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<Json<InvitationView>, Problem> {
    let found = crate::pending_invitation(&auth, parse(&id)?).await?;
    Ok(Json(found.ok_or_else(Problem::not_found)?.into()))
}

/// Send an invitation
///
/// To an account that has no password, again or for the first time. Links that were sent before do not work any more.
#[utoipa::path(post, path = "/api/v1/users/{id}/invitation", tag = "Administration", security(("access_token" = ["users:write"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 200, description = "It is sent.", body = InvitationView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`not_invited`: it has a password, or is suspended or deleted.", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: five were sent within an hour.", body = ProblemDocument)))]
pub(super) async fn send_invitation(
    May { authority, .. }: May<UsersWrite>,
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<Json<InvitationView>, Problem> {
    Ok(Json(crate::invite_again(&auth, authority, parse(&id)?).await?.into()))
}

/// Withdraw an invitation
///
/// The link does not work any more, and the account, which nobody has used, is deleted. It can be restored, and
/// invited again.
#[utoipa::path(delete, path = "/api/v1/users/{id}/invitation", tag = "Administration", security(("access_token" = ["users:delete"])),
    params(("id" = UserId, Path, description = "The account.")),
    responses((status = 204, description = "It is withdrawn."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`not_invited`: it has a password, is suspended or deleted, or was never invited.", body = ProblemDocument)))]
pub(super) async fn withdraw_invitation(
    May { authority, .. }: May<UsersDelete>,
    State(auth): State<Auth>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    crate::withdraw_invitation(&auth, authority, parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept an invitation
///
/// The account has this password from now on, its address is verified, and whoever asks is signed in.
#[utoipa::path(post, path = "/api/v1/auth/accept-invitation", tag = "Sign-in", request_body = AcceptInvitation,
    responses((status = 200, description = "Signed in.", body = SignedInView),
        (status = 400, description = "`invalid_token`: used, old, withdrawn, replaced by a newer one, or not one of ours.", body = ProblemDocument),
        (status = 422, description = "`weak_password`", body = ProblemDocument),
        (status = 429, description = "`too_many_attempts`: too many from this address.", body = ProblemDocument),
        (status = 503, description = "`busy`: no room to hash.", body = ProblemDocument)))]
pub(super) async fn accept_invitation(
    State(auth): State<Auth>,
    context: RequestContext,
    StrictJson(body): StrictJson<AcceptInvitation>,
) -> Result<Response, Problem> {
    let client = client(context, parse_device_name(body.device_name)?);
    let opened = crate::accept_invitation(&auth, &body.token, &body.password, None, &client).await?;
    let now = opened.session.created_at;
    let answer = tokens::issue(&auth, opened.account, opened.session, now)?;
    signed_in(&auth, StatusCode::OK, answer).await
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Account(error) => error.into(),
            InviteError::TooOften => too_often(),
        }
    }
}

impl From<ChangeInvitationError> for Problem {
    fn from(error: ChangeInvitationError) -> Self {
        match error {
            ChangeInvitationError::Forbidden => forbidden(),
            ChangeInvitationError::NotFound => Self::not_found(),
            ChangeInvitationError::NotInvited => Self::new(
                StatusCode::CONFLICT,
                "not_invited",
                "There is nobody to invite",
                "The account has a password, or is suspended or deleted, or was never invited. Read it to see which.",
            ),
            ChangeInvitationError::TooOften => too_often(),
            ChangeInvitationError::Storage(error) => error.into(),
        }
    }
}

impl From<AcceptInvitationError> for Problem {
    fn from(error: AcceptInvitationError) -> Self {
        match error {
            AcceptInvitationError::InvalidToken => LinkError::InvalidToken.into(),
            AcceptInvitationError::WeakPassword(weakness) => weak_password("password", weakness),
            AcceptInvitationError::Busy(_) => busy(),
            AcceptInvitationError::Hash(cause) => failed(&cause),
            AcceptInvitationError::Storage(error) => error.into(),
        }
    }
}
