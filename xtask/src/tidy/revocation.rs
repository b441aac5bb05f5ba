//! Everything that ends trust goes through one function: a `Revocation` is made in one file only.

use super::SourceFile;
use crate::source;

/// The one place.
const ALLOWED: &str = "crates/users/src/revoke.rs";

/// Where else one is made.
pub(super) fn complaints(sources: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in sources.iter().filter(|file| file.path != ALLOWED) {
        let code = source::code_only(&file.text);
        for (at, _) in code.match_indices("Revocation::") {
            if is_made(&code, at) {
                let line = code[..at].matches('\n').count() + 1;
                complaints.push(format!("{}:{line}: only {ALLOWED} may make a Revocation", file.path));
            }
        }
    }
    complaints
}

/// Whether the variant named at this place is an expression. A pattern is followed by `=>`, `|`, `=`
/// or `if`, or stands in `matches!`.
fn is_made(code: &str, at: usize) -> bool {
    let variant = &code[at + "Revocation::".len()..];
    let name = variant.len() - variant.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    if !variant.starts_with(char::is_uppercase) {
        return variant.starts_with('{');
    }
    if code[..at].rsplit([';', '{', '}']).next().is_some_and(|before| before.contains("matches!(")) {
        return false;
    }
    let after = skip_braces(&variant[name..]).trim_start_matches(|c: char| c.is_whitespace() || c == ')' || c == ',');
    !(after.starts_with("=>") || after.starts_with('|') || after.starts_with("= ") || after.starts_with("if "))
}

/// What follows the braces that belong to a variant.
fn skip_braces(text: &str) -> &str {
    let text = text.trim_start();
    if !text.starts_with('{') {
        return text;
    }
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        complaints(&[SourceFile { owner: String::new(), path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn making_one_elsewhere_fails() {
        let made = "fn f() { event.revokes = Some(Revocation::Subject { subject, epoch: { 1 } }); }";
        assert_eq!(count("crates/auth/src/logout.rs", made), 1);
        assert_eq!(count(ALLOWED, made), 0);
        assert_eq!(count("crates/auth/src/a.rs", "use kernel::Revocation::{Subject, Sessions};"), 1);
    }

    #[test]
    fn reading_one_is_free() {
        let read = "match revokes {
            Some(Revocation::Subject { subject, epoch }) => {}
            Revocation::Sessions { .. } | Revocation::Subject { .. } if true => {}
        }
        if let Some(Revocation::Sessions { sessions, .. }) = &event.revokes {}
        assert!(matches!(event.revokes, Some(Revocation::Subject { .. })));
        // Revocation::Subject { subject, epoch }
        let text = \"Revocation::Subject { subject }\";";
        assert_eq!(count("crates/gateway/src/map.rs", read), 0);
    }
}
