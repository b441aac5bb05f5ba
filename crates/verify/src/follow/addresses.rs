//! Where Usher is: one address or several, and which of them is asked now.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::Uri;

use super::FollowError;

/// One node of Usher, with the paths that a follower asks for.
pub(super) struct Address {
    pub(super) keys: Uri,
    pub(super) position: Uri,
    pub(super) is_https: bool,
    feed: String,
}

impl Address {
    fn parse(url: &str) -> Result<Self, FollowError> {
        let base = url.strip_suffix('/').unwrap_or(url);
        let parsed: Uri = base.parse().map_err(|_| FollowError::Url)?;
        let scheme = parsed.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let is_https = scheme.ok_or(FollowError::Url)? == "https";
        if parsed.query().is_some() || base.contains('#') || parsed.authority().is_none_or(|a| a.as_str().contains('@'))
        {
            return Err(FollowError::Url);
        }
        let at = |path: &str| format!("{base}{path}").parse().map_err(|_| FollowError::Url);
        Ok(Self {
            keys: at("/.well-known/jwks.json")?,
            position: at("/api/v1/feed/position")?,
            is_https,
            feed: format!("{base}/api/v1/feed/revocations"),
        })
    }

    /// The feed after a ledger number, or from its beginning.
    pub(super) fn feed(&self, after: Option<i64>) -> String {
        after.map_or_else(|| self.feed.clone(), |after| format!("{}?after={after}", self.feed))
    }
}

/// All nodes, in the order in which they were named.
pub(super) struct Addresses(Vec<Address>);

impl Addresses {
    pub(super) fn parse<'u>(urls: impl Iterator<Item = &'u str>) -> Result<Self, FollowError> {
        let all: Vec<Address> = urls.map(Address::parse).collect::<Result<_, _>>()?;
        if all.is_empty() { Err(FollowError::Url) } else { Ok(Self(all)) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The address that it is the turn of.
    pub(super) fn now(&self, turn: &Turn) -> &Address {
        let place = turn.0.load(Ordering::Relaxed) % self.0.len();
        &self.0[place]
    }
}

/// Whose turn it is. An address that answers keeps its turn, so a node that comes back is not crowded
/// at once by everybody who had left it.
#[derive(Default)]
pub(super) struct Turn(AtomicUsize);

impl Turn {
    /// The one that had its turn has failed.
    pub(super) fn pass(&self) {
        // It may wrap around: then some address is left out once.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
