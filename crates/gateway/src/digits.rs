//! Numbers and addresses as text, without the machinery of `format!`: a request has two dozen of them in
//! its headers and its line of the log, and with it they would be a tenth of what our part of it costs.

use std::fmt::Write as _;
use std::net::IpAddr;

/// A number.
pub(crate) fn decimal(text: &mut String, value: u64) {
    if value >= 10 {
        decimal(text, value / 10);
    }
    // The remainder is below ten.
    text.push(char::from(b'0' + (value % 10) as u8));
}

/// A number with zeros in front, so that it has at least so many digits.
pub(crate) fn padded(text: &mut String, value: u64, at_least: u32) {
    let digits = value.checked_ilog10().unwrap_or(0) + 1;
    for _ in digits..at_least {
        text.push('0');
    }
    decimal(text, value);
}

/// Sixteen digits of base 16, in lower case.
pub(crate) fn hex(text: &mut String, value: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 16];
    for (at, byte) in value.to_be_bytes().into_iter().enumerate() {
        digits[2 * at] = DIGITS[usize::from(byte >> 4)];
        digits[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// An address; of IPv6 as RFC 5952 wants it.
pub(crate) fn address(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, byte) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    text.push('.');
                }
                decimal(text, u64::from(byte));
            }
        }
        // A String takes whatever is written to it.
        IpAddr::V6(address) => drop(write!(text, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::from("=");
        write(&mut text);
        text
    }

    #[test]
    fn they_are_what_format_writes() {
        for value in [0, 1, 9, 10, 99, 100, 255, 65_535, 1_000_000, u64::MAX - 1, u64::MAX] {
            assert_eq!(written(|text| decimal(text, value)), format!("={value}"));
            assert_eq!(written(|text| padded(text, value, 6)), format!("={value:06}"));
            assert_eq!(written(|text| hex(text, value)), format!("={value:016x}"));
        }
        for one in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert_eq!(written(|text| address(text, one.parse().unwrap())), format!("={one}"));
        }
    }
}
