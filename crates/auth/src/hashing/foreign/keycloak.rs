//! What Keycloak's realm export has of a password: two JSON texts, `credentialData` with the parameters and
//! `secretData` with salt and hash.

use argon2::{Algorithm, Version};
use serde::Deserialize;

use super::encoding::from_base64;
use super::{Digest, ForeignArgon2, ForeignHash, Pbkdf2, Unacceptable};
use crate::hashing::Cost;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: AdditionalParameters,
}

/// Each is a list of one text.
#[derive(Default, Deserialize)]
struct AdditionalParameters {
    #[serde(default)]
    memory: Vec<String>,
    #[serde(default)]
    parallelism: Vec<String>,
    #[serde(default, rename = "type")]
    kind: Vec<String>,
    #[serde(default)]
    version: Vec<String>,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

/// Reads both.
pub(super) fn parse(credential_data: &str, secret_data: &str) -> Result<ForeignHash, Unacceptable> {
    let malformed = Unacceptable::Malformed("one of Keycloak's");
    let data: CredentialData = serde_json::from_str(credential_data).map_err(|_| malformed)?;
    let SecretData { value, salt } = serde_json::from_str(secret_data).map_err(|_| malformed)?;
    let (salt, tag) = (from_base64(&salt).ok_or(malformed)?, from_base64(&value).ok_or(malformed)?);
    let pbkdf2 = |digest| Pbkdf2::new(digest, data.hash_iterations, salt.clone(), tag.clone()).map(ForeignHash::Pbkdf2);
    match data.algorithm.as_str() {
        "pbkdf2" => pbkdf2(Digest::Sha1),
        "pbkdf2-sha256" => pbkdf2(Digest::Sha256),
        "pbkdf2-sha512" => pbkdf2(Digest::Sha512),
        "argon2" => argon2(&data, salt, tag).unwrap_or(Err(malformed)),
        _ => Err(Unacceptable::Unknown),
    }
}

fn argon2(data: &CredentialData, salt: Vec<u8>, tag: Vec<u8>) -> Option<Result<ForeignHash, Unacceptable>> {
    let parameters = &data.additional_parameters;
    let algorithm = match parameters.kind.first()?.as_str() {
        "id" => Algorithm::Argon2id,
        "i" => Algorithm::Argon2i,
        "d" => Algorithm::Argon2d,
        _ => return None,
    };
    let version = match parameters.version.first()?.as_str() {
        "1.3" => Version::V0x13,
        "1.0" => Version::V0x10,
        _ => return None,
    };
    let cost = Cost {
        memory_kib: parameters.memory.first()?.parse().ok()?,
        passes: data.hash_iterations,
        lanes: parameters.parallelism.first()?.parse().ok()?,
    };
    Some(ForeignArgon2::new(algorithm, version, cost, salt, tag).map(ForeignHash::Argon2))
}
