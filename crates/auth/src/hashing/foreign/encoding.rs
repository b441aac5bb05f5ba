//! Bytes as text, as leniently as other people's programs write them.

use base64::Engine as _;
use base64::alphabet::{BCRYPT, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent);

const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const FOR_ADDRESSES: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
/// bcrypt's own alphabet. 22 characters are 4 bits more than its salt, and some programs set them.
pub(super) const FOR_BCRYPT: GeneralPurpose =
    GeneralPurpose::new(&BCRYPT, LENIENT.with_decode_allow_trailing_bits(true));

/// The longest salt that is taken, in bytes.
const LONGEST_SALT: usize = 256;
/// The longest tag that is taken, in bytes.
const LONGEST_TAG: usize = 128;
/// The shortest: a tag of nothing would be that of every password.
const SHORTEST_TAG: usize = 16;

/// Base64, with or without padding, in the alphabet of RFC 4648 §4, of its §5, or of passlib (which
/// writes `.` for `+`).
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    if text.contains(['-', '_']) {
        return FOR_ADDRESSES.decode(text).ok();
    }
    if text.contains('.') { PLAIN.decode(text.replace('.', "+")).ok() } else { PLAIN.decode(text).ok() }
}

/// Hexadecimal, in either case.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<u8>>>()?;
    rest.is_empty().then_some(bytes)
}

/// Base64 without padding, for what is stored.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    PLAIN.encode(bytes)
}

/// Whether salt and tag are of lengths that a real hash has.
pub(super) fn are_plausible(salt: &[u8], tag: &[u8]) -> bool {
    (1..=LONGEST_SALT).contains(&salt.len()) && (SHORTEST_TAG..=LONGEST_TAG).contains(&tag.len())
}
