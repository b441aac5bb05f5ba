//! The forms of Django's `auth_user.password`: a name, `$`, and what the name says. Salts are text there,
//! used as it stands.

use super::encoding::from_base64;
use super::{Bcrypt, Digest, ForeignArgon2, ForeignHash, Pbkdf2, Scrypt, Unacceptable};

/// Reads one; nothing if it does not begin like one.
pub(super) fn parse(text: &str) -> Option<Result<ForeignHash, Unacceptable>> {
    let (name, rest) = text.split_once('$')?;
    Some(match name {
        "pbkdf2_sha256" => pbkdf2(Digest::Sha256, rest),
        "pbkdf2_sha1" => pbkdf2(Digest::Sha1, rest),
        "argon2" => ForeignArgon2::parse(&format!("${rest}")).map(ForeignHash::Argon2),
        "bcrypt" => Bcrypt::parse(rest).map(ForeignHash::Bcrypt),
        "bcrypt_sha256" => Bcrypt::parse(rest).map(|hash| ForeignHash::Bcrypt(hash.over_sha256())),
        "scrypt" => scrypt(rest),
        _ => return None,
    })
}

/// `iterations$salt$base64`.
fn pbkdf2(digest: Digest, rest: &str) -> Result<ForeignHash, Unacceptable> {
    let parts: Vec<&str> = rest.split('$').collect();
    let malformed = Unacceptable::Malformed("PBKDF2");
    let [rounds, salt, tag] = parts[..] else { return Err(malformed) };
    let (rounds, tag) = (rounds.parse().map_err(|_| malformed)?, from_base64(tag).ok_or(malformed)?);
    Pbkdf2::new(digest, rounds, salt.as_bytes().to_vec(), tag).map(ForeignHash::Pbkdf2)
}

/// `N$salt$r$p$base64`.
fn scrypt(rest: &str) -> Result<ForeignHash, Unacceptable> {
    let parts: Vec<&str> = rest.split('$').collect();
    let malformed = Unacceptable::Malformed("scrypt");
    let [n, salt, r, p, tag] = parts[..] else { return Err(malformed) };
    let (n, tag) = (n.parse().map_err(|_| malformed)?, from_base64(tag).ok_or(malformed)?);
    let (r, p) = (r.parse().map_err(|_| malformed)?, p.parse().map_err(|_| malformed)?);
    Scrypt::new(n, r, p, salt.as_bytes().to_vec(), tag).map(ForeignHash::Scrypt)
}
