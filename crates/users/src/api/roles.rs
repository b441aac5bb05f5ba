//! Roles: `/api/v1/roles`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::page::{DEFAULT_LIMIT, MAX_LIMIT};
use kernel::problem::ProblemDocument;
use kernel::{FieldError, Page, Problem, StrictJson, Timestamp};
use serde::{Deserialize, Serialize};

use super::officer::{May, RolesRead, RolesWrite, exceeds, forbidden};
use super::{if_match, stale};
use crate::roles::Role;
use crate::{
    CreateRoleError, DeleteRoleError, Includes, NewRole, OwnPermissions, RoleChange, RoleDescription, RoleName,
    UpdateRoleError, Users, create_role, delete_role, roles, update_role,
};

/// A role.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Role)]
pub struct RoleView {
    /// What it is called.
    name: String,
    /// What it is for.
    description: String,
    /// The permissions that it names itself.
    permissions: Vec<String>,
    /// The roles that it includes.
    includes: Vec<String>,
    /// All that it comes to, includes followed; `*` for everything.
    effective_permissions: Vec<String>,
    /// Whether it is one of those that are always there.
    built_in: bool,
    /// How many accounts hold it; 1000 means that many or more.
    holders: i64,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
    /// Counts changes: send it as `If-Match` to guard one.
    version: i64,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            effective_permissions: role.effective.names().into_iter().map(str::to_owned).collect(),
            name: role.name,
            description: role.description,
            permissions: role.permissions,
            includes: role.includes,
            built_in: role.built_in,
            holders: role.holders,
            created_at: role.created_at,
            updated_at: role.updated_at,
            version: role.version,
        }
    }
}

/// A role to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostRole {
    /// What to call it: 1 to 64 of `a`–`z`, `0`–`9`, `:`, `_`, `-`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9:_-]{1,64}$")]
    name: String,
    /// What it is for, on one line.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
    /// Names like `users:read` or, an application's own, `quiz:author`.
    #[serde(default)]
    #[schema(max_items = 200)]
    permissions: Vec<String>,
    /// Roles whose permissions it has as well.
    #[serde(default)]
    #[schema(max_items = 20)]
    includes: Vec<String>,
}

/// What to change of a role. What is left out stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchRole {
    /// What it is for, on one line.
    #[schema(max_length = 200)]
    description: Option<String>,
    /// All permissions that it names from now on.
    #[schema(max_items = 200)]
    permissions: Option<Vec<String>>,
    /// All roles that it includes from now on.
    #[schema(max_items = 20)]
    includes: Option<Vec<String>>,
}

/// `?limit=&cursor=`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RolesQuery {
    /// Roles on a page: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next` of the page before.
    #[param(max_length = 100)]
    cursor: Option<String>,
}

/// The parts of a role as somebody sent them, and everything that is wrong with them.
#[derive(Default)]
struct Reading(Vec<FieldError>);

impl Reading {
    fn read<T, E: ToString>(&mut self, field: &'static str, code: &'static str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.0.push(FieldError::new(field, code, error.to_string()))).ok()
    }

    fn description(&mut self, typed: &str) -> Option<RoleDescription> {
        self.read("description", "invalid_description", RoleDescription::parse(typed))
    }

    fn permissions(&mut self, names: &[String]) -> Option<OwnPermissions> {
        self.read("permissions", "invalid_permissions", OwnPermissions::parse(names))
    }

    fn includes(&mut self, names: &[String]) -> Option<Includes> {
        self.read("includes", "invalid_includes", Includes::parse(names))
    }
}

/// What was typed in the path. What cannot be a role's name is none.
fn named(name: &str) -> Result<RoleName, Problem> {
    RoleName::parse(name).map_err(|_| Problem::not_found())
}

fn shown(status: StatusCode, role: Role) -> Response {
    let etag = format!("\"{}\"", role.version);
    (status, [(header::ETAG, etag)], Json(RoleView::from(role))).into_response()
}

/// All roles
///
/// In alphabetical order, each with what it comes to.
#[utoipa::path(get, path = "/api/v1/roles", tag = "Roles", security(("access_token" = ["roles:read"])),
    params(RolesQuery),
    responses((status = 200, description = "The roles.", body = Page<RoleView>),
        (status = 403, description = "`forbidden`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`: the cursor is not one of ours.", body = ProblemDocument)))]
