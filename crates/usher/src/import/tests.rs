//! What each source's file says, as rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use auth::ImportRow;
use kernel::Timestamp;

use super::reader::{self, Format, Most, Source};
use super::{Stop, plain, sources_of_firebase};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import/fixtures").join(name)
}

/// The rows of a file, the lines that are refused with their reasons, and how it ended.
type Found = (Vec<ImportRow>, Vec<(u64, String)>, Result<(), Stop>);

fn read(path: &Path, format: Format) -> Found {
    let source = Source {
        path: path.to_owned(),
        format,
        firebase: Some(sources_of_firebase(&fixture("firebase-config.txt")).unwrap()),
        position: 0,
        most: Most::BESIDE_OTHERS,
        digest: [0; 32],
        now: Timestamp::from_unix_seconds(1_795_000_000),
    };
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    let end = reader::read(&source, Arc::new(AtomicU64::new(0)), &mut |batch| {
        rows.extend(batch.rows);
        refused.extend(batch.unreadable.into_iter().map(|row| (row.line, row.reason)));
        Ok(())
    });
    (rows, refused, end)
}

fn good(name: &str, format: Format) -> (Vec<ImportRow>, Vec<(u64, String)>) {
    let (rows, refused, end) = read(&fixture(name), format);
    end.unwrap();
    (rows, refused)
}

fn of(text: &[u8], ending: &str, format: Format) -> Found {
    let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path(), format)
}

#[test]
fn csv_with_a_header() {
    let (rows, refused) = good("people.csv", Format::Csv);
    assert_eq!((rows.len(), refused.len()), (3, 0));
    let account = &rows[0].account;
    assert_eq!(account.name.as_deref(), Some("Lee, Ann \"A\""));
    assert!(account.email_verified && rows[0].password_hash.as_deref().unwrap().starts_with("pbkdf2_sha256$"));
    assert_eq!(rows[1].account.name.as_deref(), Some("=1+1"), "what an export defused is itself again");
    assert_eq!(rows[1].account.created_at, account.created_at);
    assert_eq!((rows[2].line, rows[2].password_hash.as_deref()), (4, None));
}

#[test]
fn our_own_lines() {
    let (rows, refused) = good("people.jsonl", Format::Jsonl);
    assert_eq!((rows.len(), refused.len()), (4, 0));
    assert_eq!(rows[1].line, 3, "empty lines count");
    assert_eq!(rows[0].account.preferences.as_deref(), Some(r#"{"theme":"dark"}"#));
}

#[test]
fn a_realm_of_keycloak() {
    let (rows, refused) = good("keycloak.json", Format::Keycloak);
    assert_eq!(refused, [(3, "It is the account of a service, not of a person.".to_owned())]);
    let account = &rows[0].account;
    assert_eq!(account.name.as_deref(), Some("Ann Lee"));
    assert_eq!(account.locale.as_deref(), Some("de"));
    assert_eq!(account.created_at, Some(Timestamp::from_unix_seconds(1_650_000_000)));
    assert!(account.roles.is_empty(), "what every realm gives everybody is no role here");
    assert!(rows[0].password_hash.as_deref().unwrap().starts_with("$pbkdf2-sha512$i=30000$"));
    assert!(rows[1].password_hash.as_deref().unwrap().starts_with("$argon2id$v=19$m=65536,t=2,p=1$"));
    assert_eq!(rows[2].account.status.as_deref(), Some("suspended"));
}

#[test]
fn both_exports_of_auth0() {
    let (rows, refused) = good("auth0.ndjson", Format::Auth0);
    assert_eq!((rows.len(), refused.len()), (3, 0));
    assert!(rows[0].password_hash.as_deref().unwrap().starts_with("$2b$"));
    assert!(rows[1].password_hash.as_deref().unwrap().starts_with("{SSHA256}"));
    assert_eq!(rows[1].account.name, None, "an address is no name");
    assert!(rows[2].password_hash.as_deref().unwrap().starts_with("$scrypt$ln=14,r=8,p=1$"));
    let list = format!("[{}]", std::fs::read_to_string(fixture("auth0.ndjson")).unwrap().trim().replace('\n', ","));
    assert_eq!(of(list.as_bytes(), ".json", Format::Auth0).0.len(), 3);
}

#[test]
fn firebase_in_json_and_csv() {
    let (rows, _) = good("firebase.json", Format::Firebase);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].account.created_at, Some(Timestamp::from_unix_seconds(1_486_324_217)));
    let (table, _) = good("firebase.csv", Format::Firebase);
    assert_eq!(table[0].password_hash, rows[0].password_hash);
    assert_eq!(table[0].account.phone_number.as_deref(), Some("+4915112345678"));
}

