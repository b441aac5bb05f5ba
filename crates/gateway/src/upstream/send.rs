//! A request's way to an upstream.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use super::address::Protocol;
use super::connection::Made;
use super::guard::{Guarded, Guards, Source};
use super::member::{self, Member, Place};
use super::outgoing::{Broken, Fate, Outgoing};
use super::{Answered, Failed, StillTrusted, Upstreams, headers, tunnel};

/// What an attempt failed with, and the request if nothing of it was sent.
pub(super) struct Missed {
    failed: Failed,
    unsent: Option<Box<Request<Outgoing>>>,
}

impl From<Failed> for Missed {
    fn from(failed: Failed) -> Self {
        Self { failed, unsent: None }
    }
}

impl Upstreams {
    /// Sends a request to one of the upstreams. Path and headers are final but for those between
    /// neighbours and `Host`. A limit on the body is the caller's, who finds it as
    /// [`Failed::BodyTooLarge`].
    ///
    /// To become a WebSocket the request has to have the extensions that it came with.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
        still_trusted: Option<StillTrusted>,
    ) -> Result<Answered, Failed> {
        let started = Instant::now();
        let deadline = started + self.settings.total;
        let client = headers::asks_for_websocket(&request)
            .then(|| request.extensions_mut().remove::<OnUpgrade>())
            .flatten()
            .filter(|_| request.body().is_end_stream());
        let (mut request, fate) = outgoing(request)?;
        let repeatable = request.body().is_empty() && is_idempotent(request.method());
        let mut attempts: u8 = 0;
        let mut last: Option<(Arc<Member>, Failed)> = None;
        loop {
            let except = last.as_ref().map(|(member, _)| member);
            let place = member::choose(&self.members, &self.turn, except)
                .map_err(|none| last.as_ref().map_or(none, |(_, failed)| *failed))?;
            attempts = attempts.saturating_add(1);
            let spare = (repeatable && attempts <= self.settings.retries).then(|| copy(&request));
            let (member, is_trial) = (place.member.clone(), place.is_trial);
            let outcome = if let Some(client) = client.as_ref() {
                self.tunnel(place, request, client.clone(), still_trusted.clone(), deadline).await
            } else {
                let guards = Guards { deadline, still_trusted: still_trusted.clone() };
                self.attempt(place, request, &fate, guards).await
            };
            let missed = match outcome {
                Ok(response) => {
                    self.judge(&member, is_trial, Ok(response.status()));
                    let first_byte = started.elapsed();
                    return Ok(Answered { response, first_byte, address: member.name.clone(), attempts });
                }
                Err(missed) => missed,
            };
            self.judge(&member, is_trial, Err(missed.failed));
            let others = usize::from(attempts) < self.members.len();
            let again = match missed.failed {
                Failed::Connect => others || attempts <= self.settings.retries,
                // The same upstream would only let it wait as long again.
                Failed::FirstByteTimeout => self.members.len() > 1,
                Failed::Reset => true,
                Failed::NoneHealthy
                | Failed::Full
                | Failed::TotalTimeout
                | Failed::BodyTooLarge
                | Failed::ClientGone => false,
            };
            match missed.unsent.map(|request| *request).or(spare) {
                Some(unsent) if again && Instant::now() < deadline => request = unsent,
                _ => return Err(missed.failed),
            }
            last = Some((member, missed.failed));
        }
    }

    /// Sends it once.
    async fn attempt(
        &self,
        place: Place,
        request: Request<Outgoing>,
        fate: &Fate,
        guards: Guards,
    ) -> Result<Response<Body>, Missed> {
        let exchanging = exchange(&place.member, request, self.connect_patience(guards.deadline));
        let (response, source) =
            self.within(guards.deadline, fate, exchanging).await?.map_err(|missed| match fate.broken() {
                Some(Broken::TooLarge) => Failed::BodyTooLarge.into(),
                Some(Broken::ClientGone) => Failed::ClientGone.into(),
                None => missed,
            })?;
        let (mut parts, incoming) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody has asked it to.
            return Err(Failed::Reset.into());
        }
        headers::prepare_answer(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let body = Guarded::body(&parts.headers, incoming, source, place, guards);
        Ok(Response::from_parts(parts, body))
    }

    /// Waits for the head of an answer. The time for it runs from when the request's body moved last.
    async fn within<T>(&self, deadline: Instant, fate: &Fate, work: impl Future<Output = T>) -> Result<T, Failed> {
        let mut work = pin!(work);
        let mut patience = Instant::now() + self.settings.first_byte;
        loop {
            if let Ok(done) = tokio::time::timeout_at(patience.min(deadline), work.as_mut()).await {
                return Ok(done);
            }
            if Instant::now() >= deadline {
                return Err(Failed::TotalTimeout);
            }
            match fate.moved().map(|moved| moved + self.settings.first_byte) {
                Some(longer) if longer > patience => patience = longer,
                _ if fate.waits_for_client() => return Err(Failed::ClientGone),
                _ => return Err(Failed::FirstByteTimeout),
            }
        }
    }

    /// Sends a request that asks for a tunnel, over a connection of its own.
    async fn tunnel(
        &self,
        place: Place,
        mut request: Request<Outgoing>,
        client: OnUpgrade,
        still_trusted: Option<StillTrusted>,
        deadline: Instant,
    ) -> Result<Response<Body>, Missed> {
        let member = place.member.clone();
        let connection = match member.host.lease_for_tunnel(self.connect_patience(deadline)).await {
            Ok(connection) => connection,
            Err(error) => return Err(not_connected(&member, &error, request)),
        };
        address_one(&member, &mut request);
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut sender = connection.into_upgradeable();
        let answering = sender.send_request(request);
        let mut response = self.within(deadline, &Fate::default(), answering).await?.map_err(|error| {
            tracing::debug!(%error, upstream = %member.name, "an upstream broke off");
            Failed::Reset
        })?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (mut parts, incoming) = response.into_parts();
            headers::prepare_answer(&mut parts.headers);
            parts.version = Version::HTTP_11;
            let guards = Guards { deadline, still_trusted };
            let body = Guarded::body(&parts.headers, incoming, Source::Many, place, guards);
            return Ok(Response::from_parts(parts, body));
        }
        let agreed = response.headers().get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let upstream = response.extensions_mut().remove::<OnUpgrade>();
        let (Some(upstream), true) = (upstream, agreed) else { return Err(Failed::Reset.into()) };
        tunnel::join(client, upstream, place, still_trusted, self.pool.stopping());
        let (mut parts, _) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        Ok(Response::from_parts(parts, Body::empty()))
    }

    fn connect_patience(&self, deadline: Instant) -> Duration {
        self.settings.connect.min(deadline.saturating_duration_since(Instant::now()))
    }

    /// Remembers how an upstream did.
    fn judge(&self, member: &Member, is_trial: bool, outcome: Result<StatusCode, Failed>) {
        // One that is alone is asked even if it says that it is overloaded: nobody else could do better,
        // and its own answer is worth more than ours.
        let alone = self.members.len() == 1;
        let bad = match outcome {
            Ok(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
            | Err(Failed::FirstByteTimeout | Failed::Reset) => {
                if alone && member.health.is_well() {
                    return;
                }
                true
            }
            Ok(_) => false,
            Err(Failed::Connect) => true,
            Err(
                Failed::NoneHealthy | Failed::Full | Failed::TotalTimeout | Failed::BodyTooLarge | Failed::ClientGone,
            ) => return,
        };
        if !bad {
            member.health.succeeded();
        } else if member.health.failed(is_trial) {
            tracing::warn!(upstream = %member.name, "an upstream fails and gets no requests for a while");
        }
    }
}

