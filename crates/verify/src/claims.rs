//! The claims of an access token.

use crate::Refused;
use crate::json::{Json, Object, optional};

/// What the issuer says about the caller (RFC 9068 §2.2). Times are seconds since 1970. The pair
/// of [`iss`](Self::iss) and [`sub`](Self::sub) is who the caller is; nothing else in a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The issuer's address, equal to [`Settings::issuer`](crate::Settings::issuer).
    pub iss: String,
    /// The user's id.
    pub sub: String,
    /// The one audience, equal to [`Settings::audience`](crate::Settings::audience).
    pub aud: String,
    /// The id of the session that the token was made in.
    pub sid: String,
    /// The user's epoch when the token was made. A revocation names the lowest one still good.
    pub epoch: i64,
    /// The client that asked for the token.
    pub client_id: String,
    /// When the token was made.
    pub iat: i64,
    /// When it expires. It is accepted for [`Settings::leeway_seconds`](crate::Settings) longer.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
    /// When the user last proved who they are.
    pub auth_time: i64,
    /// How they proved it (RFC 8176). Empty when the token does not say, which proves nothing.
    pub amr: Vec<String>,
    /// The user's roles. Empty when the token does not say.
    pub roles: Vec<String>,
    /// What the token allows, words with spaces between. Empty when the token does not say.
    pub scope: String,
    /// Which key signed the token. It is from the header and no claim, and it is kept because whoever
    /// holds a connection open has to notice when the key is withdrawn
    /// ([`Verifier::is_still_good`](crate::Verifier::is_still_good)).
    pub kid: String,
}

impl Claims {
    /// Reads the second part of a token whose signature was verified with the key of this `kid`. The
    /// number beside the claims is when the token begins to be valid: the later one of `iat` and `nbf`.
    pub(crate) fn read(encoded: &str, kid: String) -> Result<(Self, i64), Refused> {
        let mut members = Object::parse_base64(encoded).ok_or(Refused::Malformed)?;
        let claims = Self {
            iss: members.take_text("iss")?,
            sub: members.take_text("sub")?,
            aud: audience(&mut members)?,
            sid: members.take_text("sid")?,
            epoch: members.take_integer("epoch")?,
            client_id: members.take_text("client_id")?,
            iat: members.take_integer("iat")?,
            exp: members.take_integer("exp")?,
            jti: members.take_text("jti")?,
            auth_time: members.take_integer("auth_time")?,
            amr: optional(members.take_texts("amr"))?.unwrap_or_default(),
            roles: optional(members.take_texts("roles"))?.unwrap_or_default(),
            scope: match optional(members.take("scope"))? {
                None => String::new(),
                Some(Json::Text(scope)) => scope,
                Some(_) => return Err(Refused::Malformed),
            },
            kid,
        };
        let not_before = optional(members.take_integer("nbf"))?.unwrap_or(claims.iat).max(claims.iat);
        Ok((claims, not_before))
    }
}

/// A text or a list of one text. A token that is good at several services is not taken: any one of
/// them could use it at the others.
fn audience(members: &mut Object) -> Result<String, Refused> {
    match members.take("aud")? {
        Json::Text(audience) => Ok(audience),
        Json::List(list) => match <[Json; 1]>::try_from(list) {
            Ok([Json::Text(audience)]) => Ok(audience),
            Ok(_) => Err(Refused::Malformed),
            Err(_) => Err(Refused::WrongAudience),
        },
        _ => Err(Refused::Malformed),
    }
}
