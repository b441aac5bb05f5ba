//! Pictures: putting and removing them (`/api/v1/users/…/avatar`), and looking at them (`/avatars/…`),
//! which anybody may who knows the address.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::problem::ProblemDocument;
use kernel::{Caller, PictureId, Problem};
use serde::Serialize;

use super::officer::{May, UsersWrite, forbidden};
use crate::avatar::{self, BadImage, Found};
use crate::{ChangeAvatarError, Users, remove_avatar, remove_avatar_of, set_avatar};

/// Pictures never change under their address.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Where the picture is now.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Avatar)]
pub(super) struct AvatarView {
    /// Its address, or that of a drawing of initials.
    #[schema(max_length = 2048)]
    avatar_url: String,
}

/// Put my picture
///
/// A PNG, JPEG, WebP or GIF image (of a GIF, its first frame), told by its content, of at most 5 MiB and 25
/// megapixels. The middle square is kept in 64, 256 and 512 pixels as WebP, upright, without anything that
/// was written into the file beside the image.
#[utoipa::path(put, path = "/api/v1/users/me/avatar", tag = "Users", security(("access_token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The image, at most 5 MiB."),
    responses((status = 200, description = "Where it is.", body = AvatarView),
        (status = 413, description = "`body_too_large`: more than 5 MiB; `image_too_large`: more than 25 megapixels, a side of more than 16,384, or one that takes too much to decode.", body = ProblemDocument),
        (status = 415, description = "`unsupported_image`", body = ProblemDocument),
        (status = 422, description = "`broken_image`: cut off, damaged, or something else as well.", body = ProblemDocument),
        (status = 503, description = "`busy`: too many pictures are being made; `storage_unavailable`", body = ProblemDocument)))]
pub(super) async fn put_avatar(
    State(users): State<Users>,
    caller: Caller,
    image: Bytes,
) -> Result<Json<AvatarView>, Problem> {
    let account = set_avatar(&users, caller.user, image).await.map_err(of_owner)?;
    Ok(Json(AvatarView { avatar_url: account.avatar_url(users.pictures.origin()) }))
}

/// Remove my picture
#[utoipa::path(delete, path = "/api/v1/users/me/avatar", tag = "Users", security(("access_token" = [])),
    responses((status = 200, description = "What is there instead: a drawing of initials.", body = AvatarView)))]
pub(super) async fn delete_avatar(State(users): State<Users>, caller: Caller) -> Result<Json<AvatarView>, Problem> {
    let account = remove_avatar(&users, caller.user).await.map_err(of_owner)?;
    Ok(Json(AvatarView { avatar_url: account.avatar_url(users.pictures.origin()) }))
}

