//! Who is this: the Bearer token, checked here, without asking anybody; and what services behind the
//! door are told about it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, header};
use kernel::{Caller, Timestamp};
use verify::{Claims, Refused, Verifier};

use crate::digits;
use crate::trace::Trace;

/// What a request's token says.
pub(crate) enum Identity {
    /// It is good.
    Known(Arc<Claims>),
    /// There is none.
    Unknown,
    /// It is not good.
    Refused(Refused),
}

/// Reads and checks the token of a request.
pub(crate) fn of(headers: &HeaderMap, verifier: &Verifier, now: Timestamp) -> Identity {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Identity::Unknown };
    // Two of them would let two readers disagree.
    if values.next().is_some() {
        return Identity::Refused(Refused::Malformed);
    }
    let Some(token) = bearer(value.as_bytes()) else { return Identity::Refused(Refused::Malformed) };
    match verifier.check(token, now.unix_seconds()) {
        Ok(claims) => Identity::Known(claims),
        Err(refused) => Identity::Refused(refused),
    }
}

/// The token of `Bearer <token>` (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' ')).filter(|token| !token.is_empty())
}

/// How the tokens of services begin that may have messages sent. An access token never does.
const SERVICE: &str = "ust_";

/// Whether a request shows the token of such a service. Whether it is one, whoever made it says.
pub(crate) fn shows_service(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    bearer(value.as_bytes()).is_some_and(|token| token.starts_with(SERVICE))
}

/// The same for Usher's own services. `None` if it is no person with a session.
pub(crate) fn caller(claims: &Claims) -> Option<Caller> {
    Some(Caller {
        user: claims.sub.parse().ok()?,
        session: claims.sid.parse().ok()?,
        roles: claims.roles.clone(),
        scope: claims.scope.clone(),
        auth_time: Timestamp::from_unix_seconds(claims.auth_time),
        amr: claims.amr.clone(),
        expires_at: Timestamp::from_unix_seconds(claims.exp),
    })
}

pub(crate) const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
pub(crate) const USER_ROLES: HeaderName = HeaderName::from_static("x-user-roles");
pub(crate) const USER_SCOPE: HeaderName = HeaderName::from_static("x-user-scope");
pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");
const USER_TOKEN: HeaderName = HeaderName::from_static("x-user-token");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What other doors say, and what applications behind us may have learned to believe. The samples in
/// `deploy/` remove the same.
const OTHERS: [&str; 33] = [
    "cf-connecting-ip",
    "fastly-client-ip",
    "remote-user",
    "ssl-client-cert",
    "ssl-client-verify",
    "true-client-ip",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-user",
    "x-authenticated-user",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    // Not who somebody is, but what they may: a route was chosen by the real method.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
    "x-roles",
    "x-ssl-client-verify",
    "x-tenant",
    "x-tenant-id",
    "x-user",
    "x-user-email",
    "x-user-groups",
    "x-user-name",
    "x-webauth-user",
];

/// Whether only the door may say this. `name` is in lower case, with dashes.
fn is_ours(name: &str) -> bool {
    match name {
        "x-user-id" | "x-user-roles" | "x-user-scope" | "x-user-token" | "x-session-id" | "x-request-id"
        | "traceparent" | "tracestate" | "forwarded" => true,
        _ => name.starts_with("x-forwarded-") || OTHERS.binary_search(&name).is_ok(),
    }
}

/// Removes what only the door may say, in the spellings that servers behind us might take for the
/// same: case never matters, and CGI and its heirs make one character of all that are no letters.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let mut found: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        let text = name.as_str();
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let hit =
            if is_plain { is_ours(text) } else { is_ours(&text.replace(|c: char| !c.is_ascii_alphanumeric(), "-")) };
        if hit {
            found.push(name.clone());
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// What a service behind the door is told.
pub(crate) struct Told<'a> {
    pub(crate) claims: Option<&'a Claims>,
    /// The same, signed.
    pub(crate) user_token: Option<HeaderValue>,
    pub(crate) client: IpAddr,
    /// The host that the client asked for, with its port.
    pub(crate) authority: &'a str,
    pub(crate) https: bool,
    pub(crate) request_id: &'a str,
    pub(crate) trace: Trace,
}

