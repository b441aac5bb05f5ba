//! Where somebody wanted to go before they had to sign in.
//!
//! The address comes from the address bar, so anybody can write one and send it as a link. Browsers
//! repair addresses generously (`\` becomes `/`, tabs and line breaks vanish), and each repair has
//! been somebody's open redirect. So this is a list of what may pass, not of what may not.

use std::fmt::Write as _;

/// A path on this site, with an optional query: safe to put into `Location`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnAddress(String);

/// Longer ones are nobody's real address, and would only fill logs and cookies.
const MAX_LENGTH: usize = 2048;

impl ReturnAddress {
    /// Reads an address that begins with exactly one `/` and stays on this site however a browser or a
    /// proxy reads it; nothing otherwise.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let stays = text.len() <= MAX_LENGTH
            && path.starts_with('/')
            && !path.contains("//")
            && !path.contains('%')
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte))
            && query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%&=+?:@,".contains(&byte));
        stays.then(|| Self(text.to_owned()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `?next=` for the link from one signed-out page to another.
    pub fn as_query(&self) -> String {
        self.0.bytes().fold(String::from("?next="), |mut query, byte| {
            if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                query.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(query, "%{byte:02X}");
            }
            query
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_a_foreign_address_never_survives() {
        for foreign in [
            "//e",
            "///e",
            "/\\e",
            "\\/e",
            "\\\\e",
            "/\t/e",
            "/%09/e",
            "/%2f/e",
            "/%5ce",
            "/a//e",
            "https:e",
            "https://e",
            "HTTPS:e",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "@e",
            "/@e",
            "e",
            "",
            " /e",
            "/e ",
            "/account\r\nSet-Cookie: a=b",
            "/account\n//e",
            "/account%0d%0aa:b",
            "/\0e",
            "/account\0",
            "/%00e",
            "/\u{2044}e",
            "/\u{ff0f}e",
            "／e",
            "/．．/e",
            "/\u{202e}e",
            "/é",
            "/;@e",
            "/:e",
            "/#//e",
            "/?\\e",
            "/?a=<b>",
            "/?a=\"b",
        ] {
            assert_eq!(ReturnAddress::parse(foreign), None, "{foreign:?}");
        }
        assert_eq!(ReturnAddress::parse(&format!("/{}", "a".repeat(MAX_LENGTH))), None);
    }

    #[test]
    fn s11_an_address_of_ours_survives_unchanged() {
        for ours in
            ["/", "/account", "/account?done=password", "/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fb%2Fc"]
        {
            assert_eq!(ReturnAddress::parse(ours).unwrap().as_str(), ours);
        }
    }

    #[test]
    fn a_query_carries_the_whole_address() {
        let address = ReturnAddress::parse("/a?b=c&d=%20").unwrap();
        assert_eq!(address.as_query(), "?next=/a%3Fb%3Dc%26d%3D%2520");
    }
}
