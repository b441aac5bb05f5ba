//! How streams look on the wire (SSF 1.0 §8.1.1), and how what a receiver asks for is read.
//!
//! Members that are not known are passed over, as the standard wants it; those that only we may set
//! may be sent back to us, and have to be what they are.

use auth::keys::Algorithm;
use axum::http::HeaderValue;
use kernel::Problem;
use outbound::{Destination, Reach};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event_type::EventType;
use super::manage::{Delivery, VERIFICATION_INTERVAL, Wanted};
use super::stream::{Status, Stream};
use super::{KeyError, open_authorization};
use crate::Signals;

/// Push delivery.
pub(super) const PUSH: &str = "urn:ietf:rfc:8935";
/// Poll delivery.
pub(super) const POLL: &str = "urn:ietf:rfc:8936";
/// How many kinds of events a receiver may ask for, known or not.
const MOST_EVENTS: usize = 100;
/// The longest text of each other kind.
const LONGEST: usize = 512;
/// The longest `Authorization` that is sent to a receiver.
const LONGEST_AUTHORIZATION: usize = 4096;

/// How tokens get to a receiver.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = StreamDelivery)]
pub(super) struct DeliveryBody {
    /// `urn:ietf:rfc:8935` to be pushed to, `urn:ietf:rfc:8936` to poll.
    method: String,
    /// Where to push to, or (from us) where to poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_url: Option<String>,
    /// What to send to the endpoint as `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_header: Option<String>,
}

/// A stream, as its receiver describes it.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = StreamRequest)]
pub(super) struct StreamBody {
    /// Which stream; not when one is made.
    pub(super) stream_id: Option<String>,
    /// The kinds of events wanted, as URIs; all, if it is left out.
    events_requested: Option<Vec<String>>,
    /// How; polled, if it is left out.
    delivery: Option<DeliveryBody>,
    /// What the stream is called.
    description: Option<String>,
    /// What tokens are signed with: `EdDSA` (if it is left out), `ES256` or `RS256`.
    signing_alg: Option<String>,
    /// If it is sent: what the stream says.
    #[schema(value_type = Option<String>)]
    iss: Option<Value>,
    /// If it is sent: what the stream says.
    #[schema(value_type = Option<String>)]
    aud: Option<Value>,
    /// If it is sent: what the stream says.
    #[schema(value_type = Option<Vec<String>>)]
    events_supported: Option<Value>,
    /// If it is sent: what the stream says before the change.
    #[schema(value_type = Option<Vec<String>>)]
    events_delivered: Option<Value>,
    /// If it is sent: what the stream says.
    #[schema(value_type = Option<u32>)]
    min_verification_interval: Option<Value>,
}

/// A stream.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Stream)]
pub(super) struct StreamView {
    /// Its id.
    stream_id: String,
    /// Who sends: the public address of this server.
    iss: String,
    /// Whom the tokens are for.
    aud: String,
    /// The kinds of events that there are.
    events_supported: Vec<&'static str>,
    /// Those that were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_requested: Option<Vec<String>>,
    /// Those that come.
    events_delivered: Vec<&'static str>,
    /// How.
    delivery: DeliveryBody,
    /// Seconds between two verifications that may be asked for.
    min_verification_interval: u32,
    /// What the stream is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// What tokens are signed with.
    signing_alg: &'static str,
}