/// Puts it into the headers, which were [`strip`]ped before. Nothing, if one of the values cannot be
/// a header's: then the service must not be asked at all.
pub(crate) fn tell(headers: &mut HeaderMap, told: Told<'_>) -> Option<()> {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    headers.reserve(11);
    if let Some(claims) = told.claims {
        tell_who(headers, claims)?;
    }
    if let Some(token) = told.user_token {
        headers.insert(USER_TOKEN, token);
    }
    let scheme = if told.https { "https" } else { "http" };
    let mut text = String::with_capacity(96);
    digits::address(&mut text, told.client);
    headers.insert(FORWARDED_FOR, value(&text)?);
    headers.insert(FORWARDED_HOST, value(told.authority)?);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    // RFC 7239 §4: what is no token stands in quotes, and an IPv6 address in brackets.
    let (before, after) = if told.client.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
    text.insert_str(0, before);
    for part in [after, ";host=\"", told.authority, "\";proto=", scheme] {
        text.push_str(part);
    }
    headers.insert(header::FORWARDED, value(&text)?);
    text.clear();
    told.trace.write(&mut text);
    headers.insert(TRACE_PARENT, value(&text)?);
    headers.insert(REQUEST_ID, value(told.request_id)?);
    Some(())
}

/// The four headers that say who asks.
pub(crate) fn tell_who(headers: &mut HeaderMap, claims: &Claims) -> Option<()> {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    headers.insert(USER_ID, value(&claims.sub)?);
    headers.insert(USER_ROLES, value(&claims.roles.join(","))?);
    headers.insert(USER_SCOPE, value(&claims.scope)?);
    headers.insert(SESSION_ID, value(&claims.sid)?);
    Some(())
}

/// Whether a cookie of this name opens something at Usher: no application may see or set it.
fn is_own_cookie(name: &[u8]) -> bool {
    // A cookie without a name whose value is `usher_…=` is sent like one that has that name, and browsers
    // take the prefix in any case.
    let name = name.strip_prefix(b"=").unwrap_or(name).trim_ascii_start();
    let bare = match name.split_at_checked(7) {
        Some((prefix, bare)) if prefix.eq_ignore_ascii_case(b"__Host-") => bare,
        Some(_) | None => name,
    };
    bare.starts_with(b"usher_")
}

/// Takes Usher's own cookies out of a request for somebody's application.
pub(crate) fn hide_cookies(headers: &mut HeaderMap) {
    let holds_ours = |value: &HeaderValue| cookies(value).any(is_own_cookie);
    if !headers.get_all(COOKIE).iter().any(holds_ours) {
        return;
    }
    let theirs: Vec<&[u8]> =
        headers.get_all(COOKIE).iter().flat_map(cookies).filter(|cookie| !is_own_cookie(cookie)).collect();
    let joined = HeaderValue::from_bytes(&theirs.join(&b"; "[..]));
    headers.remove(COOKIE);
    if let Ok(joined) = joined
        && !joined.is_empty()
    {
        headers.insert(COOKIE, joined);
    }
}

