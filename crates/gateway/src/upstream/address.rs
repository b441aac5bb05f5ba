//! Where an upstream is.

use std::fmt;
use std::str::FromStr;

use http::uri::Authority;
use http::{HeaderValue, Uri};

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// TLS, then what the upstream prefers of HTTP/2 and HTTP/1.1.
    Https,
    /// HTTP/2 without TLS, as gRPC services on private networks speak it.
    H2c,
}

impl Protocol {
    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }
}

/// One upstream: `http://host:port`, `https://host:port` or `h2c://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    protocol: Protocol,
    authority: Authority,
    host: String,
    port: u16,
}

/// An address that cannot be used. The message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no address of an upstream: {help}")]
pub(crate) struct InvalidAddress {
    given: String,
    help: &'static str,
}

impl Address {
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Name or address, without the brackets of IPv6.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What goes into `Host`.
    pub(super) fn host_header(&self) -> HeaderValue {
        // An authority holds only bytes that a header value may hold, so the fallback is never seen.
        HeaderValue::from_str(self.authority.as_str()).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let refuse = |help| InvalidAddress { given: text.to_owned(), help };
        let uri: Uri = text.parse().map_err(|_| refuse("write it like http://127.0.0.1:3000"))?;
        let (protocol, usual_port) = match uri.scheme_str() {
            Some("http") => (Protocol::Http, 80),
            Some("https") => (Protocol::Https, 443),
            Some("h2c") => (Protocol::H2c, 80),
            _ => return Err(refuse("begin it with http://, https:// or h2c:// (HTTP/2 without TLS)")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("name a host, like http://127.0.0.1:3000"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("leave out the user name and password"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
            return Err(refuse("leave out the path; `add_prefix` of the route can add one"));
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(refuse("name a host, like http://127.0.0.1:3000"));
        }
        // A port that is there and no number would otherwise count as none.
        let port = match authority.as_str().strip_prefix(host).unwrap_or_default().strip_prefix(':') {
            None => usual_port,
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| refuse("its port is no number from 1 to 65535"))?,
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { protocol, authority: authority.clone(), host: bare, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.protocol.scheme(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly_and_written_as_they_were() {
        for good in ["http://127.0.0.1:3000", "https://quiz.internal", "h2c://[::1]:50051", "http://quiz:80"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        let address: Address = "h2c://[::1]:50051".parse().unwrap();
        assert_eq!((address.host(), address.port(), address.protocol()), ("::1", 50051, Protocol::H2c));
        assert_eq!("https://quiz".parse::<Address>().unwrap().port(), 443);
        for (wrong, help) in [
            ("127.0.0.1:3000", "begin it"),
            ("/quiz", "begin it"),
            ("ftp://quiz", "begin it"),
            ("http://quiz/api", "leave out the path"),
            ("http://quiz?x", "leave out the path"),
            ("http://ann:secret@quiz", "leave out the user"),
            ("http://quiz:0", "port"),
            ("http://quiz:70000", "port"),
            ("http://quiz:", "port"),
            ("", "write it like"),
            ("http://", "write it like"),
        ] {
            let error = wrong.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(help), "{wrong}: {error}");
        }
    }
}
