//! The JSON face of this crate: `/api/v1/auth/…` and the `.well-known` documents.

mod administration;
mod email;
mod entry;
mod invitations;
mod password;
mod sessions;
mod sign_in_link;
mod verification;
mod well_known;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Auth;

/// The calls of this crate.
pub fn router(auth: Auth) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(entry::register))
        .routes(routes!(entry::login))
        .routes(routes!(entry::refresh))
        .routes(routes!(entry::logout))
        .routes(routes!(entry::me))
        .routes(routes!(password::change_password))
        .routes(routes!(email::request_email_change))
        .routes(routes!(email::confirm_email_change))
        .routes(routes!(verification::verify_email))
        .routes(routes!(verification::verify_email_code))
        .routes(routes!(verification::resend_verification))
        .routes(routes!(verification::request_password_reset))
        .routes(routes!(verification::reset_password))
        .routes(routes!(administration::erase_user))
        .routes(routes!(administration::unlock_user))
        .routes(routes!(invitations::invite_user))
        .routes(routes!(invitations::read_invitation, invitations::send_invitation, invitations::withdraw_invitation))
        .routes(routes!(invitations::accept_invitation))
        .routes(routes!(sign_in_link::request_magic_link))
        .routes(routes!(sign_in_link::confirm_magic_link))
        .routes(routes!(sessions::list_sessions, sessions::end_other_sessions))
        .routes(routes!(sessions::end_session))
        .with_state(auth.clone())
        .merge(discovery(auth))
}

/// The keys and where they are: what a process that has only the feed has to answer, too.
pub fn discovery(auth: Auth) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(well_known::jwks))
        .routes(routes!(well_known::openid_configuration))
        .routes(routes!(well_known::authorization_server))
        .with_state(auth)
}
