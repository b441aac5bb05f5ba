//! Whether a form was sent by a page of ours.
//!
//! Two independent questions, and both must be answered yes: did the browser say that the request
//! comes from our own origin, and does the form carry the token that our page put into it? Either
//! alone would do in a current browser; browsers age and have bugs (ASVS 5.0 §3.5.1).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::MacRing;
use kernel::SessionId;

/// The hidden field that carries the token.
pub const FIELD: &str = "csrf";

/// To what a form is bound: one bound to something else is not accepted.
#[derive(Clone, Copy)]
pub enum Binding<'a> {
    /// A browser that nobody is signed in on, by the random value in its form cookie.
    Browser(&'a str),
    /// A session.
    Session(SessionId),
}

impl Binding<'_> {
    fn parts(&self) -> [&[u8]; 3] {
        match self {
            Self::Browser(value) => [b"form token", b"browser", value.as_bytes()],
            Self::Session(session) => [b"form token", b"session", session.as_bytes()],
        }
    }

    /// The token for forms in a page of this binding.
    pub fn token(&self, key: &MacRing) -> String {
        URL_SAFE_NO_PAD.encode(key.sign(&self.parts()))
    }

    /// Whether a form came with this binding's token.
    pub fn accepts(&self, key: &MacRing, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| key.verify(&self.parts(), &tag))
    }
}

/// Whether a browser says that the request comes from a page at `origin`.
///
/// A request that says nothing at all is refused: every browser that can show these pages sends
/// `Origin` with a `POST`, and `Sec-Fetch-Site: none` is a typed address, which never is one.
pub fn is_from(origin: &str, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    let says_something = origins.peek().is_some() || sites.peek().is_some();
    says_something
        && origins.all(|value| value.as_bytes() == origin.as_bytes())
        && sites.all(|value| value == "same-origin")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use kernel::Timestamp;
    use kernel::{Label, MasterKeys};

    use super::*;

    const OURS: &str = "https://accounts.example.com";

    fn asked(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        is_from(OURS, &headers)
    }

    #[test]
    fn s8_only_our_own_origin_is_heard() {
        assert!(asked(&[("origin", OURS)]));
        assert!(asked(&[("origin", OURS), ("sec-fetch-site", "same-origin")]));
        assert!(asked(&[("sec-fetch-site", "same-origin")]));
        for foreign in [
            "null",
            "http://accounts.example.com",
            "https://accounts.example.com.evil.io",
            "https://accounts.example.com:444",
            "",
        ] {
            assert!(!asked(&[("origin", foreign)]), "{foreign}");
            assert!(!asked(&[("origin", foreign), ("sec-fetch-site", "same-origin")]), "{foreign}");
        }
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!asked(&[("sec-fetch-site", site)]), "{site}");
            assert!(!asked(&[("origin", OURS), ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!asked(&[]));
        assert!(!asked(&[("referer", "https://accounts.example.com/sign-in")]));
    }

    #[test]
    fn s8_a_token_is_good_for_its_binding_only() {
        let key = MasterKeys::generate().mac_ring(Label::Cookie);
        let session = SessionId::new(Timestamp::from_unix_seconds(1));
        let bindings = [
            Binding::Browser("one"),
            Binding::Browser("two"),
            Binding::Session(session),
            Binding::Session(SessionId::new(Timestamp::from_unix_seconds(1))),
        ];
        for (at, binding) in bindings.iter().enumerate() {
            let token = binding.token(&key);
            for (other, asked) in bindings.iter().enumerate() {
                assert_eq!(asked.accepts(&key, &token), at == other);
            }
            assert!(!binding.accepts(&MasterKeys::generate().mac_ring(Label::Cookie), &token));
            for wrong in ["", "x", &token[1..], &token[..token.len() - 1], &format!("{token}A")] {
                assert!(!binding.accepts(&key, wrong), "{wrong}");
            }
        }
    }
}
