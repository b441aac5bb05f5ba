//! Which passwords are allowed: long enough, not known to everybody, not guessable. Nothing else:
//! no classes of characters, no age (SP 800-63B-4 §3.1.1.2).

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The most bytes a password may have: more costs parsers and gains nobody anything.
pub const MAX_BYTES: usize = 1024;

/// The guesses that zxcvbn must think an attacker needs. Its score 3 begins five above; without
/// them, eight characters that follow no pattern at all are enough.
const MIN_GUESSES: u64 = 100_000_000;

/// The 150,000 most common passwords, lower case, sorted by bytes. Its licence is beside it.
const COMMON: &str = include_str!("../data/common-passwords.txt");

/// Bounds that an operator sets.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The fewest code points: 8, or 15 with `auth.assurance = "nist-800-63b-4"`.
    pub min_characters: usize,
}

/// A password in the form that is hashed: `OpaqueString` (RFC 8265 §4.2): other spaces become
/// U+0020, then NFC, and no control characters. Characters that are newer than our Unicode tables
/// are let through as they are. Not checked for strength, so it is also what signs in.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer code points than the policy's.
    #[error("Add {missing} more {}. This one has {has}.", if *missing == 1 { "character" } else { "characters" })]
    TooShort {
        /// How many it has.
        has: usize,
        /// How many are missing.
        missing: usize,
    },
    /// More than [`MAX_BYTES`].
    #[error("Use at most 1,024 bytes.")]
    TooLong,
    /// Control characters.
    #[error("Remove line breaks and other control characters.")]
    NotText,
    /// It is in the list.
    #[error("This password is one of the most common ones, so it would be tried first. Choose another.")]
    Common,
    /// It repeats what an attacker knows of the person or the product.
    #[error("This password contains your name, your email or the name of this site. Choose one that does not.")]
    Personal,
    /// zxcvbn finds it too soon.
    #[error("This password is easy to guess. Add another word or two that do not belong together.")]
    Guessable,
}

impl Weakness {
    /// For programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong => "too_long",
            Self::NotText => "not_text",
            Self::Common => "common",
            Self::Personal => "personal",
            Self::Guessable => "guessable",
        }
    }
}

impl Password {
    /// Prepares what somebody typed.
    pub fn prepare(typed: &str) -> Result<Self, Weakness> {
        if typed.len() > MAX_BYTES {
            return Err(Weakness::TooLong);
        }
        if typed.chars().any(char::is_control) {
            return Err(Weakness::NotText);
        }
        let spaced = typed.chars().map(|c| if is_other_space(c) { ' ' } else { c });
        Ok(Self(Zeroizing::new(spaced.nfc().collect())))
    }

    /// Whether somebody may choose it. `known` is what an attacker knows: name, address, product.
    ///
    /// It takes up to some milliseconds of CPU for a long password: not for a request thread.
    pub fn check(&self, policy: &Policy, known: &[String]) -> Result<(), Weakness> {
        let has = self.0.chars().count();
        if has < policy.min_characters {
            return Err(Weakness::TooShort { has, missing: policy.min_characters - has });
        }
        let lower = Zeroizing::new(self.0.to_lowercase());
        if is_common(&lower) {
            return Err(Weakness::Common);
        }
        if repeats(&lower, known) {
            return Err(Weakness::Personal);
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let guesses = zxcvbn::zxcvbn(&self.0, &known).guesses();
        if guesses < MIN_GUESSES { Err(Weakness::Guessable) } else { Ok(()) }
    }

    /// The bytes that are hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The spaces of all scripts but the ASCII one (general category Zs).
fn is_other_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

fn is_common(lower: &str) -> bool {
    let (mut low, mut high) = (0, COMMON.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let start = COMMON.as_bytes()[..middle].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let end =
            COMMON.as_bytes()[middle..].iter().position(|&byte| byte == b'\n').map_or(COMMON.len(), |at| middle + at);
        match COMMON.as_bytes()[start..end].cmp(lower.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

/// Whether what is left without the known words is too little to be a password by itself.
fn repeats(lower: &str, known: &[String]) -> bool {
    let mut rest = lower.to_owned();
    let mut found = false;
    for word in known.iter().map(|word| word.to_lowercase()).filter(|word| word.chars().count() >= 4) {
        if rest.contains(&word) {
            found = true;
            rest = rest.replace(&word, "");
        }
    }
    found && rest.chars().count() < 8
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { min_characters: 8 };

    fn check(typed: &str) -> Result<(), Weakness> {
        let known = ["ann.lee@example.com", "ann.lee", "Ann Lee", "Usher"].map(str::to_owned);
        Password::prepare(typed)?.check(&POLICY, &known)
    }

    #[test]
    fn p1_length_counts_code_points() {
        assert_eq!(check("zQ9!é漢b"), Err(Weakness::TooShort { has: 7, missing: 1 }));
        assert_eq!(check("zQ9!é漢bX"), Ok(()));
        let nist = Policy { min_characters: 15 };
        let long = |count| Password::prepare(&"correct horse b"[..count]).unwrap().check(&nist, &[]);
        assert!(matches!(long(14), Err(Weakness::TooShort { has: 14, missing: 1 })));
        assert_eq!(long(15), Ok(()));
    }

    #[test]
    fn p4_both_forms_of_a_letter_are_one_password() {
        let composed = Password::prepare("caf\u{e9} tr\u{e8}s noir").unwrap();
        let decomposed = Password::prepare("cafe\u{301} tre\u{300}s noir").unwrap();
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
        assert_ne!(composed.as_bytes(), Password::prepare("Caf\u{e9} tr\u{e8}s noir").unwrap().as_bytes());
        assert_eq!(Password::prepare("a\u{a0}b\u{3000}c").unwrap().as_bytes(), b"a b c");
        assert_eq!(Password::prepare("a\0b").err(), Some(Weakness::NotText));
        // Scripts of both directions, an otter, a family joined from four people.
        assert!(Password::prepare("\u{5d0}\u{5d1} \u{1f9a6} \u{1f468}\u{200d}\u{1f467} paste me").is_ok());
    }

    #[test]
    fn p5_no_composition_rule() {
        assert_eq!(check("purple lantern drifts slowly"), Ok(()));
        assert_eq!(check("tvrxqmpkzwhs"), Ok(()));
    }

    #[test]
    fn p6_every_listed_password_is_refused() {
        let entries: Vec<&str> = COMMON.lines().collect();
        assert!(entries.len() >= 100_000);
        assert!(entries.windows(2).all(|pair| pair[0] < pair[1]), "the list is sorted by bytes");
        for entry in &entries {
            assert!(is_common(entry), "{entry}");
        }
        for absent in ["", "\u{10ffff}", "0", "purple lantern drifts slowly"] {
            assert_eq!(is_common(absent), entries.contains(&absent), "{absent}");
        }
        assert_eq!(check("IloveYou1"), Err(Weakness::Common));
    }

    #[test]
    fn p6_words_of_the_person_and_the_product_are_refused() {
        assert_eq!(check("ann.lee@example.com"), Err(Weakness::Personal));
        assert_eq!(check("Ann Lee 2026"), Err(Weakness::Personal));
        assert_eq!(check("usher-usher"), Err(Weakness::Personal));
    }

    #[test]
    fn p2_1024_bytes_are_allowed_and_1025_are_not() {
        assert!(Password::prepare(&"x".repeat(1024)).is_ok());
        assert_eq!(Password::prepare(&"x".repeat(1025)).err(), Some(Weakness::TooLong));
    }
}