fn cookies(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// Takes out of an application's answer what would set one of Usher's own cookies.
pub(crate) fn keep_cookies(headers: &mut HeaderMap) {
    let sets_ours = |value: &HeaderValue| is_own_cookie(value.as_bytes().trim_ascii());
    if headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        let theirs: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|value| !sets_ours(value)).cloned().collect();
        headers.remove(SET_COOKIE);
        for value in theirs {
            headers.append(SET_COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn g1_identity_headers_of_clients_are_removed_in_every_spelling() {
        let mut headers = headers(&[
            ("X-User-Id", "admin"),
            ("x-user-id", "admin"),
            ("x_user_id", "admin"),
            ("X-USER_ROLES", "admin"),
            ("X.User.Scope", "admin"),
            ("x-session-id", "1"),
            ("X-User-Token", "1"),
            ("X-Roles", "admin"),
            ("X-Tenant", "1"),
            ("X-Forwarded-Host", "evil.io"),
            ("x-forwarded_user", "admin"),
            ("Forwarded", "for=1.1.1.1"),
            ("X-Real-IP", "1.1.1.1"),
            ("X-Original-URL", "/admin"),
            ("traceparent", "00-1-1-01"),
            ("accept", "text/html"),
            ("x-user-agent", "grpc-web"),
        ]);
        strip(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-user-agent"]);
    }

    #[test]
    fn g1_the_samples_for_other_proxies_remove_the_same() {
        assert!(OTHERS.is_sorted());
        let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        for sample in ["nginx/usher.conf", "haproxy/haproxy.cfg"] {
            let text = std::fs::read_to_string(deploy.join(sample)).unwrap().replace("[^a-z0-9]", "-");
            let words: Vec<&str> = text.split([' ', '(', '|', ')', '\n']).collect();
            let missing: Vec<_> = OTHERS.iter().filter(|name| !words.contains(*name)).collect();
            assert!(missing.is_empty(), "{sample} lets {missing:?} through");
        }
    }

    #[test]
    fn bearer_is_read_strictly() {
        assert_eq!(bearer(b"Bearer abc"), Some("abc"));
        assert_eq!(bearer(b"bearer abc"), Some("abc"));
        for wrong in [&b"Basic abc"[..], b"Bearer", b"Bearer ", b"abc", b"", b"Bearer\tabc", b"\xff abc"] {
            assert_eq!(bearer(wrong), None);
        }
    }

    #[test]
    fn applications_neither_see_nor_set_usher_s_cookies() {
        let mut asked =
            headers(&[("cookie", "a=b; __Host-usher_session=secret; c=d"), ("cookie", "usher_device=x;e=f")]);
        hide_cookies(&mut asked);
        assert_eq!(asked.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=b; c=d; e=f"]);
        let mut alone = headers(&[("cookie", "usher_session=secret")]);
        hide_cookies(&mut alone);
        assert!(alone.is_empty());
        let mut answer = headers(&[
            ("set-cookie", "usher_session=evil; Path=/"),
            ("set-cookie", "=usher_session=evil"),
            ("set-cookie", "__HOST-usher_session=evil"),
            ("set-cookie", "a=b"),
        ]);
        keep_cookies(&mut answer);
        assert_eq!(answer.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=b"]);
    }

    #[test]
    fn what_services_are_told_is_written_as_the_standards_say() {
        let trace = crate::trace::Traces::new().begin(&HeaderMap::new(), false);
        let mut told = HeaderMap::new();
        let client = "2001:db8::1".parse().unwrap();
        let told_of = Told {
            claims: None,
            user_token: None,
            client,
            authority: "a.example:8443",
            https: true,
            request_id: "x",
            trace,
        };
        tell(&mut told, told_of).unwrap();
        assert_eq!(told[header::FORWARDED], "for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=https");
        assert_eq!(told[FORWARDED_FOR], "2001:db8::1");
        assert!(!told.contains_key(USER_ID));
    }

    #[test]
    fn j15_who_somebody_is_is_their_id_and_nothing_that_can_change_hands() {
        let claims = Claims {
            iss: "https://accounts.example.com".into(),
            sub: "01890000-0000-7000-8000-000000000001".into(),
            aud: "https://accounts.example.com".into(),
            sid: "01890000-0000-7000-8000-000000000002".into(),
            epoch: 1,
            client_id: "usher".into(),
            iat: 0,
            exp: 900,
            jti: "a".into(),
            auth_time: 0,
            amr: vec!["pwd".into()],
            roles: vec!["player".into(), "user".into()],
            scope: "account".into(),
            kid: "key-1".into(),
        };
        let mut told = HeaderMap::new();
        tell_who(&mut told, &claims).unwrap();
        let mut said: Vec<(&str, &str)> =
            told.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        said.sort_unstable();
        assert_eq!(
            said,
            [
                ("x-session-id", claims.sid.as_str()),
                ("x-user-id", claims.sub.as_str()),
                ("x-user-roles", "player,user"),
                ("x-user-scope", "account"),
            ]
        );
        assert_eq!(caller(&claims).unwrap().user.to_string(), claims.sub);
        // What is no id is nobody: an address in `sub` opens nothing.
        assert!(caller(&Claims { sub: "ann@example.com".into(), ..claims }).is_none());
    }
}
