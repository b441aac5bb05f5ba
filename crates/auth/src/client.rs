//! What is known of the browser or program that signs in.

use std::net::IpAddr;

/// What a session is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// The pages, by cookie.
    Browser,
    /// The API, by access and refresh tokens.
    Api,
}

impl SessionKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Api => "api",
        }
    }
}

/// The client, for the list of sessions.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// What it says it is, at most 256 bytes.
    pub user_agent: String,
    /// What its owner calls it, at most 100 characters.
    pub device_name: Option<String>,
    /// Pages or API.
    pub kind: SessionKind,
    /// Whether the session outlives the browser window.
    pub keep: bool,
}
