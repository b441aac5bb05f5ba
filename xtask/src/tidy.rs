//! `cargo xtask tidy`: rules of the architecture that the compiler does not know.
//!
//! Each rule is a function from text to complaints, so that it can be tried without a workspace.

mod graph;
mod lints;
mod revocation;
mod secrets;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::source;

/// A source file of a crate, without its tests.
struct SourceFile {
    /// Which crate's folder it lies in.
    owner: String,
    /// Its path from the root of the workspace.
    path: String,
    text: String,
}

/// Checks every rule; each complaint is a sentence that says where and what to do.
pub fn check(root: &Path, metadata: &Value) -> Result<Vec<String>> {
    let architecture = root.join("ARCHITECTURE.md");
    let map = fs::read_to_string(&architecture).with_context(|| format!("cannot read {}", architecture.display()))?;
    let mut complaints = graph::complaints(&map, &graph::edges_of(metadata));
    complaints.extend(lints::missing(root, metadata)?);
    let sources = read_sources(root)?;
    complaints.extend(lints::unsafe_places(&sources));
    complaints.extend(revocation::complaints(&sources));
    complaints.extend(secrets::complaints(&sources));
    complaints.extend(tables::complaints(&sources, &read_migrations(root)?));
    Ok(complaints)
}

fn read_sources(root: &Path) -> Result<Vec<SourceFile>> {
    let mut sources = Vec::new();
    for path in source::program_files(&root.join("crates"))? {
        let shown = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        let mut folders = shown.split('/').skip(1);
        if let (Some(owner), Some("src")) = (folders.next(), folders.next()) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
            sources.push(SourceFile {
                owner: owner.to_owned(),
                text: source::without_tests(&text).to_owned(),
                path: shown,
            });
        }
    }
    Ok(sources)
}

/// The SQL of every migration, with the crate it belongs to.
fn read_migrations(root: &Path) -> Result<Vec<(String, String)>> {
    let mut migrations = Vec::new();
    for path in source::files(&root.join("crates"), "sql")? {
        let shown = path.strip_prefix(root)?.to_string_lossy().into_owned();
        if let Some(owner) = shown.split('/').nth(1) {
            migrations.push((owner.to_owned(), fs::read_to_string(&path)?));
        }
    }
    Ok(migrations)
}
