//! What somebody may do: `/api/v1/permissions`. It is evaluated as the gateway does it, from the same roles.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, UserId, permission};
use serde::{Deserialize, Serialize};

use super::officer::forbidden;
use crate::{Officer, Status, Users, account, may};

/// What the caller may do.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Mine {
    /// The roles in the token.
    roles: Vec<String>,
    /// All that they come to now; `*` for everything.
    permissions: Vec<String>,
}

/// `?permission=&user=`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The permission, like `quiz:author`.
    #[param(min_length = 3, max_length = 64)]
    permission: String,
    /// Somebody else's account; without it, the caller is asked about.
    #[param(value_type = Option<UserId>, max_length = 36)]
    user: Option<String>,
}

/// Whether somebody may.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Allowed {
    /// The permission.
    permission: String,
    /// Whether one of the roles comes to it.
    allowed: bool,
}

/// What I may do
#[utoipa::path(get, path = "/api/v1/permissions", tag = "Roles", security(("access_token" = [])),
    responses((status = 200, description = "The caller's permissions.", body = Mine)))]
pub(super) async fn my_permissions(State(users): State<Users>, caller: Caller) -> Json<Mine> {
    let permissions = users.roles.now().permissions_of(caller.roles.iter().map(String::as_str));
    let permissions = permissions.names().into_iter().map(str::to_owned).collect();
    Json(Mine { roles: caller.roles, permissions })
}

/// May I, or somebody else, do this?
///
/// The answer that the gateway's routes and every call of the API would give now. An account that is suspended
/// or deleted may do nothing.
#[utoipa::path(get, path = "/api/v1/permissions/check", tag = "Roles", security(("access_token" = [])),
    params(Asked),
    responses((status = 200, description = "Whether.", body = Allowed),
        (status = 403, description = "`forbidden`: it is about somebody else, and the caller lacks `users:read`.", body = ProblemDocument),
        (status = 404, description = "`not_found`: there is no such account.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: not the name of a permission.", body = ProblemDocument)))]
pub(super) async fn check_permission(
    State(users): State<Users>,
    caller: Caller,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Allowed>, Problem> {
    let Query(Asked { permission, user }) = query.map_err(|_| {
        Problem::bad_request("invalid_query", "Use `permission` and, for somebody else, `user` with an account's id.")
    })?;
    let other = user.map(|id| id.parse::<UserId>()).filter(|id| *id != Ok(caller.user));
    if other.is_some() && Officer::prove(&users.roles, &caller, may::USERS_READ).is_none() {
        return Err(forbidden());
    }
    permission::check_name(&permission).map_err(|error| {
        Problem::invalid_input(vec![FieldError::new("permission", "invalid_permission", error.to_string())])
    })?;
    let roles = match other {
        None => caller.roles,
        Some(id) => {
            let id = id.map_err(|_| Problem::not_found())?;
            let account = account::find(&mut users.db.read().await?, id).await?.ok_or_else(Problem::not_found)?;
            if account.status == Status::Active { account.roles } else { Vec::new() }
        }
    };
    let allowed = users.roles.now().allows(roles.iter().map(String::as_str), &permission);
    Ok(Json(Allowed { permission, allowed }))
}
