//! `cargo xtask seed [--users N] [--data DIR] [--database URL]`: a folder, or a PostgreSQL database, with as many
//! accounts as one likes: the same ones every time and on both, with names from everywhere.
//!
//! They are written as a file of lines, one a person, and taken in by `usher import`: what is in the database
//! afterwards is what an import makes, searchable soon after the next start.

mod people;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::step::{cargo, run as run_command, step, workspace_root};

/// How many accounts there are unless somebody says.
const MANY: u64 = 1_000_000;

/// What is to be filled.
struct Words {
    users: u64,
    data: PathBuf,
    database: Option<String>,
}

impl Words {
    fn parse(flags: &[&str]) -> Result<Self> {
        let mut words = Self { users: MANY, data: PathBuf::from("usher-data"), database: None };
        for pair in flags.chunks(2) {
            match *pair {
                ["--users", number] => words.users = number.parse().context("--users takes a number")?,
                ["--data", folder] => words.data = folder.into(),
                ["--database", url] => words.database = Some(url.to_owned()),
                _ => bail!("`cargo xtask seed` takes --users N, --data DIR and --database URL"),
            }
        }
        Ok(words)
    }
}

/// Makes the accounts.
pub fn run(flags: &[&str]) -> Result<()> {
    let words = Words::parse(flags)?;
    // The program is started in the folder that this was called in, so that a folder may be named from there.
    let file = workspace_root().join(format!("target/seed-{}.jsonl", words.users));
    step("build the program", || run_command(cargo().args(["build", "--release", "--locked", "--package", "usher"])))?;
    step(&format!("write {} people to {}", words.users, file.display()), || write(&file, words.users))?;
    step("import them", || {
        let mut import = Command::new(workspace_root().join("target/release/usher"));
        import.arg("import").arg(&file).args(["--from", "jsonl"]).env("USHER_DATA_DIR", &words.data);
        if let Some(url) = &words.database {
            import.env("USHER_DATABASE__URL", url);
        }
        run_command(&mut import)
    })
}

/// Writes a line for each, without holding more than one of them.
fn write(file: &Path, users: u64) -> Result<()> {
    let mut lines = BufWriter::new(File::create(file).with_context(|| format!("cannot write {}", file.display()))?);
    for number in 0..users {
        serde_json::to_writer(&mut lines, &people::person(number))?;
        lines.write_all(b"\n")?;
    }
    lines.flush()?;
    Ok(())
}
