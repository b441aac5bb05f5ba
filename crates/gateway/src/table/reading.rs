//! What an operator wrote in a route, key by key, as what the gateway works with; or what is wrong with
//! it and what to write instead.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderName, HeaderValue, Method};

use crate::limits::{Limit, Per};
use crate::route::{Path, Rewriting};
use crate::spec::{self, LimitSpec, PerSpec, RouteSpec};
use crate::upstream;

/// What an operator writes and nobody reads would be believed.
pub(super) fn refuse_what_has_no_effect(spec: &RouteSpec) -> Result<(), String> {
    if spec.service.is_empty() {
        return Ok(());
    }
    let plain = RouteSpec::default();
    let kept = [
        ("strip_prefix", spec.strip_prefix == plain.strip_prefix),
        ("add_prefix", spec.add_prefix == plain.add_prefix),
        ("body_limit", spec.body_limit == plain.body_limit),
        ("timeout", spec.timeout == plain.timeout),
        ("retries", spec.retries == plain.retries),
        ("identity", spec.identity == plain.identity),
        ("health", spec.health == plain.health),
    ];
    match kept.iter().find(|(_, is_plain)| !is_plain) {
        Some((key, _)) => Err(format!("`{key}` has no effect with `service`: leave it out")),
        None => Ok(()),
    }
}

/// Headers that say how an answer is framed, which is not the operator's to change.
const FRAMING: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Names live as long as the process: metrics and log lines of all threads refer to them, and a reload
/// brings few new ones.
pub(super) fn name_of(name: &str) -> Result<&'static str, String> {
    static NAMES: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
    if !fits {
        return Err("`name` has to be 1 to 64 of a-z, 0-9, - and _".into());
    }
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(names.entry(name.to_owned()).or_insert_with(|| Box::leak(name.to_owned().into_boxed_str())))
}

pub(super) fn host_of(host: &str) -> Result<String, String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let fits = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    if fits { Ok(host) } else { Err(format!("`host` is `{host}`: write a name like quiz.example.com, without a port")) }
}

pub(super) fn methods_of(methods: &[String]) -> Result<Vec<Method>, String> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let read = |method: &String| match known.iter().find(|known| *known == method) {
        Some(known) => Method::from_str(known).map_err(|error| error.to_string()),
        None => Err(format!("`methods` has `{method}`: use {}", known.join(", "))),
    };
    let mut read: Vec<Method> = methods.iter().map(read).collect::<Result<_, _>>()?;
    // Whoever may GET may ask for the head alone (RFC 9110 §9.3.2).
    if read.contains(&Method::GET) && !read.contains(&Method::HEAD) {
        read.push(Method::HEAD);
    }
    Ok(read)
}

/// The names of permissions. Which roles have them is looked up for every request.
pub(super) fn permissions_of(names: &[String]) -> Result<Vec<String>, String> {
    match names.iter().find(|name| kernel::permission::check_name(name).is_err()) {
        Some(wrong) => Err(format!("`permissions` has `{wrong}`: {}", kernel::permission::InvalidPermission)),
        None => Ok(names.to_vec()),
    }
}

pub(super) fn limits_of(name: &str, specs: &[LimitSpec]) -> Result<Vec<Limit>, String> {
    let read = |(number, spec): (usize, &LimitSpec)| {
        let every = spec::rate(&spec.rate)
            .ok_or_else(|| format!("`limits` has the rate `{}`: write it like 100/s, 60/m or 1000/h", spec.rate))?;
        let per = match spec.per {
            PerSpec::Ip => Per::Address,
            PerSpec::User => Per::User,
            PerSpec::Route => Per::Route,
        };
        let in_a_second = u32::try_from(1_000_000_000 / every.as_nanos().max(1)).unwrap_or(u32::MAX);
        let burst = if spec.burst == 0 { in_a_second.max(1) } else { spec.burst };
        Ok(Limit { bucket: bucket_of(name, number), per, every, burst, writes_only: false })
    };
    specs.iter().enumerate().map(read).collect()
}

/// A number that stays the same over reloads and is none of the small ones of Usher's own limits.
fn bucket_of(route: &str, number: usize) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    route.bytes().chain(number.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, fnv) | 1 << 63
}

pub(super) fn rewriting_of(spec: &RouteSpec, path: &Path) -> Result<Option<Rewriting>, String> {
    let (strip, add) = (spec.strip_prefix.trim_end_matches('/'), spec.add_prefix.trim_end_matches('/'));
    let (strip, add) = (strip.to_owned(), add.to_owned());
    let rest = path.beginning();
    let rest = rest.strip_prefix(&strip);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(format!("`strip_prefix` is `{strip}`, and `path` does not begin with that"));
    }
    if !add.is_empty() && !crate::path::is_plain(&add) {
        return Err(format!("`add_prefix` is `{add}`: write it like /v2"));
    }
    Ok((!strip.is_empty() || !add.is_empty()).then_some(Rewriting { strip, add }))
}

pub(super) fn headers_of(headers: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let read = |(name, value): (&String, &String)| match (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_str(value),
    ) {
        (Ok(name), _) if FRAMING.contains(&name.as_str()) => {
            Err(format!("`response_headers` has `{name}`, which is not a route's to set"))
        }
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(format!("`response_headers` has `{name}`, which cannot be sent as a header")),
    };
    headers.iter().map(read).collect()
}

pub(super) fn upstream_settings(spec: &RouteSpec) -> Result<upstream::Settings, String> {
    let time = |key: &str, text: &str| {
        spec::duration(text).ok_or_else(|| format!("`{key}` is `{text}`: write it like 500ms, 10s or 5m"))
    };
    let addresses = spec.upstreams.iter().map(|text| text.parse().map_err(|error| format!("`upstreams`: {error}")));
    if spec.retries > 5 {
        return Err("`retries` is more than 5".into());
    }
    if let Some(wrong) = spec.health.as_ref().map(|health| &health.path).filter(|path| !crate::path::is_plain(path)) {
        return Err(format!("`health.path` is `{wrong}`: write it like /health"));
    }
    Ok(upstream::Settings {
        addresses: addresses.collect::<Result<_, _>>()?,
        connect: time("timeout.connect", &spec.timeout.connect)?,
        first_byte: time("timeout.first_byte", &spec.timeout.first_byte)?,
        total: time("timeout.total", &spec.timeout.total)?,
        retries: spec.retries,
        health_path: spec.health.as_ref().map(|health| health.path.clone()),
        health_every: time("health.every", spec.health.as_ref().map_or("2s", |health| &health.every))?,
    })
}
