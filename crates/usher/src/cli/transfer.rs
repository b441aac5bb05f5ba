//! The words of `usher import` and `usher export`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line's face")]

use std::path::PathBuf;

use anyhow::Result;
use auth::{ImportOptions, Passwords};
use clap::{Args, ValueEnum};

use super::people::FilterWords;
use crate::config::Config;
use crate::export::{self, Export, ExportFormat};
use crate::import::{self, Format, Import};

/// Import accounts from a file, with the hashes of their passwords
///
/// People sign in with the password that they have: its hash is checked as it is, and replaced by one of
/// Usher's own then. It works beside a running server and without one. Interrupted, the same command goes on
/// behind the last row that was written. Rows that cannot be taken are named with the reason; accounts that
/// are there already are left as they are.
#[derive(Args)]
#[command(after_help = "Examples:
  usher import people.csv --from csv --dry-run       What would happen? Nothing is written
  usher import people.csv --from csv --role player   Everybody in it becomes a player too
  usher import realm-export.json --from keycloak --report refused.jsonl
  usher import users.json --from firebase --firebase-config hash-config.txt
  usher import accounts.jsonl --from usher --administrators")]
pub struct ImportWords {
    /// The file
    file: PathBuf,
    /// Where it comes from
    #[arg(long, value_name = "SOURCE")]
    from: Format,
    /// Say what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// A role for everybody in the file; may be said more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Write the rows that are not taken to this file, a line of JSON for each
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Which hashes of passwords are kept
    #[arg(long, value_name = "WHICH", default_value = "all")]
    passwords: PasswordWords,
    /// Take people without the roles that do not exist here, instead of refusing them
    #[arg(long)]
    skip_unknown_roles: bool,
    /// Let the file make people who may do everything
    #[arg(long)]
    administrators: bool,
    /// A file with “Password hash parameters” from Firebase's console
    #[arg(long, value_name = "FILE")]
    firebase_config: Option<PathBuf>,
}

/// Which hashes of passwords are kept.
#[derive(Clone, Copy, ValueEnum)]
enum PasswordWords {
    /// Every one; a row whose hash cannot be checked here is refused
    All,
    /// Those that are hard to guess from; others need to set a new password
    Strong,
    /// None
    None,
}

/// Export accounts: all of them, or those that a filter wants
///
/// Deleted accounts are left out, unless --status deleted asks for them. Without --output it is written to standard
/// output.
#[derive(Args)]
#[command(after_help = "Examples:
  usher export --output accounts.jsonl
  usher export --format csv --output accounts.csv
  usher export --role support --created-after 2026-01-01T00:00:00Z
  usher export --with-password-hashes --output move.jsonl   To move to another Usher. Keep it like a password")]
pub struct ExportWords {
    /// How it is written
    #[arg(long, default_value = "jsonl")]
    format: ExportFormat,
    /// The file to write, which must not be there yet
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the hashes of passwords too. Another Usher can check them only with the same master key
    #[arg(long)]
    with_password_hashes: bool,
    #[command(flatten)]
    filter: FilterWords,
}

/// Imports.
pub fn import(config: Config, words: ImportWords, json: bool) -> Result<()> {
    let checked = config.check()?;
    let import = Import {
        file: words.file,
        format: words.from,
        options: ImportOptions {
            roles: words.roles,
            passwords: match words.passwords {
                PasswordWords::All => Passwords::All,
                PasswordWords::Strong => Passwords::Strong,
                PasswordWords::None => Passwords::None,
            },
            skip_unknown_roles: words.skip_unknown_roles,
            administrators: words.administrators,
            dry_run: words.dry_run,
        },
        report: words.report,
        firebase: words.firebase_config,
    };
    let summary = super::runtime(1)?.block_on(import::run(&checked, import))?;
    if json {
        println!("{}", summary.data());
    } else {
        println!("{}", summary.text());
    }
    Ok(())
}

/// Exports.
pub fn export(config: Config, words: ExportWords, json: bool) -> Result<()> {
    let checked = config.check()?;
    let ExportWords { format, output, with_password_hashes, filter } = words;
    let export = Export { filter: filter.into_pairs(), format, output, with_password_hashes };
    let count = super::runtime(1)?.block_on(export::run(&checked, &export))?;
    match &export.output {
        Some(path) if json => println!("{}", serde_json::json!({"accounts": count, "file": path})),
        Some(path) => println!("{count} accounts are in {}.", path.display()),
        // Standard output is the export.
        None => eprintln!("{count} accounts."),
    }
    Ok(())
}