pub(super) async fn list_roles(
    _proven: May<RolesRead>,
    State(users): State<Users>,
    query: Result<Query<RolesQuery>, QueryRejection>,
) -> Result<Json<Page<RoleView>>, Problem> {
    let Query(query) = query.map_err(|_| {
        Problem::bad_request("invalid_query", "Use `limit` (1 to 200) and `cursor` (the `next` of the page before).")
    })?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let after = query.cursor.map(|cursor| after(&cursor)).transpose()?;
    let mut found = roles::list(&users, after.as_ref().map(RoleName::as_str), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|role| URL_SAFE_NO_PAD.encode(&role.name));
    Ok(Json(Page { items: found.into_iter().map(RoleView::from).collect(), next }))
}

/// The name that a cursor holds.
fn after(cursor: &str) -> Result<RoleName, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.and_then(|name| RoleName::parse(&name).ok()).ok_or_else(|| {
        let message = "Pass the `next` of the page before, unchanged.";
        Problem::invalid_input(vec![FieldError::new("cursor", "invalid_cursor", message)])
    })
}

/// Make a role
#[utoipa::path(post, path = "/api/v1/roles", tag = "Roles", security(("access_token" = ["roles:write"])), request_body = PostRole,
    responses((status = 201, description = "The role.", body = RoleView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or one that the role would come to.", body = ProblemDocument),
        (status = 409, description = "`role_taken`, `too_many_roles`", body = ProblemDocument),
        (status = 422, description = "`invalid_input`; `unknown_role` in `includes`", body = ProblemDocument)))]
pub(super) async fn post_role(
    May { authority, .. }: May<RolesWrite>,
    State(users): State<Users>,
    StrictJson(post): StrictJson<PostRole>,
) -> Result<Response, Problem> {
    let mut reading = Reading::default();
    let name = reading.read("name", "invalid_name", RoleName::parse(&post.name));
    let description = reading.description(&post.description);
    let permissions = reading.permissions(&post.permissions);
    let includes = reading.includes(&post.includes);
    let (Some(name), Some(description), Some(permissions), Some(includes)) = (name, description, permissions, includes)
    else {
        return Err(Problem::invalid_input(reading.0));
    };
    let made = create_role(&users, authority, &NewRole { name, description, permissions, includes }).await?;
    Ok(shown(StatusCode::CREATED, made))
}

/// Read a role
#[utoipa::path(get, path = "/api/v1/roles/{name}", tag = "Roles", security(("access_token" = ["roles:read"])),
    params(("name" = String, Path, description = "The role.")),
    responses((status = 200, description = "The role.", body = RoleView),
        (status = 403, description = "`forbidden`", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn read_role(
    _proven: May<RolesRead>,
    State(users): State<Users>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let found = roles::find(&users, named(&name)?.as_str()).await?;
    Ok(shown(StatusCode::OK, found.ok_or_else(Problem::not_found)?))
}

/// Change a role
///
/// It takes effect at once for everybody who holds it.
#[utoipa::path(patch, path = "/api/v1/roles/{name}", tag = "Roles", security(("access_token" = ["roles:write"])),
    params(("name" = String, Path, description = "The role."),
        ("If-Match" = Option<String>, Header, description = "The `version` that the change was made from, in quotes.")),
    request_body = PatchRole,
    responses((status = 200, description = "The role as it is now.", body = RoleView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or one that the role comes or would come to.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`role_unchangeable`: it is `admin`.", body = ProblemDocument),
        (status = 412, description = "`stale`: the role has changed since.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`; `unknown_role` and `role_circle` in `includes`", body = ProblemDocument)))]
pub(super) async fn patch_role(
    May { authority, .. }: May<RolesWrite>,
    State(users): State<Users>,
    Path(name): Path<String>,
    headers: HeaderMap,
    StrictJson(patch): StrictJson<PatchRole>,
) -> Result<Response, Problem> {
    let (name, expected) = (named(&name)?, if_match(&headers)?);
    let mut reading = Reading::default();
    let change = RoleChange {
        description: patch.description.and_then(|typed| reading.description(&typed)),
        permissions: patch.permissions.and_then(|names| reading.permissions(&names)),
        includes: patch.includes.and_then(|names| reading.includes(&names)),
    };
    if !reading.0.is_empty() {
        return Err(Problem::invalid_input(reading.0));
    }
    Ok(shown(StatusCode::OK, update_role(&users, authority, &name, &change, expected).await?))
}

/// Delete a role
///
/// Only one that nobody holds and no other role includes.
#[utoipa::path(delete, path = "/api/v1/roles/{name}", tag = "Roles", security(("access_token" = ["roles:write"])),
    params(("name" = String, Path, description = "The role."),
        ("If-Match" = Option<String>, Header, description = "The `version` that was read, in quotes.")),
    responses((status = 204, description = "It is gone."),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or one that the role comes to.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument),
        (status = 409, description = "`role_in_use`, `role_built_in`", body = ProblemDocument),
        (status = 412, description = "`stale`: the role has changed since.", body = ProblemDocument)))]
