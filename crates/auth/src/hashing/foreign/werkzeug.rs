//! The forms of Werkzeug, which Flask applications use: `scrypt:32768:8:1$salt$hex` and
//! `pbkdf2:sha256:600000$salt$hex`. Salts are text there.

use super::encoding::from_hex;
use super::{Digest, ForeignHash, Pbkdf2, Scrypt, Unacceptable};

/// Reads one; nothing if it does not begin like one.
pub(super) fn parse(text: &str) -> Option<Result<ForeignHash, Unacceptable>> {
    let parts: Vec<&str> = text.split('$').collect();
    let [method, salt, tag] = parts[..] else { return None };
    let words: Vec<&str> = method.split(':').collect();
    match words[..] {
        ["scrypt", n, r, p] => {
            let read = || Some((n.parse().ok()?, r.parse().ok()?, p.parse().ok()?, from_hex(tag)?));
            let Some((n, r, p, tag)) = read() else { return Some(Err(Unacceptable::Malformed("scrypt"))) };
            Some(Scrypt::new(n, r, p, salt.as_bytes().to_vec(), tag).map(ForeignHash::Scrypt))
        }
        ["pbkdf2", digest, rounds] => {
            let read = || Some((Digest::by_name(digest)?, rounds.parse().ok()?, from_hex(tag)?));
            let Some((digest, rounds, tag)) = read() else { return Some(Err(Unacceptable::Malformed("PBKDF2"))) };
            Some(Pbkdf2::new(digest, rounds, salt.as_bytes().to_vec(), tag).map(ForeignHash::Pbkdf2))
        }
        _ => None,
    }
}
