//! `cargo xtask bench [--quick] [GROUP …]`: what the program costs, measured in one run beside what it cannot
//! beat, as the Markdown table of docs/performance.md.
//!
//! `cargo xtask` itself is a debug build that knows no crate of Usher's. So this command builds the
//! program and itself with the feature `bench`, both for release, and hands over to that build,
//! which comes back here with `bench-run` and, for what the program is compared with, `bench-peer`.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{cargo, run as run_command, workspace_root};

#[cfg(feature = "bench")]
mod suite;

/// The groups of rows, each of which can be measured alone.
const GROUPS: [&str; 9] =
    ["accounts", "gateway", "verify", "revocation", "users", "import", "pictures", "mail", "inbox"];

/// Does `bench`, or one of the two words that only it says to itself.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["bench", flags @ ..] => build_and_measure(flags),
        #[cfg(feature = "bench")]
        ["bench-run", flags @ ..] => suite::run(flags),
        #[cfg(feature = "bench")]
        ["bench-peer", peer @ ..] => suite::peers::run(peer),
        _ => bail!("only `cargo xtask bench` says `{}`, to a build with the feature `bench`", words.join(" ")),
    }
}

fn build_and_measure(flags: &[&str]) -> Result<()> {
    if let Some(unknown) = flags.iter().find(|flag| **flag != "--quick" && !GROUPS.contains(flag)) {
        bail!("`cargo xtask bench` does not know `{unknown}`: it takes --quick, and groups: {}", GROUPS.join(", "));
    }
    let both = ["--package", "usher", "--package", "xtask", "--features", "xtask/bench"];
    run_command(cargo().args(["build", "--release", "--locked"]).args(both))?;
    run_command(Command::new(workspace_root().join("target/release/xtask")).arg("bench-run").args(flags))
}
