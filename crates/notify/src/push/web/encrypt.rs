//! A message for one browser and nobody between (RFC 8291), in one record of `aes128gcm` (RFC 8188).

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use kernel::secret::random_bytes;

/// The size of a record (RFC 8188 §2.1): all of a message is in one.
const RECORD: u32 = 4_096;
/// An uncompressed point of P-256.
pub(super) const POINT: usize = 65;
/// What a browser calls `auth`.
pub(super) const SECRET: usize = 16;
/// The longest plain text: what a push service has to take (RFC 8291 §4), without head, padding and tag.
pub(crate) const LONGEST: usize = 4_096 - 16 - 4 - 1 - POINT - 1 - 16;

/// The keys of a subscription, as a browser gives them.
#[derive(Clone)]
pub(super) struct Keys {
    /// `p256dh`: the browser's public key.
    pub(super) public: [u8; POINT],
    /// `auth`: what only the browser and we know.
    pub(super) secret: [u8; SECRET],
}

/// A message cannot be encrypted: the browser's key is no point, or the text is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription has no good key, or the message is too long")]
pub(super) struct NotEncrypted;

impl From<aws_lc_rs::error::Unspecified> for NotEncrypted {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

impl From<aws_lc_rs::error::KeyRejected> for NotEncrypted {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self
    }
}

/// So many bytes out of a key of HKDF.
struct Bytes<const N: usize>;

impl<const N: usize> KeyType for Bytes<N> {
    fn len(&self) -> usize {
        N
    }
}

fn expand<const N: usize>(from: &Prk, info: &[&[u8]]) -> Result<[u8; N], NotEncrypted> {
    let mut out = [0; N];
    from.expand(info, Bytes::<N>)?.fill(&mut out)?;
    Ok(out)
}

/// Whether this is a point that a message can be encrypted for.
pub(super) fn is_good(public: &[u8; POINT]) -> bool {
    PrivateKey::generate(&ECDH_P256).is_ok_and(|own| {
        agreement::agree(&own, UnparsedPublicKey::new(&ECDH_P256, public), NotEncrypted, |_| Ok(())).is_ok()
    })
}

/// Encrypts a message: salt, size, our public key, and one record.
pub(super) fn encrypt(to: &Keys, plain: &[u8]) -> Result<Vec<u8>, NotEncrypted> {
    encrypt_with(to, plain, &PrivateKey::generate(&ECDH_P256)?, random_bytes::<16>())
}

fn encrypt_with(to: &Keys, plain: &[u8], own: &PrivateKey, salt: [u8; 16]) -> Result<Vec<u8>, NotEncrypted> {
    if plain.len() > LONGEST {
        return Err(NotEncrypted);
    }
    let public = own.compute_public_key()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &to.public);
    // RFC 8291 §3.3 and §3.4.
    let key = agreement::agree(own, theirs, NotEncrypted, |shared| {
        let combined = Salt::new(HKDF_SHA256, &to.secret).extract(shared);
        expand::<32>(&combined, &[b"WebPush: info\0", &to.public, public.as_ref()])
    })?;
    let key = Salt::new(HKDF_SHA256, &salt).extract(&key);
    let content = expand::<16>(&key, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = expand::<12>(&key, &[b"Content-Encoding: nonce\0"])?;
    let mut record = plain.to_vec();
    // The last record ends in a 2 (RFC 8188 §2).
    record.push(2);
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content)?);
    sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)?;
    let length = u8::try_from(public.as_ref().len()).map_err(|_| NotEncrypted)?;
    Ok([&salt[..], &RECORD.to_be_bytes(), &[length], public.as_ref(), &record].concat())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    fn keys() -> Keys {
        Keys {
            public: bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
            secret: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        }
    }

    /// The example of RFC 8291, appendix A.
    #[test]
    fn a_message_is_the_one_of_the_standard() {
        let own = PrivateKey::from_private_key(&ECDH_P256, &bytes::<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
            .unwrap();
        let plain = b"When I grow up, I want to be a watermelon";
        let encrypted = encrypt_with(&keys(), plain, &own, bytes("DGv6ra1nlYgDCS1FRnbzlw")).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w\
            EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(encrypted), expected);
    }

    #[test]
    fn what_is_too_long_or_for_no_point_is_refused_and_no_two_messages_are_alike() {
        assert!(encrypt(&keys(), &[b'x'; LONGEST]).is_ok_and(|message| message.len() == 4_096));
        assert_eq!(encrypt(&keys(), &[b'x'; LONGEST + 1]), Err(NotEncrypted));
        assert_ne!(encrypt(&keys(), b"x"), encrypt(&keys(), b"x"));
        let mut off = keys();
        off.public[40] ^= 1;
        assert_eq!(encrypt(&off, b"x"), Err(NotEncrypted));
        assert!(is_good(&keys().public) && !is_good(&off.public) && !is_good(&[4; POINT]));
    }
}