#[test]
fn supabase_in_csv_and_json() {
    let (rows, _) = good("supabase.csv", Format::Supabase);
    assert_eq!(rows[0].account.name.as_deref(), Some("Sue"));
    assert_eq!(rows[0].account.phone_number.as_deref(), Some("+4915112345678"));
    assert_eq!(rows[0].account.created_at, Some(Timestamp::from_unix_micros(1_672_922_096_789_012)));
    assert!(rows[0].account.email_verified);
    assert_eq!(rows[1].account.status.as_deref(), Some("deleted"));
    let (rows, _) = good("supabase.jsonl", Format::Supabase);
    assert_eq!(rows[0].account.status.as_deref(), Some("suspended"));
    assert_eq!(rows[0].account.name.as_deref(), Some("Sam"));
}

#[test]
fn bad_rows_are_refused_alone_and_no_reason_has_a_hash() {
    let hash = "$2b$04$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe";
    let text = [
        format!(r#"{{"email":"a@example.com","password_hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"email":"a@example.com","password_hash":["{hash}"]}}"#).into_bytes(),
        format!(r#"{{"email":"a@example.com","email":"b@example.com","password_hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"email":"a@example.com","hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"email":"a@example.com","password_hash":"{hash}"#).into_bytes(),
        b"{\"email\":\"a\xff@example.com\"}".to_vec(),
        b"{\"email\":\"a\0@example.com\"}".to_vec(),
        format!(r#"{{"email":"{}"}}"#, "x".repeat(1 << 20)).into_bytes(),
        format!(r#"{{"attributes":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000)).into_bytes(),
        b"[]".to_vec(),
        b"7".to_vec(),
        br#"{"email":"b@example.com"}"#.to_vec(),
    ];
    let (rows, refused, end) = of(&text.join(&b'\n'), ".jsonl", Format::Jsonl);
    end.unwrap();
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 12]);
    assert_eq!(refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), (2..12).collect::<Vec<_>>());
    assert!(refused.iter().all(|(_, reason)| !reason.contains("abcdefghijkl") && reason.len() < 120), "{refused:?}");
}

#[test]
fn a_table_that_cannot_be_read_says_where() {
    for (text, said) in [
        ("", "empty"),
        ("name\nAnn\n", "no column `email`"),
        ("email,email\na,b\n", "twice"),
        ("email,passwort\na,b\n", "`passwort`"),
        ("email,\u{202e}x\na,b\n", "\\u{202e}x"),
    ] {
        let end = of(text.as_bytes(), ".csv", Format::Csv).2;
        assert!(end.unwrap_err().to_string().contains(said), "{text}");
    }
    let endless = format!("email,name\na@example.com,Ann\nb@example.com,\"{}", "x".repeat(2 << 20));
    let (rows, _, end) = of(endless.as_bytes(), ".csv", Format::Csv);
    assert_eq!(rows.len(), 1, "what is before is read");
    assert!(end.unwrap_err().to_string().contains("longer than 256 KiB"));
    let (rows, refused, end) = of(
        b"email,name\na@example.com\nb@example.com,B\nc\xff@example.com,C\nd\0@example.com,D\n",
        ".csv",
        Format::Csv,
    );
    end.unwrap();
    assert_eq!((rows.len(), refused.len()), (1, 3), "{refused:?}");
}

#[test]
fn i9_names_cannot_steer_a_terminal() {
    assert_eq!(plain("Ann\u{1b}[31m\u{202e}\r\n"), "Ann\\u{1b}[31m\\u{202e}\\u{d}\\u{a}");
    assert_eq!(plain("Zoë 🦦"), "Zoë 🦦");
    assert!(plain(&"x".repeat(100_000)).len() <= 200);
}
