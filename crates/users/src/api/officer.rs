//! The proof that somebody with a permission asks, taken from the request.

use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use kernel::{Caller, Problem};

use crate::{Authority, Officer, Users, may};

/// A permission that a handler can ask for by its type.
pub trait Needed {
    /// Its name.
    const PERMISSION: &'static str;
}

macro_rules! needed {
    ($($name:ident => $permission:expr,)+) => {$(
        #[doc = concat!("See `may::", stringify!($permission), "`.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Needed for $name {
            const PERMISSION: &'static str = $permission;
        }
    )+};
}

needed! {
    UsersRead => may::USERS_READ,
    UsersWrite => may::USERS_WRITE,
    UsersBan => may::USERS_BAN,
    UsersDelete => may::USERS_DELETE,
    UsersErase => may::USERS_ERASE,
    UsersExport => may::USERS_EXPORT,
    RolesRead => may::ROLES_READ,
    RolesWrite => may::ROLES_WRITE,
    RolesGrant => may::ROLES_GRANT,
    AuditRead => may::AUDIT_READ,
    GatewayRead => may::GATEWAY_READ,
    KeysRead => may::KEYS_READ,
    KeysWrite => may::KEYS_WRITE,
    NotificationsRead => may::NOTIFICATIONS_READ,
    NotificationsWrite => may::NOTIFICATIONS_WRITE,
    WebhooksRead => may::WEBHOOKS_READ,
    WebhooksWrite => may::WEBHOOKS_WRITE,
    SettingsRead => may::SETTINGS_READ,
}

/// The authority of a caller whose roles give the permission `P`: a handler that takes it runs for nobody
/// else. It has to be the first that a handler takes of a request, so that nobody else learns what is
/// wrong with theirs.
pub struct May<P> {
    /// In whose name the use case acts.
    pub authority: Authority,
    permission: PhantomData<P>,
}

impl<P: Needed, S: Sync> FromRequestParts<S> for May<P>
where
    Users: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let users = Users::from_ref(state);
        let officer = Officer::prove(&users.roles, &caller, P::PERMISSION).ok_or_else(forbidden)?;
        Ok(Self { authority: Authority::Officer(officer), permission: PhantomData })
    }
}

/// 403: signed in, but without the permission.
pub fn forbidden() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "You may not do this",
        "Your roles do not give the permission for this. Ask an administrator.",
    )
}

/// 403: the same, for what would give or take more than the caller has.
pub fn exceeds() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "You may not do this",
        "It comes to permissions that you do not have yourself, or to none, and you do not hold it. Ask an administrator.",
    )
}
