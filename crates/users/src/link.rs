//! One-time links and codes. They are derived, not stored: whoever has the database alone can open nothing with it,
//! and whoever writes a mail a second time writes the same link.
//!
//! What has become of a link is in a table of `auth`, which redeems it. `notify`, which writes the mails, knows neither
//! that table nor how anybody signs in: what a link is for, and the secret in it, are here, where both can see them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::id::LinkId;
use kernel::{Label, MacRing, MasterKeys, UserId, secret};

/// What a link is for. One that is for something else is none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Showing that the address of the account is its owner's.
    VerifyEmail,
    /// Choosing another password without knowing the one before.
    ResetPassword,
    /// Making another address the account's.
    ChangeEmail,
    /// Choosing the first password of an account that somebody else has made.
    Invitation,
    /// Signing in.
    SignIn,
}

impl Purpose {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::VerifyEmail, Self::ResetPassword, Self::ChangeEmail, Self::Invitation, Self::SignIn];

    /// Its name in the database and in what the secret is bound to.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::ResetPassword => "reset-password",
            Self::ChangeEmail => "change-email",
            Self::Invitation => "invitation",
            Self::SignIn => "sign-in",
        }
    }

    /// The page that a link for this leads to, at our own origin.
    pub const fn page(self) -> &'static str {
        match self {
            Self::VerifyEmail => "/verify",
            Self::ResetPassword => "/reset/new",
            Self::ChangeEmail => "/account/email/confirm",
            Self::Invitation => "/invitation",
            Self::SignIn => "/sign-in/link",
        }
    }
}

/// What the secret of a link is bound to: with any of it another, it is another secret.
#[derive(Clone, Copy)]
pub struct Bond<'a> {
    /// The row of the link.
    pub id: LinkId,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub user: UserId,
    /// The canonical address of the account. When that becomes another one, all links from before are dead.
    pub address: &'a str,
    /// Another address that it is about; empty if there is none.
    pub other: &'a str,
}

impl Bond<'_> {
    fn parts(&self, kind: &'static [u8]) -> [&[u8]; 6] {
        [
            kind,
            self.purpose.as_str().as_bytes(),
            self.id.as_bytes(),
            self.user.as_bytes(),
            self.address.as_bytes(),
            self.other.as_bytes(),
        ]
    }
}

/// How long the code beside a link works, in seconds (SP 800-63B-4 §3.1.3.1: ten minutes at most).
pub const CODE_SECONDS: i64 = 600;

const LINK: &[u8] = b"link";
const CODE: &[u8] = b"code";
/// A million codes.
const CODES: u64 = 1_000_000;

/// Makes and recognises the secrets of links and codes.
#[derive(Clone)]
pub struct Links(MacRing);

impl Links {
    /// With the keys that these master keys give.
    pub fn new(master: &MasterKeys) -> Self {
        Self(master.mac_ring(Label::Link))
    }

    /// The token of a link: the id of its row, and 256 bits that only whoever has the master key can make.
    pub fn token(&self, bond: &Bond<'_>) -> String {
        URL_SAFE_NO_PAD.encode([&bond.id.as_bytes()[..], &self.0.sign(&bond.parts(LINK))].concat())
    }

    /// The six digits for whoever cannot open the link where they are.
    pub fn code(&self, bond: &Bond<'_>) -> String {
        digits(&self.0.sign(&bond.parts(CODE)))
    }

    /// Whether this is the token for it.
    pub fn is_token(&self, bond: &Bond<'_>, token: &Token) -> bool {
        bond.id == token.id && self.0.verify(&bond.parts(LINK), &token.tag)
    }

    /// Whether this is the code for it. There are few codes: whoever asks has counted the attempt before.
    pub fn is_code(&self, bond: &Bond<'_>, typed: &str) -> bool {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        self.0.keys().any(|key| secret::equal(digits(&key.sign(&bond.parts(CODE))).as_bytes(), typed.as_bytes()))
    }
}