/// Sends a request over a connection to this upstream and waits for the head of the answer.
pub(super) async fn exchange(
    member: &Member,
    mut request: Request<Outgoing>,
    patience: Duration,
) -> Result<(Response<Incoming>, Source), Missed> {
    loop {
        let lease = match member.host.lease(patience).await {
            Ok(lease) => lease,
            Err(error) => return Err(not_connected(member, &error, request)),
        };
        let (outcome, source) = match lease.connection {
            Made::One(mut connection) => {
                address_one(member, &mut request);
                (connection.send(request).await, Source::One(connection))
            }
            Made::Many(mut sender) => {
                address_many(member, &mut request);
                (sender.try_send_request(request).await, Source::Many)
            }
        };
        let mut error = match outcome {
            Ok(response) => return Ok((response, source)),
            Err(error) => error,
        };
        let unsent = error.take_message();
        let error = error.into_error();
        match unsent {
            // It was closed while it was kept. Nothing was sent, so this is no failure.
            Some(unsent) if !lease.is_new => request = unsent,
            Some(unsent) => return Err(not_connected(member, &error, unsent)),
            None => {
                tracing::debug!(%error, upstream = %member.name, "an upstream broke off");
                return Err(Failed::Reset.into());
            }
        }
    }
}

fn not_connected(member: &Member, error: &impl std::fmt::Display, request: Request<Outgoing>) -> Missed {
    tracing::debug!(%error, upstream = %member.name, "an upstream could not be connected to");
    Missed { failed: Failed::Connect, unsent: Some(Box::new(request)) }
}

/// The request as it goes out, but for who it goes to.
fn outgoing(request: Request<Body>) -> Result<(Request<Outgoing>, Fate), Failed> {
    let (mut parts, body) = request.into_parts();
    let declared = headers::declared_length(&parts.headers);
    let at_most = body.size_hint().upper();
    if declared.zip(at_most).is_some_and(|(declared, at_most)| declared > at_most) {
        return Err(Failed::BodyTooLarge);
    }
    headers::prepare(&mut parts.headers);
    let (body, fate) = Outgoing::new(body, declared);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    Ok((request, fate))
}

fn copy(request: &Request<Outgoing>) -> Request<Outgoing> {
    let mut copy = Request::new(Outgoing::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// RFC 9110 §9.2.2, without TRACE, which does not come so far.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// In HTTP/1.1 the address is a path, and the host a header.
fn address_one(member: &Member, request: &mut Request<Outgoing>) {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        *request.uri_mut() = Uri::from(path_of(request.uri()));
    }
    // A body of unknown length with GET would otherwise be left out.
    if !request.body().is_empty() && request.body().size_hint().exact().is_none() {
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    headers::join_cookies(request.headers_mut());
    request.headers_mut().insert(HOST, member.host_header.clone());
}

/// In HTTP/2 the host is part of the address.
fn address_many(member: &Member, request: &mut Request<Outgoing>) {
    let address = member.host.address();
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if address.protocol() == Protocol::Https { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(address.authority().clone());
    parts.path_and_query = Some(path_of(request.uri()));
    // These three together are always an address.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(TRANSFER_ENCODING);
}

fn path_of(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}
