//! Reading Rust source as text: the string literals in it, with comments, tests and characters told
//! apart from them. Enough for rules about SQL, and no parser: a macro may hold what it likes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A string literal in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// What it says, with escapes resolved.
    pub text: String,
    /// The line it begins on, from 1.
    pub line: usize,
}

/// All files under a folder with this extension, in a stable order.
pub fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The Rust files under a folder that end up in the program: those that are tests by name are left out.
pub fn program_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_test = |path: &PathBuf| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        inside.components().any(|part| ["tests", "tests.rs", "benches"].iter().any(|name| part.as_os_str() == *name))
    };
    Ok(files(folder, "rs")?.into_iter().filter(|path| !is_test(path)).collect())
}

/// The part of a file that ends up in the program: everything before its module of tests.
pub fn without_tests(source: &str) -> &str {
    let end = ["\n#[cfg(test)]\nmod ", "\n#[cfg(test)]\nmod\t"].iter().filter_map(|mark| source.find(mark)).min();
    end.map_or(source, |end| &source[..end])
}

/// The source with comments and the insides of strings blanked out, byte for byte as long, so that
/// what is found in it is code.
pub fn code_only(source: &str) -> String {
    let mut code = source.as_bytes().to_vec();
    for piece in pieces(source) {
        let inside = match piece.kind {
            PieceKind::Comment => piece.start..piece.end,
            PieceKind::Text { start, end } => start..end,
        };
        for byte in &mut code[inside] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(code).unwrap_or_default()
}

/// The string literals of a source text, in order.
pub fn literals(source: &str) -> Vec<Literal> {
    pieces(source)
        .into_iter()
        .filter_map(|piece| match piece.kind {
            PieceKind::Comment => None,
            PieceKind::Text { start, end } => {
                let raw = source[piece.start..start].contains('r');
                let inside = &source[start..end];
                let line = source[..piece.start].matches('\n').count() + 1;
                Some(Literal { text: if raw { inside.to_owned() } else { unescape(inside) }, line })
            }
        })
        .collect()
}

/// Something in a source text that is not code.
struct Piece {
    start: usize,
    end: usize,
    kind: PieceKind,
}

enum PieceKind {
    Comment,
    /// A string; where its inside starts and ends.
    Text {
        start: usize,
        end: usize,
    },
}

fn pieces(source: &str) -> Vec<Piece> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let next = if rest.starts_with(b"//") {
            let end = at + source[at..].find('\n').unwrap_or(rest.len());
            Some(Piece { start: at, end, kind: PieceKind::Comment })
        } else if rest.starts_with(b"/*") {
            Some(Piece { start: at, end: block_comment_end(bytes, at), kind: PieceKind::Comment })
        } else if rest[0] == b'"' {
            Some(plain_string(bytes, at))
        } else if rest[0] == b'r' && !follows_a_word(bytes, at) {
            raw_string(source, at)
        } else if rest[0] == b'\'' {
            at += character_length(source, at).saturating_sub(1);
            None
        } else {
            None
        };
        at = next.as_ref().map_or(at + 1, |piece| piece.end);
        found.extend(next);
    }
    found
}

/// `b"…"` and `br"…"` begin with a letter too, but no name ends right before them.
fn follows_a_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    (before.is_ascii_alphanumeric() && before != b'b') || before == b'_'
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(bytes.len())
}

fn plain_string(bytes: &[u8], start: usize) -> Piece {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    let end = at.min(bytes.len());
    Piece { start, end: (end + 1).min(bytes.len()), kind: PieceKind::Text { start: start + 1, end } }
}

fn raw_string(source: &str, start: usize) -> Option<Piece> {
    let after = &source[start + 1..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return None;
    }
    let inside = start + 1 + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside + source[inside..].find(&close)?;
    Some(Piece { start, end: end + close.len(), kind: PieceKind::Text { start: inside, end } })
}

/// How many bytes a character literal takes; 1 for a lifetime's apostrophe.
fn character_length(source: &str, start: usize) -> usize {
    let mut after = source[start + 1..].chars();
    match (after.next(), after.next()) {
        (Some('\\'), _) => source[start + 3..].find('\'').map_or(1, |end| end + 4),
        (Some(character), Some('\'')) => character.len_utf8() + 2,
        _ => 1,
    }
}

fn unescape(inside: &str) -> String {
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('0') => text.push('\0'),
            Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        literals(source).into_iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn strings_are_told_from_everything_else() {
        let source = r##"
            // "a comment"
            /* "another" /* "inner" */ "still" */
            let a = "plain";
            let b = r#"raw "quoted" text"#;
            let c = '"'; let d: &'static str = "after a quote \" and a lifetime";
            let e = b"bytes"; let number = "x";
            let f = '\''; let g = "last";
        "##;
        assert_eq!(
            texts(source),
            ["plain", "raw \"quoted\" text", "after a quote \" and a lifetime", "bytes", "x", "last"]
        );
    }

    #[test]
    fn a_broken_line_is_joined() {
        assert_eq!(texts("\"SELECT \\\n      1\""), ["SELECT 1"]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(literals("\n\n  \"third\"")[0].line, 3);
    }

    #[test]
    fn code_keeps_its_place() {
        let source = "let a = \"Revocation::Subject\"; // Revocation::Subject\nlet é = 1;";
        let code = code_only(source);
        assert_eq!(code.len(), source.len());
        assert!(!code.contains("Revocation"));
        assert!(code.ends_with("let é = 1;"));
    }

    #[test]
    fn tests_are_cut_off() {
        assert_eq!(without_tests("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }"), "fn a() {}");
    }
}
