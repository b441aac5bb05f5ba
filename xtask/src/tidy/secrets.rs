//! Secrets are compared in constant time: a type that holds one has no `==`, and a tag that was just
//! computed is not compared with it.

use super::SourceFile;
use crate::source;

/// Types that are secrets, or that a secret is in.
const SECRET_TYPES: [&str; 14] = [
    "Credential",
    "Credentials",
    "Login",
    "MacKey",
    "MacRing",
    "MasterKey",
    "MasterKeys",
    "NewAccount",
    "Password",
    "RefreshToken",
    "SecretText",
    "SignedIn",
    "SigningSecret",
    "StoredHash",
];

/// Where `==` on a secret is possible.
pub(super) fn complaints(sources: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in sources {
        let code = source::code_only(&file.text);
        for (number, line) in code.lines().enumerate() {
            let place = format!("{}:{}", file.path, number + 1);
            if compares_a_tag(line) {
                complaints.push(format!("{place}: compare a tag with `verify`, which takes constant time"));
            }
            if let Some(name) = SECRET_TYPES.into_iter().find(|name| declares(line, name))
                && derives_equality(&code, number)
            {
                complaints.push(format!("{place}: `{name}` is a secret and must not derive PartialEq"));
            }
        }
    }
    complaints
}

fn declares(line: &str, name: &str) -> bool {
    let line = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
    let Some(rest) = line.trim_start_matches("pub ").strip_prefix("struct ") else { return false };
    rest.strip_prefix(name).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Whether an attribute above this line derives it outside of tests.
fn derives_equality(code: &str, number: usize) -> bool {
    let above: Vec<&str> = code.lines().take(number).collect();
    let attributes = above.iter().rev().take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#')
    });
    attributes.into_iter().any(|line| line.trim().starts_with("#[derive(") && line.contains("PartialEq"))
}

fn compares_a_tag(line: &str) -> bool {
    line.contains(".sign(") && (line.contains("==") || line.contains("!="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        complaints(&[SourceFile { owner: String::new(), path: "crates/x/src/x.rs".into(), text: text.into() }]).len()
    }

    #[test]
    fn p16_secrets_have_no_equals() {
        assert_eq!(count("#[derive(Clone, PartialEq)]\npub struct Password(String);"), 1);
        assert_eq!(count("#[derive(PartialEq, Eq)]\n/// A key.\npub(crate) struct MacKey(hmac::Key);"), 1);
        assert_eq!(count("#[derive(Clone)]\npub struct Password(String);"), 0);
        assert_eq!(count("#[cfg_attr(test, derive(PartialEq))]\npub struct StoredHash {"), 0);
        assert_eq!(count("#[derive(PartialEq)]\npub struct PasswordPolicy {"), 0);
        assert_eq!(count("if key.sign(&[a]) == tag {"), 1);
        assert_eq!(count("if key.verify(&[a], tag) {"), 0);
    }

    #[test]
    fn j14_rsa_keys_are_not_made_or_used_with_the_rsa_crate() {
        // RUSTSEC-2023-0071 has no fixed version; aws-lc does what we need.
        let lock = include_str!("../../../Cargo.lock");
        assert!(!lock.lines().any(|line| line == "name = \"rsa\""));
    }
}
