//! What roles come to, in a gateway that has no database: asked of the services every second, and kept while
//! they cannot be asked, as long as the operator says that old news counts.

use std::time::Duration;

use tokio::time::Instant;

use axum::body::Body;
use axum::http::header::{ACCEPT, AUTHORIZATION, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kernel::RoleBook;
use kernel::permission::RoleDefinition;
use serde::Deserialize;

use crate::gateway::{Gateway, Own};
use crate::identity;
use crate::upstream::Failed;

/// Where the services tell it.
const PATH: &str = "/api/v1/feed/roles";
/// How often they are asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// As many roles as there may be, each with as much in it as there may be, are smaller.
const LONGEST: usize = 32 << 20;

/// The roles were not heard.
#[derive(Debug, thiserror::Error)]
pub enum RolesError {
    /// The services cannot be reached.
    #[error("the services do not answer")]
    Unreachable,
    /// They do not take the service token.
    #[error("the services do not take `services.token`")]
    Token,
    /// Something else answers there, or another version of the program.
    #[error("the answer is not what was asked for (status {0})")]
    Content(StatusCode),
}

impl From<Failed> for RolesError {
    fn from(_: Failed) -> Self {
        Self::Unreachable
    }
}

#[derive(Deserialize)]
struct Told {
    roles: Vec<ToldRole>,
}

#[derive(Deserialize)]
struct ToldRole {
    name: String,
    permissions: Vec<String>,
    includes: Vec<String>,
}

impl From<ToldRole> for RoleDefinition {
    fn from(told: ToldRole) -> Self {
        Self { name: told.name, permissions: told.permissions, includes: told.includes }
    }
}

impl Gateway {
    /// Asks again and again. It never ends; there is nothing to ask where the services are in this process.
    ///
    /// What was heard before counts for `refuse_after` without a good answer, or for ever. Then it is forgotten:
    /// routes that ask for permissions are closed until there is one, as they are before the first.
    pub async fn follow_roles(&self, token: &str, refuse_after: Option<Duration>) {
        let mut known = None;
        let mut heard = Instant::now();
        let mut is_failing = false;
        loop {
            match self.fetch_roles(token, known.as_ref()).await {
                Ok(tag) => {
                    known = tag;
                    heard = Instant::now();
                    is_failing = false;
                }
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(%error, "what roles may do cannot be asked; what was heard before counts");
                    }
                    is_failing = true;
                    if refuse_after.is_some_and(|limit| heard.elapsed() > limit)
                        && !self.settings.roles.now().is_empty()
                    {
                        tracing::warn!(
                            "what roles may do was not heard for too long: routes that ask for it are closed"
                        );
                        self.settings.roles.set(RoleBook::default());
                        // By its tag the services would say that nothing has changed.
                        known = None;
                    }
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Asks once, unless the answer is known by its tag, and takes what is answered.
    pub async fn fetch_roles(
        &self,
        token: &str,
        known: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RolesError> {
        let asking = self.ask_for_roles(token, known);
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(RolesError::Unreachable))
    }

    async fn ask_for_roles(&self, token: &str, known: Option<&HeaderValue>) -> Result<Option<HeaderValue>, RolesError> {
        let Own::There { upstreams, .. } = &self.services else { return std::future::pending().await };
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| RolesError::Token)?;
        authorization.set_sensitive(true);
        let mut request = Request::get(PATH)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(identity::FORWARDED_HOST, self.public_authority());
        if let Some(tag) = known {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).map_err(|_| RolesError::Token)?;
        let answer = upstreams.send(request, None).await?.response;
        match answer.status() {
            StatusCode::NOT_MODIFIED => return Ok(known.cloned()),
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(RolesError::Token),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => return Err(RolesError::Unreachable),
            other => return Err(RolesError::Content(other)),
        }
        let tag = answer.headers().get(ETAG).cloned();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(|_| RolesError::Unreachable)?;
        let told: Told = serde_json::from_slice(&body.to_bytes()).map_err(|_| RolesError::Content(StatusCode::OK))?;
        let definitions: Vec<RoleDefinition> = told.roles.into_iter().map(RoleDefinition::from).collect();
        let book = RoleBook::new(&definitions);
        // Without any role it is no answer: there is always `admin`.
        if book.is_empty() {
            return Err(RolesError::Content(StatusCode::OK));
        }
        self.settings.roles.set(book);
        Ok(tag)
    }
}
