//! A person has messages shown on the browser that they look with, or no more.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use kernel::Problem;
use notify::push::{self, RegisterError};

use crate::Pages;
use crate::entry::see_other;
use crate::form::SignedInForm;

/// `POST /account/push`: a script has filled it in, with what the browser gave it. It also asks whether this session has the
/// browser.
pub async fn submit(State(pages): State<Arc<Pages>>, form: SignedInForm) -> Result<Response, Problem> {
    let (user, session) = (form.visitor.account.id, form.visitor.session.id);
    let text = |name: &str| form.fields.text(name);
    if text("action") == "ask" {
        let is_on = push::is_registered(&pages.notify, user, session, text("endpoint")).await?;
        return Ok(if is_on { "on" } else { "off" }.into_response());
    }
    if text("action") != "on" {
        return match push::unregister_address(&pages.notify, user, session, text("endpoint")).await {
            // One that is gone already is as its owner wanted it.
            Ok(()) | Err(RegisterError::NotFound) => Ok(see_other("/account?done=push-off")),
            Err(error) => Err(error.into()),
        };
    }
    let address = push::browser(&pages.notify, text("endpoint"), text("p256dh"), text("auth"), text("key"));
    let Ok(address) = address else { return Ok(see_other("/account?done=push-failed")) };
    push::register(&pages.notify, user, session, &address).await?;
    Ok(see_other("/account?done=push-on"))
}
