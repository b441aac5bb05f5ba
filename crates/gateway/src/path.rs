//! Which paths are taken at all, and what they say.
//!
//! A path is handed on byte for byte, and decided on as every server will read it: decoded once. So a
//! path that a server behind us could read as another one than we do is refused, rather than
//! rewritten: dot segments, empty segments, encoded slashes, dots and percent signs, parameters behind
//! a semicolon, backslashes, control characters, and bytes that are not UTF-8. What is left is decoded
//! in one way only: `/%61dmin` is `/admin`, and decided on as that.

use std::borrow::Cow;

/// Whether everybody will read this path as the same path (RFC 3986 §3.3, §6.2.2).
pub(crate) fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return false;
    }
    let mut at = 1;
    let mut segment = 1;
    let mut high = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'/' => {
                if at == segment || is_dots(&bytes[segment..at]) {
                    return false;
                }
                segment = at + 1;
            }
            b'%' => match decoded(bytes, at) {
                Some(hidden) if is_harmless_encoded(hidden, bytes, at) => {
                    high |= hidden >= 0x80;
                    at += 2;
                }
                _ => return false,
            },
            _ if is_harmless(byte) => {}
            _ => return false,
        }
        at += 1;
    }
    !is_dots(&bytes[segment..]) && (!high || is_utf8_decoded(bytes))
}

/// `pchar` of RFC 3986 but for `;`, where some servers end the path and others do not.
const fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// The byte behind `%xy` at this place.
fn decoded(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

fn is_harmless_encoded(hidden: u8, bytes: &[u8], at: usize) -> bool {
    match hidden {
        b'/' | b'\\' | b'.' | b';' => false,
        // `%2541` would become `%41` for whoever decodes once more.
        b'%' => {
            !(bytes.get(at + 3).is_some_and(u8::is_ascii_hexdigit)
                && bytes.get(at + 4).is_some_and(u8::is_ascii_hexdigit))
        }
        _ => !hidden.is_ascii_control(),
    }
}

/// A path that [`is_plain`], as it will be read.
pub(crate) fn read(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    String::from_utf8(decode(path.as_bytes())).map_or(Cow::Borrowed(path), Cow::Owned)
}

fn is_utf8_decoded(bytes: &[u8]) -> bool {
    std::str::from_utf8(&decode(bytes)).is_ok()
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let (b'%', Some(hidden)) = (byte, decoded(bytes, at)) {
            plain.push(hidden);
            at += 3;
        } else {
            plain.push(byte);
            at += 1;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g2_paths_that_could_be_read_in_two_ways_are_refused() {
        for path in [
            "",
            "*",
            "quiz",
            "//",
            "//quiz",
            "/quiz//",
            "/./quiz",
            "/quiz/.",
            "/quiz/..",
            "/../quiz",
            "/quiz/../admin",
            "/%2e%2e/admin",
            "/%2E/admin",
            "/quiz%2fadmin",
            "/quiz%2Fadmin",
            "/quiz%5cadmin",
            "/quiz\\admin",
            "/quiz;x=1",
            "/quiz%3Bx",
            "/quiz%00",
            "/quiz%0d%0a",
            "/quiz%7f",
            "/quiz%",
            "/quiz%2",
            "/quiz%zz",
            "/%252e%252e/admin",
            "/quiz%252fadmin",
            "/%c0%ae%c0%ae/admin",
            "/%ff",
            "/quiz\u{e9}",
            "/quiz{x}",
            "/a b",
            "/a\"b",
            "/a|b",
            "http://host/quiz",
            "/quiz?x",
            "/quiz#x",
            "/%e2%28%a1",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn g2_a_path_is_decided_on_as_every_server_will_read_it() {
        for (sent, read_as) in [
            ("/%61dmin/x", "/admin/x"),
            ("/%41dmin", "/Admin"),
            ("/caf%c3%a9", "/café"),
            ("/caf%C3%A9", "/café"),
            ("/%40user", "/@user"),
            ("/100%25", "/100%"),
            ("/plain", "/plain"),
        ] {
            assert!(is_plain(sent), "{sent}");
            assert_eq!(read(sent), read_as);
        }
    }

    #[test]
    fn ordinary_paths_are_taken() {
        for path in [
            "/",
            "/quiz",
            "/quiz/",
            "/quiz/1/answers",
            "/a.b/..c/...",
            "/caf%C3%A9",
            "/100%25",
            "/100%25.txt",
            "/a%20b",
            "/@user:1",
            "/!$&'()*+,=~_-",
        ] {
            assert!(is_plain(path), "{path}");
        }
    }
}