pub(super) async fn remove_role(
    May { authority, .. }: May<RolesWrite>,
    State(users): State<Users>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    delete_role(&users, authority, &named(&name)?, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// 422: more permissions than a process can hold for every role.
fn too_much() -> Problem {
    let message = "A role can come to 1000 permissions at most, and so can one that includes it.";
    Problem::invalid_input(vec![FieldError::new("permissions", "too_many_permissions", message)])
}

/// 422: a role that is named is not there.
pub fn unknown_role(field: &'static str, name: &str) -> Problem {
    let message = format!("There is no role `{name}`: make it first, or look for a slip of the pen.");
    Problem {
        errors: vec![FieldError::new(field, "unknown_role", message.clone())],
        ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_role", "There is no such role", message)
    }
}

impl From<CreateRoleError> for Problem {
    fn from(error: CreateRoleError) -> Self {
        match error {
            CreateRoleError::Forbidden => forbidden(),
            CreateRoleError::Exceeds => exceeds(),
            CreateRoleError::Taken => Self::new(
                StatusCode::CONFLICT,
                "role_taken",
                "There is a role of this name",
                "Choose another name, or change the role that is there.",
            ),
            CreateRoleError::UnknownRole(name) => unknown_role("includes", &name),
            CreateRoleError::TooMany => Self::new(
                StatusCode::CONFLICT,
                "too_many_roles",
                "There are too many roles",
                "There can be 500 roles. Delete one that nobody holds first.",
            ),
            CreateRoleError::TooMuch => too_much(),
            CreateRoleError::Storage(error) => error.into(),
        }
    }
}

impl From<UpdateRoleError> for Problem {
    fn from(error: UpdateRoleError) -> Self {
        match error {
            UpdateRoleError::Forbidden => forbidden(),
            UpdateRoleError::Exceeds => exceeds(),
            UpdateRoleError::NotFound => Self::not_found(),
            UpdateRoleError::Unchangeable => Self::new(
                StatusCode::CONFLICT,
                "role_unchangeable",
                "This role stays as it is",
                "`admin` may do everything, always. Make a role of your own for less.",
            ),
            UpdateRoleError::Stale => stale(),
            UpdateRoleError::UnknownRole(name) => unknown_role("includes", &name),
            UpdateRoleError::Circle(name) => {
                let message = format!("`{name}` includes this role, or is it: roles cannot go in a circle.");
                Self {
                    errors: vec![FieldError::new("includes", "role_circle", message.clone())],
                    ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "role_circle", "Roles cannot go in a circle", message)
                }
            }
            UpdateRoleError::TooMuch => too_much(),
            UpdateRoleError::Storage(error) => error.into(),
        }
    }
}

impl From<DeleteRoleError> for Problem {
    fn from(error: DeleteRoleError) -> Self {
        match error {
            DeleteRoleError::Forbidden => forbidden(),
            DeleteRoleError::Exceeds => exceeds(),
            DeleteRoleError::NotFound => Self::not_found(),
            DeleteRoleError::BuiltIn => Self::new(
                StatusCode::CONFLICT,
                "role_built_in",
                "This role is always there",
                "`admin`, `support` and `user` cannot be deleted. `support` and `user` can be changed.",
            ),
            DeleteRoleError::InUse => Self::new(
                StatusCode::CONFLICT,
                "role_in_use",
                "The role is in use",
                "Somebody holds it, if only an account that was deleted and can come back, or another role includes it. Take it away there first.",
            ),
            DeleteRoleError::Stale => stale(),
            DeleteRoleError::Storage(error) => error.into(),
        }
    }
}