/// The status of a stream.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = StreamStatus)]
pub(super) struct StatusBody {
    /// Which stream.
    pub(super) stream_id: String,
    /// `enabled`, `paused` (events are kept) or `disabled` (they are not).
    pub(super) status: Status,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

pub(super) fn invalid(detail: &'static str) -> Problem {
    Problem::bad_request("invalid_stream", detail)
}

impl StreamView {
    /// With the header that its receiver wants to be sent: the receiver may replace the stream by what
    /// it has read (SSF 1.0 §8.1.1.4), and must not lose it by that.
    pub(super) fn of(signals: &Signals, stream: &Stream) -> Result<Self, KeyError> {
        let issuer = &signals.auth().settings().issuer;
        let delivery = match &stream.endpoint {
            Some(endpoint) => DeliveryBody {
                method: PUSH.to_owned(),
                endpoint_url: Some(endpoint.clone()),
                authorization_header: open_authorization(signals, stream)?,
            },
            None => DeliveryBody {
                method: POLL.to_owned(),
                endpoint_url: Some(format!("{issuer}/api/v1/ssf/poll/{}", stream.id)),
                authorization_header: None,
            },
        };
        Ok(Self {
            stream_id: stream.id.to_string(),
            iss: issuer.clone(),
            aud: stream.audience.clone(),
            events_supported: EventType::SUPPORTED.map(EventType::uri).to_vec(),
            events_requested: stream.events_requested.clone(),
            events_delivered: stream.delivered().map(EventType::uri).collect(),
            delivery,
            min_verification_interval: VERIFICATION_INTERVAL,
            description: stream.description.clone(),
            signing_alg: stream.algorithm.name(),
        })
    }
}

impl StreamBody {
    /// What the receiver wants, if it can be had.
    pub(super) fn wanted(self, issuer: &str) -> Result<Wanted, Problem> {
        let too_long = |text: &String| text.len() > LONGEST;
        if self.events_requested.as_ref().is_some_and(|uris| uris.len() > MOST_EVENTS || uris.iter().any(too_long)) {
            return Err(invalid("`events_requested` has at most 100 URIs of at most 512 characters."));
        }
        if self.description.as_ref().is_some_and(too_long) {
            return Err(invalid("`description` has at most 512 characters."));
        }
        let algorithm = match self.signing_alg.as_deref().map(Algorithm::from_name) {
            Some(None) => return Err(invalid("`signing_alg` is one of EdDSA, ES256 and RS256.")),
            Some(algorithm) => algorithm,
            None => None,
        };
        let delivery = self.delivery.map(|delivery| delivery.read(issuer)).transpose()?;
        Ok(Wanted { events: self.events_requested, delivery, description: self.description, algorithm })
    }

    /// Refuses a body that says something else than `view` about what only we may set.
    pub(super) fn agrees_with(&self, view: &StreamView) -> Result<(), Problem> {
        let supplied = [
            (&self.iss, json!(view.iss)),
            (&self.aud, json!(view.aud)),
            (&self.events_supported, json!(view.events_supported)),
            (&self.events_delivered, json!(view.events_delivered)),
            (&self.min_verification_interval, json!(view.min_verification_interval)),
        ];
        let agrees = supplied.iter().all(|(said, is)| said.as_ref().is_none_or(|said| said == is));
        if agrees { Ok(()) } else { Err(invalid("A member that only the transmitter sets has another value.")) }
    }
}

impl DeliveryBody {
    fn read(self, issuer: &str) -> Result<Delivery, Problem> {
        match self.method.as_str() {
            // A poll address that comes back with a stream that was read is ours: it changes nothing.
            POLL => Ok(Delivery::Poll),
            PUSH => {
                let endpoint = self.endpoint_url.ok_or_else(|| invalid("Add `delivery.endpoint_url`."))?;
                Destination::parse(&endpoint, Reach::of(issuer)).map_err(|_| {
                    invalid("`delivery.endpoint_url` has to be an https address on the public Internet.")
                })?;
                let authorization = self.authorization_header;
                let is_header =
                    |text: &String| text.len() <= LONGEST_AUTHORIZATION && HeaderValue::try_from(text.as_str()).is_ok();
                if authorization.as_ref().is_some_and(|text| !is_header(text)) {
                    return Err(invalid("`delivery.authorization_header` is not the value of a header."));
                }
                Ok(Delivery::Push { endpoint, authorization })
            }
            _ => Err(invalid("`delivery.method` is urn:ietf:rfc:8935 or urn:ietf:rfc:8936.")),
        }
    }
}

impl From<&Stream> for StatusBody {
    fn from(stream: &Stream) -> Self {
        Self { stream_id: stream.id.to_string(), status: stream.status, reason: stream.reason.clone() }
    }
}

impl StatusBody {
    /// Refuses a reason that is too long to be one.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let fits = self.reason.as_ref().is_none_or(|reason| reason.len() <= LONGEST);
        if fits { Ok(()) } else { Err(invalid("`reason` has at most 512 characters.")) }
    }
}
