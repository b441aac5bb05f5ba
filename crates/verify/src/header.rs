//! The JOSE header of an access token: it may say which key signed, and nothing else is believed.

use crate::Refused;
use crate::json::Object;

/// What a reader of the token needs from its header.
pub(crate) struct Header {
    pub(crate) algorithm: String,
    pub(crate) key_id: String,
}

/// Members that change how the rest has to be read. We know no critical extension (RFC 7515 §4.1.11),
/// and a reader that honoured `b64`, `zip` or `enc` would see another payload than we do.
const CHANGES_THE_READING: [&str; 4] = ["crit", "b64", "zip", "enc"];

impl Header {
    /// Reads the first part of a token. Keys that a token brings along or points to (`jwk`, `jku`,
    /// `x5c`, `x5u`) are not even looked at: whoever forges a token can also write those.
    pub(crate) fn read(encoded: &str) -> Result<Self, Refused> {
        let mut members = Object::parse_base64(encoded).ok_or(Refused::Malformed)?;
        if members.has_any(&CHANGES_THE_READING) {
            return Err(Refused::Malformed);
        }
        let kind = members.take_text("typ").map_err(|_| Refused::WrongType)?;
        if !is_access_token(&kind) {
            return Err(Refused::WrongType);
        }
        let algorithm = members.take_text("alg").map_err(|_| Refused::Malformed)?;
        let key_id = members.take_text("kid").map_err(|_| Refused::Malformed)?;
        Ok(Self { algorithm, key_id })
    }
}

/// RFC 9068 §4 with RFC 7515 §4.1.9: a media type in any case, its `application/` may be left out.
fn is_access_token(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("at+jwt") || kind.eq_ignore_ascii_case("application/at+jwt")
}
