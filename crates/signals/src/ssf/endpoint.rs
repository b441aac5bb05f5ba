//! Where a receiver may have its tokens pushed to.
//!
//! The receiver names the address and we send a request to it: without limits, anybody with a
//! receiver's token could make this server talk to its neighbours. So only https, only to addresses of
//! the public Internet, asked at every connection, of the address that is really connected to. A server
//! whose own public address is `http://localhost…` is somebody's desk: there, local receivers are fine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;

/// The longest address.
const LONGEST: usize = 2048;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of the public Internet, by https.
    Public,
    /// Those and this machine's own, which may also be spoken to plainly.
    Local,
}

impl Reach {
    /// What is right for a server with this public address.
    pub(super) fn of(issuer: &str) -> Self {
        let uri = issuer.parse::<Uri>().ok();
        let local = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && is_loopback_host(&uri));
        if local { Self::Local } else { Self::Public }
    }

    /// Whether this address may be connected to.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || (self == Self::Local && address.is_loopback())
    }
}

/// Not an address to push to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint has to be an https address on the public Internet, without user name, fragment or odd port")]
pub(super) struct InvalidEndpoint;

/// Reads an address. A name is looked up later, at each connection.
pub(super) fn parse(text: &str, reach: Reach) -> Result<Uri, InvalidEndpoint> {
    let uri: Uri = text.parse().map_err(|_| InvalidEndpoint)?;
    let authority = uri.authority().ok_or(InvalidEndpoint)?;
    let plain_is_fine = reach == Reach::Local && is_loopback_host(&uri);
    let scheme_fits = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => plain_is_fine,
        _ => false,
    };
    let literal_fits = literal(&uri).is_none_or(|address| reach.allows(address));
    // Below 1024 something else than a receiver listens: whoever has a token is not to make us knock there.
    let port_fits = reach == Reach::Local || uri.port_u16().is_none_or(|port| port == 443 || port >= 1024);
    let whole = text.len() <= LONGEST && !text.contains('#') && !authority.as_str().contains('@');
    if scheme_fits && literal_fits && port_fits && whole { Ok(uri) } else { Err(InvalidEndpoint) }
}

/// The address in an URL that has no name.
fn literal(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_loopback_host(uri: &Uri) -> bool {
    uri.host() == Some("localhost") || literal(uri).is_some_and(|address| address.is_loopback())
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Everything but the special addresses (IANA's IPv4 Special-Purpose Address Registry, RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)          // this network, private, loopback, multicast, reserved
            | (100, 64..=127, _)                  // shared by carriers
            | (169, 254, _)                       // link-local: the metadata services of clouds
            | (172, 16..=31, _) | (192, 168, _)   // private
            | (192, 0, 0 | 2) | (192, 88, 99)     // protocols, documentation, 6to4 relays
            | (198, 18 | 19, _)                   // benchmarks
            | (198, 51, 100) | (203, 0, 113) // documentation
    );
    !special
}

/// Global unicast, without what carries an IPv4 address inside and without documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global_unicast = first & 0xe000 == 0x2000;
    let special = match (first, second) {
        (0x2001, second) => second < 0x0200 || second == 0x0db8, // protocols, Teredo among them; documentation
        (0x2002 | 0x3fff, _) => true,                            // 6to4, documentation
        _ => false,
    };
    is_global_unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4_addresses_inside_are_never_public() {
        let inside = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.5",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:0:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ];
        for text in inside {
            assert!(!Reach::Public.allows(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450:4001::200e"] {
            assert!(Reach::Public.allows(text.parse().unwrap()), "{text}");
        }
        assert!(Reach::Local.allows("127.0.0.1".parse().unwrap()));
        assert!(Reach::Local.allows("::1".parse().unwrap()));
        assert!(!Reach::Local.allows("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn e4_an_endpoint_is_https_or_on_this_desk() {
        assert_eq!(Reach::of("https://id.example.com"), Reach::Public);
        assert_eq!(Reach::of("http://id.example.com"), Reach::Public);
        assert_eq!(Reach::of("https://localhost"), Reach::Public);
        assert_eq!(Reach::of("http://localhost:8080"), Reach::Local);
        assert!(parse("https://receiver.example.com/events?x=1", Reach::Public).is_ok());
        assert!(parse("https://receiver.example.com:8443/", Reach::Public).is_ok());
        assert!(parse("http://127.0.0.1:9/events", Reach::Local).is_ok());
        let bad = [
            "http://receiver.example.com/",
            "http://localhost/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1:8443/",
            "https://receiver.example.com:22/",
            "https://receiver.example.com:25/",
            "https://receiver.example.com:0/",
            "https://user@receiver.example.com/",
            "https://receiver.example.com/#x",
            "ftp://receiver.example.com/",
            "/events",
            "",
        ];
        for text in bad {
            assert!(parse(text, Reach::Public).is_err(), "{text}");
        }
        assert!(parse("http://receiver.example.com/", Reach::Local).is_err());
        assert!(parse("https://192.168.0.1/", Reach::Local).is_err());
    }
}