/// Six digits of a tag: 64 bits make each of a million codes as likely as the next, to one part in 10¹³.
fn digits(tag: &[u8; 32]) -> String {
    let first = tag.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:06}", first % CODES)
}

/// A token as it came: which row it names, and what shows that it is ours. Nothing of it is checked.
pub struct Token {
    /// The row of the link.
    pub id: LinkId,
    tag: Vec<u8>,
}

impl Token {
    /// Takes it apart; nothing if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = (text.len() <= 128).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
        let (id, tag) = bytes.split_first_chunk::<16>()?;
        Some(Self { id: LinkId::from_bytes(*id), tag: tag.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_000_000);

    #[test]
    fn t1_a_token_has_256_bits_and_opens_nothing_but_what_it_was_made_for() {
        let links = Links::new(&MasterKeys::generate());
        let (id, user) = (LinkId::new(NOW), UserId::new(NOW));
        let bond = Bond { id, purpose: Purpose::VerifyEmail, user, address: "ann@example.com", other: "" };
        let text = links.token(&bond);
        assert_eq!(URL_SAFE_NO_PAD.decode(&text).unwrap().len(), 16 + 32);
        let token = Token::parse(&text).unwrap();
        assert!(links.is_token(&bond, &token));
        for other in [
            Bond { id: LinkId::new(NOW), ..bond },
            Bond { purpose: Purpose::ResetPassword, ..bond },
            Bond { user: UserId::new(NOW), ..bond },
            Bond { address: "bob@example.com", ..bond },
            Bond { other: "bob@example.com", ..bond },
            // The border between two parts is part of what is bound.
            Bond { address: "ann@example.co", other: "m", ..bond },
        ] {
            assert!(!links.is_token(&other, &token));
            assert_ne!(links.token(&other), text);
        }
        assert!(!Links::new(&MasterKeys::generate()).is_token(&bond, &token), "another master key");
        for position in 0..text.len() {
            let mut edited = text.clone().into_bytes();
            edited[position] = if edited[position] == b'A' { b'B' } else { b'A' };
            let edited = Token::parse(std::str::from_utf8(&edited).unwrap());
            assert!(edited.is_none_or(|token| !links.is_token(&bond, &token)), "character {position}");
        }
        for none in ["", "AAAA", "?", &text[1..], &"A".repeat(500)] {
            assert!(Token::parse(none).is_none_or(|token| !links.is_token(&bond, &token)), "{none}");
        }
    }

    #[test]
    fn a_code_is_six_digits_of_one_link_and_is_typed_with_spaces_or_without() {
        let links = Links::new(&MasterKeys::generate());
        let bond = |id| Bond {
            id,
            purpose: Purpose::VerifyEmail,
            user: UserId::new(NOW),
            address: "ann@example.com",
            other: "",
        };
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let bond = bond(LinkId::new(NOW));
            let code = links.code(&bond);
            assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
            assert!(links.is_code(&bond, &code) && links.is_code(&bond, &format!(" {} {}", &code[..3], &code[3..])));
            for wrong in ["", "000 00", &code[1..], &format!("{code}0")] {
                assert!(!links.is_code(&bond, wrong), "{wrong}");
            }
            seen.insert(code);
        }
        assert!(seen.len() > 980, "{} different codes of a thousand", seen.len());
    }

    #[test]
    fn what_an_older_master_key_made_still_works() {
        let old = MasterKeys::generate();
        let both = MasterKeys::parse(&format!("{}{}", &*MasterKeys::generate().to_text(), &*old.to_text())).unwrap();
        let bond = Bond {
            id: LinkId::new(NOW),
            purpose: Purpose::ChangeEmail,
            user: UserId::new(NOW),
            address: "ann@example.com",
            other: "ann.lee@example.com",
        };
        let (before, now) = (Links::new(&old), Links::new(&both));
        assert!(now.is_token(&bond, &Token::parse(&before.token(&bond)).unwrap()));
        assert!(now.is_code(&bond, &before.code(&bond)));
    }
}
