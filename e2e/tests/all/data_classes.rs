//! D6 of assurance.md: every column is of one class, in `docs/privacy.md`, so that whoever adds one has to say whether it
//! is about a person; and what is about a person is gone when an account is erased.

use std::collections::BTreeMap;
use std::path::Path;

use e2e::{Database, Setup, TestApp, User, on_both};
use serde_json::{Value, json};

/// The tables that the full-text index of SQLite is made of; PostgreSQL has an index there.
const SQLITE_ONLY: [&str; 2] = ["user_text_index", "user_text_letters"];

/// `table.column` and its class, as the document says it.
fn classes() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/privacy.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("## Every column, by class\n").expect("the section");
    let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
    let mut rows = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<String>>());
    let head = rows.next().expect("a table");
    let mut classes = BTreeMap::new();
    for row in rows.skip(1) {
        assert_eq!(row.len(), head.len(), "{row:?}");
        let table = row[0].trim_matches('`');
        for (class, cell) in head.iter().zip(&row).skip(1) {
            for column in cell.split_whitespace() {
                let name = format!("{table}.{}", column.trim_matches('`'));
                assert_eq!(classes.insert(name.clone(), class.clone()), None, "{name} has two classes");
            }
        }
    }
    classes
}

/// Every `table.column` of a fresh database.
async fn columns(app: &TestApp) -> Vec<String> {
    let sql = match app.database {
        Database::Sqlite => {
            r"SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
              WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
                AND m.name NOT LIKE 'user\_text\_index\_%' ESCAPE '\'"
        }
        Database::Postgres => {
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
        }
    };
    app.look().await.texts(sql).await
}

on_both! {
    async fn d6_every_column_has_one_class(setup: Setup) {
        let app = setup.prepare().await;
        app.cli_ok(&["migrate"]).await;
        let mut classes = classes();
        if app.database == Database::Postgres {
            classes.retain(|name, _| SQLITE_ONLY.iter().all(|table| !name.starts_with(&format!("{table}."))));
        }
        let mut without = Vec::new();
        for column in columns(&app).await {
            if classes.remove(&column).is_none() {
                without.push(column);
            }
        }
        without.sort();
        assert!(without.is_empty(), "say in docs/privacy.md of which class these columns are: {without:?}");
        assert!(classes.is_empty(), "docs/privacy.md has columns that are not there: {:?}", classes.keys());
    }

    /// The word stands in every column about a person that somebody can write into.
    async fn d6_no_column_about_a_person_keeps_them_when_they_are_erased(app: TestApp) {
        const WORD: &str = "quxzephyr";
        let root = User::administrator(&app, "root").await;
        let ann = app.user(WORD).await;
        let profile = json!({"name": WORD, "bio": WORD, "timezone": "Europe/Berlin", "locale": "de",
            "preferences": {"x": WORD}, "phone_number": "+4915112345678"});
        ann.patch("/api/v1/users/me", profile).await.is(200);
        let ask = json!({"email": format!("{WORD}2@example.com"), "current_password": ann.password});
        ann.post("/api/v1/users/me/email", ask).await.is(202);
        let personal: Vec<String> = classes().into_iter()
            .filter(|(name, class)| class == "personal" && !name.starts_with("user_text_letters"))
            .filter(|(name, _)| app.database == Database::Sqlite || !name.starts_with("user_text_index"))
            .map(|(name, _)| name)
            .collect();
        let found = async || {
            let mut found = Vec::new();
            for name in &personal {
                let (table, column) = name.split_once('.').unwrap();
                let sql = format!("SELECT CAST({column} AS TEXT) FROM {table} WHERE CAST({column} AS TEXT) LIKE '%{WORD}%'");
                if !app.look().await.texts(&sql).await.is_empty() {
                    found.push(name.clone());
                }
            }
            found
        };
        let before = found().await;
        for name in ["users.email", "users.name", "users.name_folded", "users.bio", "users.preferences", "user_texts.text"] {
            assert!(before.iter().any(|found| found == name), "{name} is not among {before:?}");
        }
        root.post(&format!("/api/v1/users/{}/erase", ann.id), Value::Null).await.is(204);
        assert_eq!(found().await, Vec::<String>::new());
    }
}
