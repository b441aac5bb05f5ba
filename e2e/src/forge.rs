//! Signing whatever one likes with Usher's own key, as only somebody could who had its database and its master key:
//! for tokens that are wrong in one thing alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::{Database, TestApp, Token};

/// The private key that signs a program's access tokens.
pub struct Forger(Ed25519KeyPair);

impl Forger {
    /// Takes the key that signed this token out of the program's database.
    pub async fn of(app: &TestApp, genuine: &Token) -> Self {
        let master = std::fs::read_to_string(app.data.join("master.key")).expect("the master key");
        let master = STANDARD.decode(master.trim()).expect("base64");
        let key_id: Uuid = genuine.header["kid"].as_str().and_then(|id| id.parse().ok()).expect("the id of a key");
        let sql = match app.database {
            Database::Sqlite => {
                format!("SELECT hex(private_sealed) FROM signing_keys WHERE hex(id) = '{:X}'", key_id.simple())
            }
            Database::Postgres => {
                format!("SELECT encode(private_sealed, 'hex') FROM signing_keys WHERE id = '{key_id}'")
            }
        };
        let sealed = app.look().await.texts(&sql).await.pop().expect("the key is in the database");
        let sealed: Vec<u8> = (0..sealed.len() / 2)
            .map(|at| u8::from_str_radix(&sealed[2 * at..2 * at + 2], 16).expect("hexadecimal"))
            .collect();
        let mut wrapping = [0; 32];
        Salt::new(HKDF_SHA256, b"usher")
            .extract(&master)
            .expand(&[b"usher/v1/key-encryption"], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut wrapping))
            .expect("32 bytes");
        let wrapping = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &wrapping).expect("a key"));
        let (nonce, body) = sealed.split_at(12);
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce");
        let place = [b"signing_keys/private_sealed/", &key_id.as_bytes()[..]].concat();
        let mut body = body.to_vec();
        let private = wrapping.open_in_place(nonce, Aad::from(place), &mut body).expect("it opens");
        Self(Ed25519KeyPair::from_pkcs8_maybe_unchecked(private).expect("an Ed25519 key"))
    }

    /// The token with something changed, and with a signature that holds.
    pub fn sign(&self, genuine: &Token, change: impl FnOnce(&mut Token)) -> String {
        let mut token = genuine.with(change);
        token.signature = self.0.sign(token.signed_text().as_bytes()).as_ref().to_vec();
        token.write()
    }
}
