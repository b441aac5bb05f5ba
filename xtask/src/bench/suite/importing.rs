//! Importing accounts: everything on one core, the database's server included.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use xtask::postgres::Server;

use super::machine::{LOAD_CORE, MEASURED_CORE, Quiet, pin, spawn_measured};
use super::table::{Goal, Table};
use super::{Plan, say};
use crate::step::workspace_root;

/// A bcrypt hash of cost 12, as most files have them.
const HASH: &str = "$2b$12$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe";

/// The rows.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let file = folder.join("import.jsonl");
    write_people(&file, plan.many)?;
    let size = plan.accounts();
    let mut best: Option<f64> = None;
    for turn in 0..plan.turns {
        say(&format!("import of {size} into SQLite"));
        quiet.wait().await?;
        let rate = import(&file, &folder.join(format!("import-{turn}")), None)?;
        best = Some(best.unwrap_or_default().max(rate));
    }
    let seen = best.context("nothing was measured")?;
    table.plain(&format!("Import of {size} accounts, SQLite, one core"), &[Goal::above(seen, 50_000.0, "accounts/s")]);
    pin(MEASURED_CORE)?;
    let server = Server::start();
    pin(LOAD_CORE)?;
    let server = server?;
    say(&format!("import of {size} into PostgreSQL"));
    quiet.wait().await?;
    let seen = import(&file, &folder.join("import-postgres"), Some(&server.url()))?;
    server.stop()?;
    let goal = Goal::above(seen, 20_000.0, "accounts/s");
    table.plain(&format!("Import of {size} accounts, PostgreSQL, one core for both"), &[goal]);
    Ok(())
}

/// A file of people with names, hashes and moments.
fn write_people(file: &Path, many: usize) -> Result<()> {
    let mut text = String::new();
    for number in 0..many {
        let row = json!({
            "email": format!("user{number}@bench.example"), "email_verified": true, "name": format!("Person {number}"),
            "password_hash": HASH, "created_at": "2024-01-31T12:00:00Z",
        });
        writeln!(text, "{row}")?;
    }
    std::fs::write(file, text).context("cannot write the file to import")
}

/// Imports the file into a new database; accounts a second, from the first row to the last commit.
fn import(file: &Path, data: &Path, server: Option<&str>) -> Result<f64> {
    let mut command = Command::new(workspace_root().join("target/release/usher"));
    command.arg("import").arg(file).args(["--from", "jsonl", "--json"]).env("USHER_DATA_DIR", data);
    if let Some(url) = server {
        command.env("USHER_DATABASE__URL", url);
    }
    let output = spawn_measured(command.stdin(Stdio::null()).stdout(Stdio::piped()))?.wait_with_output()?;
    if !output.status.success() {
        bail!("the import ended with {}", output.status);
    }
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| said[name].as_f64().with_context(|| format!("the import did not say `{name}`"));
    Ok(number("imported")? / number("seconds")?)
}
