//! What lets us in at Google: a token for a service account (RFC 7523 §2.1), kept until shortly before it expires.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::Refusal;
use crate::email::first_bytes;

/// What the token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// For how many seconds an assertion is good, as Google wants it.
const GOOD: i64 = 3_600;
/// So long before its end a token is made anew.
const EARLY: Duration = Duration::from_secs(60);
/// For how long Google is left alone when it gives none.
const REST: Duration = Duration::from_secs(30);

/// Not the credentials of a service account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// It is not the JSON that Google gives, or lacks something.
    #[error("it is not the key of a service account, as the Firebase console gives it (JSON)")]
    Json,
    /// Its key is no RSA key.
    #[error("its `private_key` is not an RSA key in PEM")]
    Key,
    /// An address is none, or would take what lets us in over the network in clear.
    #[error("`{0}` is not an https address")]
    Address(String),
}

/// Reads an address of Google's, or of what stands in for it on this machine.
pub(super) fn address(text: &str) -> Result<Url, InvalidCredentials> {
    let wrong = || InvalidCredentials::Address(text.chars().take(200).collect());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let fits = url.scheme() == "https" || (url.scheme() == "http" && is_own);
    if fits && !host.is_empty() { Ok(url) } else { Err(wrong()) }
}

/// A service account. It has no `Debug`: its key is in it.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) project: String,
    account: String,
    key_id: Option<String>,
    key: EncodingKey,
    token_url: Url,
}

#[derive(Deserialize)]
struct File {
    project_id: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl Credentials {
    pub(super) fn read(json: &str, token_url: &str) -> Result<Self, InvalidCredentials> {
        let file: File = serde_json::from_str(json).map_err(|_| InvalidCredentials::Json)?;
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        if !is_name(&file.project_id) {
            return Err(InvalidCredentials::Json);
        }
        let named = if token_url.is_empty() { file.token_uri.as_deref() } else { Some(token_url) };
        let token_url = named.unwrap_or("https://oauth2.googleapis.com/token");
        Ok(Self {
            project: file.project_id,
            account: file.client_email,
            key_id: file.private_key_id,
            key: EncodingKey::from_rsa_pem(file.private_key.as_bytes()).map_err(|_| InvalidCredentials::Key)?,
            token_url: address(token_url)?,
        })
    }

    fn assertion(&self) -> Result<String, jsonwebtoken::errors::Error> {
        let now = kernel::Clock::system().now().unix_seconds();
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        let claims =
            Claims { iss: &self.account, scope: SCOPE, aud: self.token_url.as_str(), iat: now, exp: now + GOOD };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// A token that was given.
struct Given {
    token: String,
    until: Instant,
}

/// The token of today. While one is fetched, all who need it wait for that one.
pub(super) struct Tokens {
    client: Client,
    credentials: Credentials,
    given: Mutex<Option<Given>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenError {
    error: String,
}

impl Tokens {
    pub(super) fn new(client: Client, credentials: Credentials) -> Self {
        Self { client, credentials, given: Mutex::const_new(None) }
    }

    /// A token that is good now.
    pub(super) async fn get(&self) -> Result<String, Refusal> {
        let mut given = self.given.lock().await;
        if let Some(given) = given.as_ref().filter(|given| Instant::now() < given.until) {
            return Ok(given.token.clone());
        }
        self.fetch(&mut given).await
    }

    /// Another one than this, which is not taken any more.
    pub(super) async fn renew(&self, refused: &str) -> Result<String, Refusal> {
        let mut given = self.given.lock().await;
        match given.as_ref() {
            // Somebody else was faster.
            Some(given) if !kernel::secret::equal(given.token.as_bytes(), refused.as_bytes()) => {
                Ok(given.token.clone())
            }
            _ => self.fetch(&mut given).await,
        }
    }

    async fn fetch(&self, given: &mut Option<Given>) -> Result<String, Refusal> {
        *given = None;
        let later = |what: String| Refusal::later(format!("Google gave no token: {what}"), Some(REST));
        let assertion = self.credentials.assertion().map_err(|_| later("the key does not sign".into()))?;
        let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        let asked = self.client.post(self.credentials.token_url.clone()).form(&form).send().await;
        let response = asked
            .map_err(|error| later(if error.is_timeout() { "no answer in time" } else { "no connection" }.into()))?;
        let status = response.status();
        let body = first_bytes(response).await;
        if !status.is_success() {
            let TokenError { error } = serde_json::from_slice(&body).unwrap_or_default();
            let error: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
            return Err(later(format!("{} {error}", status.as_u16())));
        }
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| later("an answer that cannot be read".into()))?;
        let good = Duration::from_secs(answer.expires_in.min(86_400)).saturating_sub(EARLY);
        *given = Some(Given { token: answer.access_token.clone(), until: Instant::now() + good });
        Ok(answer.access_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_us_in_does_not_go_over_the_network_in_clear() {
        for good in
            ["https://oauth2.googleapis.com/token", "http://127.0.0.1:9/token", "http://[::1]:9/", "http://localhost/"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        for wrong in ["http://oauth2.googleapis.com/token", "ftp://127.0.0.1/", "https://", "token", ""] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_is_no_service_account_is_refused_with_the_reason() {
        let read = |json: &str| Credentials::read(json, "").err();
        assert_eq!(read("{}"), Some(InvalidCredentials::Json));
        assert_eq!(read("not JSON"), Some(InvalidCredentials::Json));
        let file = |project: &str| {
            serde_json::json!({"project_id": project, "client_email": "x@y", "private_key": "none"}).to_string()
        };
        assert_eq!(read(&file("harbour")), Some(InvalidCredentials::Key));
        assert_eq!(read(&file("../harbour")), Some(InvalidCredentials::Json));
    }
}
