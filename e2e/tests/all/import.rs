//! Accounts from files: every source's passwords work, an interruption loses and repeats nothing, and a file
//! makes nobody more than the operator said.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::{PATIENCE, Setup, TestApp, on_both};
use serde_json::{Value, json};

const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe";
const BCRYPT_PASSWORD: &str = "purple lantern drifts slowly";

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/usher/src/import/fixtures");
    folder.join(name).to_string_lossy().into_owned()
}

/// Writes a file beside the data of a program.
fn file(app: &TestApp, name: &str, text: &[u8]) -> String {
    let path: PathBuf = app.data.with_file_name(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn lines(rows: &[Value]) -> Vec<u8> {
    rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

async fn import(app: &TestApp, path: &str, from: &str, more: &[&str]) -> Value {
    let words = [&["import", path, "--from", from, "--json"], more].concat();
    serde_json::from_str(&app.cli_ok(&words).await).unwrap()
}

/// The whole database of accounts, as texts that can be compared.
async fn accounts(app: &TestApp) -> Vec<String> {
    let mut view = app.look().await;
    let mut all = Vec::new();
    for sql in [
        "SELECT email || ' ' || email_canonical || ' ' || COALESCE(name, '-') || ' ' || status || ' '
             || CAST(version AS TEXT) || ' ' || CAST(created_at AS TEXT) FROM users ORDER BY email_canonical",
        "SELECT users.email_canonical || ' ' || role FROM user_roles JOIN users ON users.id = user_roles.user_id
         ORDER BY users.email_canonical, role",
        "SELECT users.email_canonical || ' ' || hash || ' ' || CAST(passwords.version AS TEXT)
         FROM passwords JOIN users ON users.id = passwords.user_id ORDER BY users.email_canonical",
        "SELECT users.email_canonical || ' ' || user_attributes.name FROM user_attributes
         JOIN users ON users.id = user_attributes.user_id JOIN user_keys ON user_keys.user_id = users.id
         ORDER BY users.email_canonical, user_attributes.name",
        "SELECT source || ' ' || CAST(position AS TEXT) || ' ' || CAST(imported AS TEXT) || ' '
             || CAST(skipped AS TEXT) || ' ' || CAST(refused AS TEXT) FROM imports ORDER BY source",
    ] {
        all.extend(view.texts(sql).await);
    }
    all
}

/// Every account that the fixtures bring, with its password.
const PEOPLE: [(&str, &str); 13] = [
    ("csv-django@example.com", "l\u{e8}tmein"),
    ("csv-ldap@example.com", "testing123"),
    ("jsonl-bcrypt@example.com", BCRYPT_PASSWORD),
    ("jsonl-argon2@example.com", "password"),
    ("jsonl-scrypt@example.com", "pleaseletmein"),
    ("kc-pbkdf2@example.com", "purple lantern"),
    ("kc-argon2@example.com", "password"),
    ("auth0-hash@example.com", BCRYPT_PASSWORD),
    ("auth0-custom@example.com", "testing123"),
    ("auth0-scrypt@example.com", "pleaseletmein"),
    ("firebase@example.com", "user1password"),
    ("firebase-csv@example.com", "user1password"),
    ("supabase-csv@example.com", BCRYPT_PASSWORD),
];

on_both! {
    async fn p9_passwords_of_every_source_sign_in_and_become_ours(app: TestApp) {
        let config = fixture("firebase-config.txt");
        for (name, from, imported, more) in [
            ("people.csv", "csv", 3, &[][..]),
            ("people.jsonl", "jsonl", 4, &[]),
            ("keycloak.json", "keycloak", 3, &[]),
            ("auth0.ndjson", "auth0", 3, &[]),
            ("firebase.json", "firebase", 1, &["--firebase-config", &config]),
            ("firebase.csv", "firebase", 1, &["--firebase-config", &config]),
            ("supabase.csv", "supabase", 1, &[]),
            ("supabase.jsonl", "supabase", 1, &[]),
        ] {
            let summary = import(&app, &fixture(name), from, more).await;
            assert_eq!(summary["imported"], imported, "{name}: {summary}");
        }
        for (email, password) in PEOPLE {
            app.login(email, &format!("{password}x")).await.is_problem(401, "invalid_credentials");
            app.login(email, password).await.is(200);
            let sql = format!(
                "SELECT hash FROM passwords JOIN users ON users.id = passwords.user_id WHERE email = '{email}'"
            );
            let hash = app.look().await.texts(&sql).await.remove(0);
            assert!(hash.starts_with("$argon2id$v=19$") && hash.contains("keyid="), "{email} has {hash}");
            app.login(email, password).await.is(200);
        }
        for (email, password) in [
            ("jsonl-suspended@example.com", BCRYPT_PASSWORD),
            ("supabase-json@example.com", "l\u{e8}tmein"),
            ("csv-none@example.com", ""),
            ("kc-disabled@example.com", "password"),
        ] {
            app.login(email, password).await.is_problem(401, "invalid_credentials");
        }
        let events = "SELECT kind FROM ledger WHERE kind = 'accounts.imported'
             UNION ALL SELECT kind FROM outbox WHERE kind = 'accounts.imported'";
        assert_eq!(app.look().await.texts(events).await.len(), 8, "one event a batch");
    }

    async fn a_dry_run_says_everything_and_writes_nothing(app: TestApp) {
        app.user("ann").await;
        let path = file(&app, "people.jsonl", &lines(&[
            json!({"email": "ANN@example.com"}),
            json!({"email": "bob@example.com", "password_hash": BCRYPT, "phone_number": "+4915112345678"}),
            json!({"email": "Bob@Example.com"}),
            json!({"email": "no address"}),
            json!({"email": "cid@example.com", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}),
        ]));
        let before = accounts(&app).await;
        let report = file(&app, "report.jsonl", b"");
        let dry = import(&app, &path, "jsonl", &["--dry-run", "--report", &report]).await;
        assert_eq!(dry["imported"], 1);
        assert_eq!((&dry["skipped"], &dry["refused"]), (&json!(2), &json!(2)));
        assert_eq!(accounts(&app).await, before);
        let real = import(&app, &path, "jsonl", &[]).await;
        for number in ["imported", "skipped", "refused", "with_password", "weak"] {
            assert_eq!(dry[number], real[number], "{number}");
        }
        let told = std::fs::read_to_string(&report).unwrap();
        let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(told.iter().map(|row| row["line"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 3, 4, 5]);
        assert!(!json!(told).to_string().contains("5f4dcc3b"), "a report has no hash");
        // Once more: everything is there.
        assert_eq!(import(&app, &path, "jsonl", &[]).await["imported"], 0);
    }

    async fn z3_a_file_gives_no_role_that_is_not_there_and_nobody_everything(app: TestApp) {
        let path = file(&app, "people.jsonl", &lines(&[
            json!({"email": "a@example.com", "roles": ["admin"]}),
            json!({"email": "b@example.com", "roles": ["nobody-made-this"]}),
            json!({"email": "c@example.com", "roles": ["*"]}),
            json!({"email": "d@example.com", "roles": ["support"]}),
        ]));
        let summary = import(&app, &path, "jsonl", &[]).await;
        assert_eq!((&summary["imported"], &summary["refused"]), (&json!(1), &json!(3)), "{summary}");
        let roles = "SELECT role FROM user_roles WHERE role <> 'user'";
        assert_eq!(app.look().await.texts(roles).await, ["support"]);
        let summary = import(&app, &path, "jsonl", &["--skip-unknown-roles"]).await;
        assert_eq!((&summary["imported"], &summary["refused"]), (&json!(1), &json!(2)), "{summary}");
        assert_eq!(app.look().await.texts(roles).await, ["support"]);
        let summary = import(&app, &path, "jsonl", &["--role", "none-such"]).await;
        assert_eq!((&summary["imported"], &summary["refused"]), (&json!(0), &json!(4)), "{summary}");
        let summary = import(&app, &path, "jsonl", &["--administrators"]).await;
        assert_eq!(summary["imported"], 1, "{summary}");
        let mut now = app.look().await.texts(roles).await;
        now.sort();
        assert_eq!(now, ["admin", "support"]);
    }

    async fn what_is_broken_is_refused_and_what_is_good_stays(app: TestApp) {
        let rows = lines(&[json!({"email": "a@example.com"}), json!({"email": "b@example.com"})]);
        let mut text = rows.clone();
        text.extend(format!("{{\"email\":\"{}\"}}\n", "x".repeat(1 << 20)).into_bytes());
        text.extend(b"{\"email\":\"c\xff@example.com\"}\n{\"email\":\"d\0@example.com\"}\n");
        text.extend(b"{\"email\":\"e@example.com\",\"email\":\"f@example.com\"}\n{\"email\":\"g@example.com\"}\n");
        let summary = import(&app, &file(&app, "bad.jsonl", &text), "jsonl", &[]).await;
        assert_eq!((&summary["imported"], &summary["refused"]), (&json!(3), &json!(4)), "{summary}");

        let cut = file(&app, "cut.json", br#"{"users":[{"email":"h@example.com"},{"email":"i@exam"#);
        let output = app.cli(&["import", &cut, "--from", "keycloak"]).await;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("ends too early"), "{said}");
        let there = app.look().await.texts("SELECT email FROM users ORDER BY email").await;
        assert_eq!(there, ["a@example.com", "b@example.com", "g@example.com", "h@example.com"]);

        for (name, text) in [("bomb.json", "[".repeat(1 << 20)), ("empty.json", String::new())] {
            let path = file(&app, name, text.as_bytes());
            assert_eq!(app.cli(&["import", &path, "--from", "keycloak"]).await.status.code(), Some(1), "{name}");
        }
        assert_eq!(app.cli(&["import", "nowhere.jsonl", "--from", "jsonl"]).await.status.code(), Some(1));
        assert_eq!(app.cli(&["import", "x", "--from", "nothing"]).await.status.code(), Some(2));
    }

    async fn d9_what_was_exported_imports_as_the_same_accounts(app: TestApp) {
        import(&app, &fixture("people.jsonl"), "jsonl", &[]).await;
        import(&app, &fixture("people.csv"), "csv", &["--role", "support"]).await;
        let jsonl = app.data.with_file_name("all.jsonl").to_string_lossy().into_owned();
        app.cli_ok(&["export", "--with-password-hashes", "--output", &jsonl]).await;
        let plain = app.cli_ok(&["export"]).await;
        assert_eq!(plain.lines().count(), 7);
        assert!(!plain.contains("password_hash") && !plain.contains(BCRYPT), "hashes only when they are asked for");

        let second = Setup::new(app.database).prepare().await;
        let summary = import(&second, &jsonl, "usher", &[]).await;
        assert_eq!(summary["imported"], 7, "{summary}");
        assert_eq!(second.cli_ok(&["export", "--with-password-hashes"]).await, std::fs::read_to_string(&jsonl).unwrap());
        second.start().await;
        let bcrypt = second.login("jsonl-bcrypt@example.com", BCRYPT_PASSWORD).await.is(200).json();
        assert_eq!(bcrypt["user"]["name"], "Zo\u{eb}");

        let csv = app.cli_ok(&["export", "--format", "csv"]).await;
        assert!(csv.contains(",'=1+1,"), "a name that would be a formula is text: {csv}");
        let path = file(&app, "all.csv", csv.as_bytes());
        let third = Setup::new(app.database).prepare().await;
        assert_eq!(import(&third, &path, "csv", &[]).await["imported"], 7);
        assert_eq!(third.cli_ok(&["export"]).await, plain);
    }

    async fn kill_9_at_twenty_points_of_an_import_loses_and_repeats_nothing(setup: Setup) {
        let (killed, whole) = (setup.clone().prepare().await, setup.prepare().await);
        let rows: Vec<Value> = (0..40_000).map(|number| match number % 97 {
            0 => json!({"email": "twice@example.com", "created_at": "2024-01-31T12:00:00Z"}),
            1 => json!({"email": format!("no address {number}")}),
            2 => json!({"email": format!("user{number}@example.com"), "phone_number": "+4915112345678",
                "created_at": "2024-01-31T12:00:00Z"}),
            _ => json!({"email": format!("user{number}@example.com"), "name": format!("User {number}"),
                "password_hash": BCRYPT, "created_at": "2024-01-31T12:00:00Z", "roles": ["support"]}),
        }).collect();
        let text = lines(&rows[1..]);
        let path = file(&whole, "many.jsonl", &text);
        let (report, whole_report) = (path.clone() + ".report", path.clone() + ".whole-report");
        import(&whole, &path, "jsonl", &["--report", &whole_report]).await;

        killed.cli_ok(&["migrate"]).await;
        let mut dice = u64::from(std::process::id()) | 1;
        for kill in 0..20_u64 {
            let mut child = killed.command(&["import", &path, "--from", "jsonl", "--report", &report]).stdout(Stdio::null())
                .stderr(Stdio::null()).spawn().unwrap();
            // Somewhere in the next twentieth of the file, wherever the processor happens to be.
            wait_for_position(&killed, 1 + kill * 1_900).await;
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // At once every second time: a batch is in the database, and its rows are about to be in the report.
            if kill % 2 == 0 {
                tokio::time::sleep(Duration::from_micros(dice >> 33 & 0x7fff)).await;
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let last = import(&killed, &path, "jsonl", &["--report", &report]).await;
        assert!(last["before"]["position"].as_u64().unwrap() > 30_000, "it went on where it was: {last}");
        assert_eq!(accounts(&killed).await, accounts(&whole).await);
        let (report, whole_report) = (std::fs::read_to_string(report).unwrap(), std::fs::read_to_string(whole_report).unwrap());
        assert!(report.lines().count() > 800);
        assert!(report == whole_report, "a row is missing in the report, or stands there twice");
        assert_eq!(killed.look().await.texts("SELECT email FROM users WHERE email = 'user2@example.com'").await.len(), 1);
    }
}

async fn wait_for_position(app: &TestApp, position: u64) {
    let begun = Instant::now();
    let mut view = app.look().await;
    while view
        .texts("SELECT CAST(position AS TEXT) FROM imports")
        .await
        .first()
        .is_none_or(|reached| reached.parse::<u64>().unwrap() < position)
    {
        assert!(begun.elapsed() < PATIENCE, "the import does not get to row {position}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
