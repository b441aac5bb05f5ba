//! One SQL text, two databases: every statement is prepared on both, and both schemas are the same.

use std::collections::BTreeSet;
use std::path::Path;

use e2e::{Database, DatabaseView, Setup, TestApp, source};

/// A statement, and where it stands.
struct Statement {
    sql: String,
    place: String,
}

/// Every statement in the source of the crates.
fn statements() -> Vec<Statement> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = Vec::new();
    for path in source::program_files(&crates).unwrap() {
        let text = std::fs::read_to_string(&path).unwrap();
        for literal in source::literals(source::without_tests(&text)) {
            if is_statement(&literal.text) {
                let place = format!("{}:{}", path.strip_prefix(&crates).unwrap().display(), literal.line);
                found.push(Statement { sql: literal.text, place });
            }
        }
    }
    found
}

fn is_statement(text: &str) -> bool {
    let begins = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "];
    // The writer of the ledger puts its VALUES behind the columns while it runs.
    begins.iter().any(|begin| text.trim_start().starts_with(begin)) && !text.ends_with(") ")
}

/// What one database has and the other cannot: named functions of which the other side has its own.
/// This list may only become shorter.
fn only_on(sql: &str) -> Option<Database> {
    let postgres = ["pg_advisory", "pg_try_advisory", "pg_notify", "FOR UPDATE", "SKIP LOCKED", "set_config"];
    let sqlite = ["sqlite_master", "pragma_", "user_text_index"];
    if postgres.iter().any(|word| sql.contains(word)) {
        Some(Database::Postgres)
    } else if sqlite.iter().any(|word| sql.contains(word)) {
        Some(Database::Sqlite)
    } else {
        None
    }
}

async fn migrated(database: Database) -> (TestApp, DatabaseView) {
    let app = Setup::new(database).prepare().await;
    app.cli_ok(&["migrate"]).await;
    let view = app.look().await;
    (app, view)
}

async fn prepare_all(database: Database) {
    let (_app, mut view) = migrated(database).await;
    let statements = statements();
    assert!(statements.len() >= 30, "only {} statements were found", statements.len());
    let mut complaints = Vec::new();
    for statement in statements {
        if only_on(&statement.sql).is_some_and(|only| only != database) {
            continue;
        }
        if let Err(error) = view.prepare(&statement.sql).await {
            // The driver tells PostgreSQL the types of the arguments; here it has to guess, and says
            // so only after it has understood everything else.
            if !error.to_string().contains("could not determine data type of parameter") {
                complaints.push(format!("{}: {error}\n    {}", statement.place, statement.sql));
            }
        }
    }
    assert!(complaints.is_empty(), "on {database:?}:\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn every_statement_prepares_on_sqlite() {
    prepare_all(Database::Sqlite).await;
}

#[tokio::test]
async fn every_statement_prepares_on_postgres() {
    prepare_all(Database::Postgres).await;
}

/// `table.column` with what it may hold, in words that both databases share. SQLite's full-text index is made of
/// tables, PostgreSQL's is an index.
async fn columns(database: Database) -> BTreeSet<String> {
    let (_app, mut view) = migrated(database).await;
    let sql = match database {
        Database::Sqlite => {
            "SELECT m.name || '.' || c.name || CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN '' ELSE ' may be null' END
             FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'
               AND m.name NOT LIKE 'user_text_index%' AND m.name <> 'user_text_letters'"
        }
        Database::Postgres => {
            "SELECT table_name || '.' || column_name || CASE WHEN is_nullable = 'NO' THEN '' ELSE ' may be null' END
             FROM information_schema.columns WHERE table_schema = 'public'"
        }
    };
    view.texts(sql).await.into_iter().collect()
}

#[tokio::test]
async fn both_schemas_have_the_same_tables_columns_and_nullability() {
    let (sqlite, postgres) = (columns(Database::Sqlite).await, columns(Database::Postgres).await);
    assert!(sqlite.len() > 30);
    let only_one: Vec<&String> = sqlite.symmetric_difference(&postgres).collect();
    assert!(only_one.is_empty(), "not on both: {only_one:?}");
}
