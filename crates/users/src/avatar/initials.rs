//! What stands where somebody has no picture: their initials on one of six colours, drawn from the address
//! alone.

use std::fmt::Write as _;

use kernel::UserId;

/// The colours of the stylesheet's faces, in light: ground and letters.
const TINTS: [(&str, &str); 6] = [
    ("#D3E8E7", "#0B4A50"),
    ("#FAE6BD", "#644100"),
    ("#F6D9D2", "#7E2214"),
    ("#DCE3F3", "#2A3C74"),
    ("#DDEBD6", "#2C5519"),
    ("#ECDDEA", "#652A5C"),
];
/// Somebody of whom nothing is known.
const NOBODY: &str = "-";

/// The first letters of the first and last word, or the first two letters of the only one. They can stand
/// in markup as they are: nothing but letters and digits is among them.
pub fn initials(name: &str) -> String {
    let mut words =
        name.split(|c: char| c.is_whitespace() || c == '-').filter(|word| word.chars().any(char::is_alphanumeric));
    let first = words.next().unwrap_or_default();
    let letters =
        |word: &str, count: usize| word.chars().filter(|c| c.is_alphanumeric()).take(count).collect::<String>();
    let text = match words.next_back() {
        Some(last) => letters(first, 1) + &letters(last, 1),
        None => letters(first, 2),
    };
    // A capital may be more than one character, and some of those no letters.
    text.to_uppercase().chars().filter(|c| c.is_alphanumeric()).take(2).collect()
}

/// One of the six colours, always the same for the same person.
pub fn tint(user: UserId) -> u8 {
    user.as_bytes()[15] % 6 + 1
}

/// Where the initials of somebody are, below the origin.
pub fn initials_address(user: UserId, name: &str) -> String {
    let letters = initials(name);
    let letters = if letters.is_empty() { NOBODY } else { &letters };
    let mut address = format!("/avatars/initials/{}/", tint(user));
    for byte in letters.bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' => write!(address, "{}", char::from(byte)),
            other => write!(address, "%{other:02X}"),
        };
    }
    address + ".svg"
}

/// The drawing at an address, if it is one that [`initials_address`] can give.
pub fn initials_picture(tint: &str, letters: &str) -> Option<String> {
    let (ground, ink) = match tint.as_bytes() {
        [digit @ b'1'..=b'6'] => TINTS[usize::from(digit - b'1')],
        _ => return None,
    };
    let are_letters = (1..=2).contains(&letters.chars().count()) && letters.chars().all(char::is_alphanumeric);
    if letters == NOBODY {
        return Some(drawing(
            ground,
            &format!(
                "<g fill=\"{ink}\"><circle cx=\"32\" cy=\"25\" r=\"10\"/><path d=\"M12 56a20 18 0 0 1 40 0z\"/></g>"
            ),
        ));
    }
    are_letters.then(|| {
        drawing(
            ground,
            &format!(
                "<text x=\"32\" y=\"33\" fill=\"{ink}\" font-family=\"system-ui,sans-serif\" font-size=\"26\" \
             font-weight=\"600\" text-anchor=\"middle\" dominant-baseline=\"central\">{letters}</text>"
            ),
        )
    })
}

/// What is shown when the store cannot say what is there.
pub(crate) fn nobody() -> String {
    initials_picture("1", NOBODY).unwrap_or_default()
}

fn drawing(ground: &str, content: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\" width=\"64\" height=\"64\">\
         <rect width=\"64\" height=\"64\" fill=\"{ground}\"/>{content}</svg>"
    )
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn initials_are_two_letters_at_most_in_any_script() {
        for (name, expected) in [
            ("Amara Okafor", "AO"),
            ("usher", "US"),
            ("Ana Maria de la Cruz", "AC"),
            ("<script>", "SC"),
            ("李 小龙", "李小"),
            ("", ""),
            ("\u{202e}", ""),
            ("ß", "SS"),
            ("ŉx y", "ʼN"),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[test]
    fn every_person_has_a_drawing() {
        let user = UserId::new(Timestamp::from_unix_seconds(1));
        for name in ["Amara Okafor", "李 小龙", "", "&<>\"'", "a", "م ع", "ŉx y", "\u{1d7d8}b"] {
            let address = initials_address(user, name);
            let rest = address.strip_prefix("/avatars/initials/").unwrap().strip_suffix(".svg").unwrap();
            let (tint, letters) = rest.split_once('/').unwrap();
            assert!(rest.is_ascii() && !rest.contains(['<', '&', ' ', '?', '#']), "{address}");
            let bytes: Vec<u8> = letters
                .split('%')
                .enumerate()
                .flat_map(|(at, part)| match at {
                    0 => part.as_bytes().to_vec(),
                    _ => [&[u8::from_str_radix(&part[..2], 16).unwrap()], &part.as_bytes()[2..]].concat(),
                })
                .collect();
            assert!(initials_picture(tint, std::str::from_utf8(&bytes).unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn i3_what_is_no_initials_is_not_drawn() {
        for (tint, letters) in [
            ("0", "AB"),
            ("7", "AB"),
            ("", "AB"),
            ("1", ""),
            ("1", "ABC"),
            ("1", "<b"),
            ("1", "&a"),
            ("1", "\""),
            ("1", "\u{202e}"),
            ("10", "A"),
        ] {
            assert_eq!(initials_picture(tint, letters), None, "{tint} {letters}");
        }
        assert!(initials_picture("6", "李小").unwrap().contains(">李小</text>"));
        assert!(nobody().contains("<circle"));
    }
}
