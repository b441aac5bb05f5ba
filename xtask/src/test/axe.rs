//! axe-core, which the pages are examined with for who cannot use them. It is never part of the program: a test
//! hands it to the browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::run as run_command;

/// The version: another one finds other things, and a test must not begin to fail by itself.
const VERSION: &str = "4.11.0";

/// Fetches the script once; where it is.
pub fn prepare(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/test-axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    let stamp = folder.join(format!(".installed-{VERSION}"));
    if stamp.exists() && script.exists() {
        return Ok(script);
    }
    std::fs::create_dir_all(&folder)?;
    let install = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--prefix"];
    run_command(Command::new("npm").args(install).arg(&folder).arg(format!("axe-core@{VERSION}")))?;
    if !script.exists() {
        bail!("axe-core {VERSION} has no {}", script.display());
    }
    std::fs::write(&stamp, "")?;
    Ok(script)
}
