//! A person signs other devices out.

use std::sync::Arc;

use auth::EndSessionError;
use axum::extract::{Path, State};
use axum::response::Response;
use kernel::{Problem, SessionId};

use crate::Pages;
use crate::entry::see_other;
use crate::form::SignedInForm;

/// `POST /account/sessions/{id}/end`
pub async fn end(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let id: SessionId = id.parse().map_err(|_| Problem::not_found())?;
    match auth::end_session(&pages.auth, form.visitor.account.id, form.visitor.session.id, id).await {
        // One that is gone already is as its owner wanted it.
        Ok(()) | Err(EndSessionError::NotFound) => Ok(see_other("/account?done=device")),
        Err(EndSessionError::Storage(cause)) => Err(cause.into()),
    }
}

/// `POST /account/sessions/end-others`
pub async fn end_others(State(pages): State<Arc<Pages>>, form: SignedInForm) -> Result<Response, Problem> {
    auth::end_other_sessions(&pages.auth, form.visitor.account.id, form.visitor.session.id).await?;
    Ok(see_other("/account?done=devices"))
}
