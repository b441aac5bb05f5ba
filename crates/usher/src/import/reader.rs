//! From a file to batches of rows, on a thread of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result};
use auth::hashing::foreign::FirebaseParameters;
use auth::{ImportBatch, ImportRow, NotTaken};
use clap::ValueEnum;
use kernel::Timestamp;

use super::input::{Bounded, Budget, CHUNK};
use super::sources::{Auth0, Firebase, Keycloak, Ours, Row, Supabase};
use super::table::{self, Header};
use super::{Stop, json};

/// How large a batch may be.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    rows: usize,
    /// Roughly, so that long rows make small batches.
    bytes: usize,
}

impl Most {
    /// Where a server writes it: it serves others meanwhile, and they wait for a batch.
    pub const BESIDE_OTHERS: Self = Self { rows: FEW, bytes: 2 << 20 };
    /// Where nobody waits.
    pub const ALONE: Self = Self { rows: 20_000, bytes: 32 << 20 };

    /// How many rows are written together after so many. Rows come in no order, and each commit writes every page of an index
    /// that was touched: the larger the indexes are, the more rows it takes to meet a page twice.
    fn after(self, rows: u64) -> usize {
        usize::try_from(rows / 16).unwrap_or(usize::MAX).clamp(FEW, self.rows)
    }
}

/// The rows of a small batch.
const FEW: usize = 1_000;

/// Where a file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns with a header: `email`, `name`, `password_hash`, `roles`, …
    Csv,
    /// A user in JSON a line: the fields of the API and `password_hash`
    Jsonl,
    /// A realm export of Keycloak (`kc.sh export`), or one of its files of users
    Keycloak,
    /// Auth0's export, one user in JSON a line or a list, with `passwordHash` or `custom_password_hash`
    Auth0,
    /// `firebase auth:export`, JSON or CSV
    Firebase,
    /// The table `auth.users` of Supabase (`GoTrue`), as CSV or a row in JSON a line
    Supabase,
    /// What `usher export` wrote
    Usher,
}

impl Format {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Keycloak => "keycloak",
            Self::Auth0 => "auth0",
            Self::Firebase => "firebase",
            Self::Supabase => "supabase",
            Self::Usher => "usher",
        }
    }
}

/// A file to be read.
#[derive(Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// What Firebase's hashes were made with.
    pub firebase: Option<FirebaseParameters>,
    /// How many rows were written before.
    pub position: u64,
    /// How large a batch may be.
    pub most: Most,
    /// What is known of it.
    pub digest: [u8; 32],
    /// What time it is.
    pub now: Timestamp,
}

/// Says what a file is: its first bytes and its length. That changes with every export, and needs no
/// reading of a file of gigabytes.
pub fn digest(path: &Path) -> Result<([u8; 32], u64)> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let length = file.seek(std::io::SeekFrom::End(0)).context("the file has no length: import a file, not a pipe")?;
    file.rewind()?;
    let mut head = Vec::new();
    file.take(CHUNK as u64).read_to_end(&mut head)?;
    Ok((auth::import_file_id(&head, length), length))
}

/// Reads the whole file and hands on what it has, batch by batch. It ends early when `hand_on` says so.
pub fn read(
    source: &Source,
    read: Arc<AtomicU64>,
    hand_on: &mut dyn FnMut(ImportBatch) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let file = File::open(&source.path)?;
    let (input, budget) = Bounded::new(file, read);
    let mut batcher = Batcher::new(source, hand_on);
    let end = read_rows(source, input, &budget, &mut |line, row| batcher.add(line, row));
    match end {
        Ok(()) => batcher.flush(true),
        Err(stop @ Stop::Broken(_)) => {
            // What was read before the break is good, and stays.
            batcher.flush(false)?;
            Err(stop)
        }
        Err(stop) => Err(stop),
    }
}

type Add<'a> = dyn FnMut(u64, Result<Row, String>) -> Result<(), Stop> + 'a;

