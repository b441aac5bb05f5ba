//! `mail.url`: where mail goes, in one line.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::{Provider, Security, SendGridSettings, SmtpSettings};

/// Not an address that mail can be handed to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMailUrl(String);

fn wrong(what: impl Into<String>) -> InvalidMailUrl {
    InvalidMailUrl(what.into())
}

impl Provider {
    /// Reads `smtp://user:password@host:port` (STARTTLS), `smtps://…` (TLS from the first byte) or `sendgrid://key`,
    /// the last also with another host behind an `@`.
    pub fn parse(text: &str) -> Result<Self, InvalidMailUrl> {
        let how = "write it like smtp://user:password@mail.example.com:587, smtps://… or sendgrid://KEY";
        let url = Url::parse(text).map_err(|error| wrong(format!("{error}: {how}")))?;
        match url.scheme() {
            "smtp" | "smtps" => smtp(&url).map(Self::Smtp),
            "sendgrid" => sendgrid(text).map(Self::SendGrid),
            _ => Err(wrong(how)),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decode(text: &str) -> Result<String, InvalidMailUrl> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| wrong("user or password is not UTF-8"))?;
    Ok(decoded.into_owned())
}

fn smtp(url: &Url) -> Result<SmtpSettings, InvalidMailUrl> {
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(wrong("nothing comes after the host and its port"));
    }
    let implicit = url.scheme() == "smtps";
    let local = is_loopback(host);
    let asked = url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect::<Vec<_>>();
    let security = match asked.as_slice() {
        [] if implicit => Security::Tls,
        [] if local => Security::StartTlsIfOffered,
        [] => Security::StartTls,
        [(key, value)] if key == "tls" && value == "required" && !implicit => Security::StartTls,
        [(key, value)] if key == "tls" && value == "none" && !implicit => Security::Plain,
        _ => return Err(wrong("only `?tls=required` or `?tls=none` may come after the host, behind smtp://")),
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some((decode(user)?, decode(password.unwrap_or_default())?)),
    };
    if credentials.is_some() && security == Security::Plain && !local {
        return Err(wrong("a password is not sent to another machine without TLS: leave out `?tls=none`"));
    }
    Ok(SmtpSettings {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(if implicit { 465 } else { 587 }),
        security,
        credentials,
        root_certificate: None,
    })
}

/// A key has letters of both cases, which the host of an address may not have: it is taken out by hand.
fn sendgrid(text: &str) -> Result<SendGridSettings, InvalidMailUrl> {
    let rest = text.trim().strip_prefix("sendgrid://").unwrap_or_default().trim_end_matches('/');
    let (key, host) = rest.rsplit_once('@').unwrap_or((rest, "api.sendgrid.com"));
    let key = decode(key)?;
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("the key is missing: write it like sendgrid://KEY"));
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let scheme = if is_loopback(name) { "http" } else { "https" };
    let base = Url::parse(&format!("{scheme}://{host}")).map_err(|error| wrong(error.to_string()))?;
    if base.path() != "/" || base.query().is_some() {
        return Err(wrong("nothing comes after the host and its port"));
    }
    Ok(SendGridSettings { key, base })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> SmtpSettings {
        match Provider::parse(text).unwrap() {
            Provider::Smtp(settings) => settings,
            _ => panic!("{text} is SMTP"),
        }
    }

    #[test]
    fn mail_goes_with_tls_unless_it_stays_on_this_machine() {
        let usual = read("smtp://user%40x:p%3Aw@mail.example.com");
        assert_eq!((usual.host.as_str(), usual.port, usual.security), ("mail.example.com", 587, Security::StartTls));
        assert_eq!(usual.credentials, Some(("user@x".into(), "p:w".into())));
        assert_eq!(read("smtps://mail.example.com").security, Security::Tls);
        assert_eq!(read("smtps://mail.example.com").port, 465);
        assert_eq!(read("smtp://127.0.0.1:2525").security, Security::StartTlsIfOffered);
        assert_eq!(read("smtp://[::1]:25").host, "::1");
        assert_eq!(read("smtp://localhost:25?tls=required").security, Security::StartTls);
        assert_eq!(read("smtp://relay.internal:25?tls=none").security, Security::Plain);
        for wrong in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://a:b@relay.internal?tls=none",
            "smtps://relay.internal?tls=none",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com?tls=maybe",
            "sendgrid://",
            "sendgrid://key@host/path",
        ] {
            assert!(Provider::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sendgrid_keeps_the_case_of_its_key() {
        let read = |text: &str| match Provider::parse(text).unwrap() {
            Provider::SendGrid(settings) => (settings.key, settings.base.to_string()),
            _ => panic!("{text} is SendGrid"),
        };
        assert_eq!(read("sendgrid://SG.aB-c_D.eF"), ("SG.aB-c_D.eF".into(), "https://api.sendgrid.com/".into()));
        assert_eq!(read("sendgrid://SG.aB@127.0.0.1:9/"), ("SG.aB".into(), "http://127.0.0.1:9/".into()));
        assert_eq!(read("sendgrid://K@api.eu.sendgrid.com").1, "https://api.eu.sendgrid.com/");
    }
}
