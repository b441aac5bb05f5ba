//! The address that people use.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

/// Tokens and cookies are for whoever can read the connection, so only loopback may do without TLS.
pub(super) fn check_public_url(url: &str, listen: SocketAddr) -> Result<()> {
    if url.is_empty() {
        if listen.ip().is_loopback() {
            return Ok(());
        }
        bail!(
            "`public_url` is missing: `listen` is {listen}, which others can reach. Set it to the https address that they use, and let a TLS proxy listen there"
        );
    }
    let (scheme, rest) = url
        .split_once("://")
        .with_context(|| format!("`public_url` is `{url}`: write it like https://accounts.example.com"))?;
    let host_port = rest.trim_end_matches('/');
    if host_port.is_empty() || host_port.contains(['/', '?', '#', '@', ' ']) {
        bail!("`public_url` is `{url}`: write scheme and host only, like https://accounts.example.com");
    }
    let host = without_port(host_port);
    let port = host_port.strip_prefix(host).unwrap_or_default().strip_prefix(':');
    if host.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        bail!(
            "`public_url` is `{url}`: write it like https://accounts.example.com or https://accounts.example.com:8443"
        );
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_local(host) && listen.ip().is_loopback() => Ok(()),
        _ => bail!(
            "`public_url` is `{url}`: without https everybody on the way can read passwords. Use https, or http only with a loopback host and a loopback `listen`"
        ),
    }
}

fn without_port(host_port: &str) -> &str {
    match host_port.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => host_port,
    }
}

/// Whether a host is this machine, whoever asks.
fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]") || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a public address leads to this machine alone; without one, it is `localhost`.
pub(super) fn is_local_url(url: &str) -> bool {
    url.split_once("://").is_none_or(|(_, rest)| is_local(without_port(rest.trim_end_matches('/'))))
}