fn read_rows(source: &Source, input: Bounded<File>, budget: &Budget, add: &mut Add<'_>) -> Result<(), Stop> {
    let is_table = source.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    match source.format {
        Format::Csv => {
            table::rows(input, budget, Header::Ours, &mut |line, cells| add(line, cells.and_then(table::ours)))
        }
        Format::Jsonl | Format::Usher => json::lines(input, budget, &mut |line, text| {
            add(line, text.and_then(json::row::<Ours>).map(Ours::into_row))
        }),
        Format::Keycloak => json::elements(input, budget, "users", &mut |line, text| {
            add(line, text.and_then(json::row::<Keycloak>).and_then(Keycloak::into_row))
        }),
        Format::Auth0 => {
            let mut each = |line, text: Result<&str, String>| {
                add(line, text.and_then(json::row::<Auth0>).and_then(Auth0::into_row))
            };
            if begins_with(&source.path, b'[')? {
                json::elements(input, budget, "users", &mut each)
            } else {
                json::lines(input, budget, &mut each)
            }
        }
        Format::Firebase => {
            let parameters = source.firebase.as_ref();
            let into_row = |user: Firebase| user.into_row(parameters);
            if is_table {
                table::rows(input, budget, Header::Firebase, &mut |line, cells| {
                    add(line, cells.and_then(table::firebase).and_then(into_row))
                })
            } else {
                json::elements(input, budget, "users", &mut |line, text| {
                    add(line, text.and_then(json::row::<Firebase>).and_then(into_row))
                })
            }
        }
        Format::Supabase if is_table => table::rows(input, budget, Header::Open, &mut |line, cells| {
            add(line, cells.map(table::supabase).and_then(|user| user.into_row(source.now)))
        }),
        Format::Supabase => json::lines(input, budget, &mut |line, text| {
            add(line, text.and_then(json::row::<Supabase>).and_then(|user| user.into_row(source.now)))
        }),
    }
}

/// Whether the first character that is no white space is this one.
fn begins_with(path: &Path, wanted: u8) -> Result<bool, Stop> {
    let mut reader = BufReader::new(File::open(path)?);
    let head = reader.fill_buf()?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    Ok(head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&wanted))
}

/// Gathers rows until there are enough for a transaction.
struct Batcher<'b> {
    source: &'b Source,
    hand_on: &'b mut dyn FnMut(ImportBatch) -> Result<(), Stop>,
    /// How many rows were read.
    read: u64,
    /// How many of them were handed on, or written before.
    done: u64,
    rows: Vec<ImportRow>,
    unreadable: Vec<NotTaken>,
    bytes: usize,
}

impl<'b> Batcher<'b> {
    fn new(source: &'b Source, hand_on: &'b mut dyn FnMut(ImportBatch) -> Result<(), Stop>) -> Self {
        let done = source.position;
        Self { source, hand_on, read: 0, done, rows: Vec::new(), unreadable: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, line: u64, row: Result<Row, String>) -> Result<(), Stop> {
        self.read += 1;
        if self.read <= self.source.position {
            return Ok(());
        }
        match row {
            Ok((account, password_hash)) => {
                let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                self.bytes += 200 + text(&account.email) + text(&account.name) + text(&password_hash);
                self.rows.push(ImportRow { line, account, password_hash });
            }
            Err(reason) => {
                self.bytes += 100;
                self.unreadable.push(NotTaken { line, is_duplicate: false, reason });
            }
        }
        let is_full = self.rows.len() + self.unreadable.len() >= self.source.most.after(self.done)
            || self.bytes >= self.source.most.bytes;
        if is_full { self.flush(false) } else { Ok(()) }
    }

    fn flush(&mut self, is_last: bool) -> Result<(), Stop> {
        if self.read < self.done || (self.read == self.done && !is_last) {
            return if is_last {
                Err(Stop::Broken("the file has fewer rows than were imported".into()))
            } else {
                Ok(())
            };
        }
        self.bytes = 0;
        let batch = ImportBatch {
            file: self.source.digest,
            source: self.source.format.as_str().to_owned(),
            from: self.done,
            to: self.read,
            is_last,
            unreadable: std::mem::take(&mut self.unreadable),
            rows: std::mem::take(&mut self.rows),
        };
        self.done = self.read;
        (self.hand_on)(batch)
    }
}
