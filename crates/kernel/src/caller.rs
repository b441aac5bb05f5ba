//! Who is asking. The gateway checks the token and puts a [`Caller`] into the request; a handler
//! that takes one can only run for somebody who has proved who they are.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::id::ServiceTokenId;
use crate::{Problem, SessionId, Timestamp, UserId};

/// A person who proved who they are with an access token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
    /// Roles at the time of the token.
    pub roles: Vec<String>,
    /// What the token is good for, space-separated (RFC 6749 §3.3).
    pub scope: String,
    /// When they last proved it.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// Until when the token is good.
    pub expires_at: Timestamp,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// A service that has shown a token of its own, which lets it have messages sent. Whoever knows these tokens puts it into
/// the request; nothing that comes in can.
#[derive(Clone, Debug)]
pub struct SendingService {
    /// The token.
    pub id: ServiceTokenId,
    /// What the service is called.
    pub name: String,
}

/// What the gateway found out about a request, for use cases that record it.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The answer's `X-Request-Id`.
    pub request_id: String,
    /// The client's address, from the connection or from a trusted proxy.
    pub client_ip: IpAddr,
    /// What the client says it is, cut to 256 bytes.
    pub user_agent: String,
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self {
            request_id: String::new(),
            client_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            user_agent: String::new(),
        }))
    }
}
