//! The client's address: the connection's, unless the connection comes from a proxy that the
//! operator trusts.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderValue};

/// A network, as `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: write it like 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1")]
pub struct InvalidNetwork(String);

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        // To trust everybody is to let anybody say who they are.
        if prefix > longest || prefix == 0 { Err(invalid()) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u32::from(network) ^ u32::from(address)) >> (32 - self.prefix.min(32)) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (u128::from(network) ^ u128::from(address)) >> (128 - u32::from(self.prefix)) == 0
            }
            _ => false,
        }
    }
}

/// Whether the operator trusts what comes from this address.
pub(crate) fn is_trusted(peer: IpAddr, trusted: &[Network]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(peer))
}

/// The client's address. `X-Forwarded-For` is read from the right, for as long as who says it is
/// trusted: everything further left could be made up. No other header is looked at.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let lines: Vec<&[u8]> = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    // Whatever is no address ends the chain: what stands further left was not said by whom we trust.
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        let text = std::str::from_utf8(hop).ok();
        let Some(address) = text.and_then(|text| text.trim().parse::<IpAddr>().ok()) else { break };
        client = address.to_canonical();
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        for name in ["x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"] {
            headers.insert(name, "203.0.113.99".parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client_address(address(peer), &headers, &trusted)
    }

    #[test]
    fn l8_nobody_is_trusted_unless_configured() {
        assert_eq!(client("192.0.2.1", &["203.0.113.7"], &[]), address("192.0.2.1"));
        assert_eq!(client("192.0.2.1", &["203.0.113.7"], &["10.0.0.0/8"]), address("192.0.2.1"));
    }

    #[test]
    fn l8_the_rightmost_untrusted_address_is_the_client() {
        let trusted = &["10.0.0.0/8", "127.0.0.1"];
        assert_eq!(client("10.0.0.1", &["203.0.113.7"], trusted), address("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 203.0.113.7, 10.2.2.2"], trusted), address("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "203.0.113.7"], trusted), address("203.0.113.7"));
        assert_eq!(client("::ffff:10.0.0.1", &["203.0.113.7"], trusted), address("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["203.0.113.7, nonsense"], trusted), address("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &[], trusted), address("10.0.0.1"));
    }

    #[test]
    fn everybody_is_no_network() {
        for wrong in ["0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0/8", "", "host"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert!("2001:db8::/32".parse::<Network>().unwrap().contains(address("2001:db8:ffff::1")));
    }
}