/// Remove somebody's picture
#[utoipa::path(delete, path = "/api/v1/users/{id}/avatar", tag = "Administration", security(("access_token" = ["users:write"])),
    params(("id" = kernel::UserId, Path, description = "The account.")),
    responses((status = 200, description = "What is there instead: a drawing of initials.", body = AvatarView),
        (status = 403, description = "`forbidden`: the caller lacks the permission, or the account has permissions that the caller lacks.", body = ProblemDocument),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn delete_avatar_of_user(
    may: May<UsersWrite>,
    State(users): State<Users>,
    Path(id): Path<String>,
) -> Result<Json<AvatarView>, Problem> {
    let user = id.parse().map_err(|_| Problem::not_found())?;
    let account = remove_avatar_of(&users, may.authority, user).await?;
    Ok(Json(AvatarView { avatar_url: account.avatar_url(users.pictures.origin()) }))
}

/// A picture
#[utoipa::path(get, path = "/avatars/{picture}/{size}", tag = "Users",
    params(("picture" = PictureId, Path, description = "The picture."),
        ("size" = String, Path, description = "`64.webp`, `256.webp` or `512.webp`.", max_length = 8)),
    responses((status = 200, description = "The picture, to be kept for ever: another picture has another address.", content_type = "image/webp"),
        (status = 304, description = "The client has it."),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn show_picture(
    State(users): State<Users>,
    Path((picture, size)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pixels = size.strip_suffix(".webp").and_then(|pixels| pixels.parse().ok());
    let (Ok(picture), Some(pixels)) = (picture.parse(), pixels) else { return Err(Problem::not_found()) };
    let tag = format!("\"{picture}-{pixels}\"");
    // What has this tag never changes, so whoever has it needs nobody to look.
    if avatar::SIZES.contains(&pixels) && has(&headers, &tag) {
        return Ok(not_modified(&tag));
    }
    match avatar::find_picture(&users.pictures, picture, pixels).await {
        Found::Picture(content) => Ok(kept(&tag, "image/webp", content)),
        Found::Nothing => Err(Problem::not_found()),
        // A page with people in it is not to look broken because of a store. Nobody keeps this one.
        Found::Unknown => {
            let head = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-store")];
            Ok((head, avatar::nobody()).into_response())
        }
    }
}

/// A drawing of initials
#[utoipa::path(get, path = "/avatars/initials/{tint}/{letters}", tag = "Users",
    params(("tint" = String, Path, description = "Its colour, `1` to `6`.", max_length = 1),
        ("letters" = String, Path, description = "One or two letters or digits, or `-`, and `.svg`.", max_length = 6)),
    responses((status = 200, description = "The drawing.", content_type = "image/svg+xml"),
        (status = 304, description = "The client has it."),
        (status = 404, description = "`not_found`", body = ProblemDocument)))]
pub(super) async fn show_initials(
    Path((tint, letters)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let drawn = letters.strip_suffix(".svg").and_then(|letters| avatar::initials_picture(&tint, letters));
    let drawing = drawn.ok_or_else(Problem::not_found)?;
    let tag = "\"1\"";
    Ok(if has(&headers, tag) { not_modified(tag) } else { kept(tag, "image/svg+xml", drawing.into()) })
}

/// Whether the client has what this tag is of (RFC 9110 §13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
}

fn not_modified(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, tag), (header::CACHE_CONTROL, FOREVER)]).into_response()
}

/// Something that may be kept for ever.
fn kept(tag: &str, kind: &str, content: Bytes) -> Response {
    ([(header::ETAG, tag), (header::CACHE_CONTROL, FOREVER), (header::CONTENT_TYPE, kind)], content).into_response()
}

/// Whose account is gone is not signed in any more.
fn of_owner(error: ChangeAvatarError) -> Problem {
    match error {
        ChangeAvatarError::NotFound => Problem::unauthenticated(),
        error => error.into(),
    }
}

impl From<BadImage> for Problem {
    fn from(error: BadImage) -> Self {
        match error {
            BadImage::Unsupported => Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_image",
                "This kind of picture cannot be taken",
                "Send a PNG, JPEG, WebP or GIF image.",
            ),
            BadImage::Broken => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "broken_image",
                "The picture cannot be read",
                "It is cut off or damaged, or something else is behind it. Save it again, or send another one.",
            ),
            BadImage::TooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "image_too_large",
                "The picture is too large",
                "Send one of at most 25 megapixels and 16,384 pixels a side. If it is smaller, save it as a plain JPEG or PNG.",
            ),
        }
    }
}

impl From<ChangeAvatarError> for Problem {
    fn from(error: ChangeAvatarError) -> Self {
        match error {
            ChangeAvatarError::NotFound => Problem::not_found(),
            ChangeAvatarError::NotAllowed => forbidden(),
            ChangeAvatarError::Image(error) => error.into(),
            ChangeAvatarError::Busy(_) => Problem::unavailable(
                "busy",
                "Too many pictures are being made. Nothing was changed: try again soon.",
                2,
            ),
            ChangeAvatarError::Blobs(error) => error.into(),
            ChangeAvatarError::Storage(error) => error.into(),
        }
    }
}
