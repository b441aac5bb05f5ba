//! Where something may be sent.
//!
//! Only https, only to addresses of the public Internet, asked at every connection, of the address that is really
//! connected to. A server whose own public address is `http://localhost…` is somebody's desk: there, local receivers
//! are fine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// The longest address.
const LONGEST: usize = 2048;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public Internet, by https.
    Public,
    /// Those and this machine's own, which may also be spoken to plainly.
    Local,
}

impl Reach {
    /// What is right for a server with this public address.
    pub fn of(origin: &str) -> Self {
        let uri = origin.parse::<Uri>().ok();
        let local = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && is_loopback_host(&uri));
        if local { Self::Local } else { Self::Public }
    }

    /// Whether this address may be connected to.
    pub fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || (self == Self::Local && address.is_loopback())
    }
}

/// Not an address to send anything to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Use an https address on the public Internet, without user name and fragment, at port 443 or one from 1024 on."
)]
pub struct InvalidDestination;

/// An address that something may be sent to. Where a name leads is looked at later, at each connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination(Uri);

impl Destination {
    /// Reads an address.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, InvalidDestination> {
        let uri: Uri = text.parse().map_err(|_| InvalidDestination)?;
        let authority = uri.authority().ok_or(InvalidDestination)?;
        let plain_is_fine = reach == Reach::Local && is_loopback_host(&uri);
        let scheme_fits = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => plain_is_fine,
            _ => false,
        };
        // Below 1024 something else than a receiver listens: whoever names the address is not to make us knock there.
        let port_fits = reach == Reach::Local || uri.port_u16().is_none_or(|port| port == 443 || port >= 1024);
        let whole = text.len() <= LONGEST && !text.contains('#') && !authority.as_str().contains('@');
        if scheme_fits && host_fits(&uri, reach) && port_fits && whole {
            Ok(Self(uri))
        } else {
            Err(InvalidDestination)
        }
    }

    /// As text, as it was written.
    pub fn as_text(&self) -> String {
        self.0.to_string()
    }

    /// Scheme, host and port, as the `aud` of RFC 8292 §2 has them.
    pub fn origin(&self) -> String {
        let authority = self.0.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        format!("{}://{authority}", self.0.scheme_str().unwrap_or("https"))
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.0
    }
}

/// Paths and queries of such addresses are often all that keeps others from using them: they are in no log.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({}/…)", self.origin())
    }
}

/// A host without the brackets of an IPv6 address and without the dot that says that a name is whole.
pub(crate) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}

/// Whether there is a host that does not say by itself that it is inside.
fn host_fits(uri: &Uri, reach: Reach) -> bool {
    let host = bare(uri.host().unwrap_or_default());
    if let Ok(address) = host.parse::<IpAddr>() {
        return reach.allows(address);
    }
    let name = host.to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    // What ends in a number is an address in another spelling, to some resolvers: `127.1`, `0x7f000001`, `2130706433`.
    let is_number = last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    let is_own = last == "localhost" && reach == Reach::Public;
    !name.is_empty() && !is_number && !is_own
}

/// The address in an URL that has no name.
fn literal(uri: &Uri) -> Option<IpAddr> {
    bare(uri.host()?).parse().ok()
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
    fn h1_addresses_inside_are_never_public() {
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
    fn h1_a_destination_is_https_or_on_this_desk() {
        assert_eq!(Reach::of("https://id.example.com"), Reach::Public);
        assert_eq!(Reach::of("http://id.example.com"), Reach::Public);
        assert_eq!(Reach::of("https://localhost"), Reach::Public);
        assert_eq!(Reach::of("http://localhost:8080"), Reach::Local);
        assert!(Destination::parse("https://receiver.example.com/events?x=1", Reach::Public).is_ok());
        assert!(Destination::parse("https://receiver.example.com:8443/", Reach::Public).is_ok());
        assert!(Destination::parse("http://127.0.0.1:9/events", Reach::Local).is_ok());
        let bad = [
            "http://receiver.example.com/",
            "http://localhost/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1:8443/",
            "https://127.0.0.1./",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://[::]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::a00:1]/",
            "https://localhost/",
            "https://localhost./",
            "https://LOCALHOST/",
            "https://inside.localhost/",
            "https://:443/",
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
            assert!(Destination::parse(text, Reach::Public).is_err(), "{text}");
        }
        assert!(Destination::parse("http://receiver.example.com/", Reach::Local).is_err());
        assert!(Destination::parse("https://192.168.0.1/", Reach::Local).is_err());
    }
}
