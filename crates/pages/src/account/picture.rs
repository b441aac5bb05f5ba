//! A person puts another picture, or takes theirs away.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::avatar::BadImage;
use users::{ChangeAvatarError, remove_avatar, set_avatar};

use super::{Returned, render};
use crate::Pages;
use crate::entry::{retry_soon, see_other};
use crate::form::{SignedInForm, SignedInUpload};
use crate::shell::{Mistakes, Notice};

/// The name of the field.
pub const FIELD: &str = "picture";

/// `POST /account/picture`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInUpload,
) -> Result<Response, Problem> {
    let visitor = &form.visitor;
    let wrong = |message: &'static str| Returned {
        picture: Mistakes::one(FIELD, "invalid_picture", message),
        ..Returned::default()
    };
    if form.file.is_empty() {
        let returned = wrong("Choose a file first.");
        return render(&pages, visitor, &context, StatusCode::UNPROCESSABLE_ENTITY, returned).await;
    }
    let (status, returned) = match set_avatar(pages.auth.users(), visitor.account.id, form.file.clone()).await {
        Ok(_) => return Ok(see_other("/account?done=picture")),
        Err(ChangeAvatarError::Image(bad)) => (StatusCode::UNPROCESSABLE_ENTITY, wrong(advice(bad))),
        Err(ChangeAvatarError::Busy(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, Returned { notice: Some(Notice::busy()), ..Returned::default() })
        }
        Err(ChangeAvatarError::Blobs(cause)) => {
            tracing::error!(error = %cause, "a picture could not be kept");
            let notice =
                Notice::failed("The picture could not be kept.", "Nothing was changed. Try again in a minute.");
            (StatusCode::SERVICE_UNAVAILABLE, Returned { notice: Some(notice), ..Returned::default() })
        }
        Err(
            failure @ (ChangeAvatarError::NotFound | ChangeAvatarError::NotAllowed | ChangeAvatarError::Storage(_)),
        ) => {
            return Err(failure.into());
        }
    };
    let page = render(&pages, visitor, &context, status, returned).await?;
    Ok(if status == StatusCode::SERVICE_UNAVAILABLE { retry_soon(page) } else { page })
}

fn advice(bad: BadImage) -> &'static str {
    match bad {
        BadImage::Unsupported => "Choose a PNG, JPEG, WebP or GIF picture.",
        BadImage::Broken => "This file is damaged or cut off. Save it again, or choose another one.",
        BadImage::TooLarge => "Choose a picture of at most 25 megapixels.",
    }
}

/// `POST /account/picture/remove`
pub async fn remove(State(pages): State<Arc<Pages>>, form: SignedInForm) -> Result<Response, Problem> {
    remove_avatar(pages.auth.users(), form.visitor.account.id).await?;
    Ok(see_other("/account?done=picture_removed"))
}
