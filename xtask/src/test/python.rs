//! Python for the tests: an environment with the client and what its tests and services need, and one
//! with what the quiz of `examples/` needs, as its own script would make it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::stamp::Stamp;
use crate::step::run as run_command;

/// The oldest Python that the client is for.
const OLDEST: (u32, u32) = (3, 11);

/// The prepared environments.
pub struct Python {
    root: PathBuf,
    tests: PathBuf,
    quiz: PathBuf,
}

impl Python {
    /// Makes the environments below `target`, if they are not there as the lists want them.
    pub fn prepare(root: &Path) -> Result<Self> {
        let version = version(Path::new("python3"))?;
        if version < OLDEST {
            let ((major, minor), (least, less)) = (version, OLDEST);
            bail!("the Python client needs Python {least}.{less} or newer, and `python3` is {major}.{minor}");
        }
        let (tests, quiz) = (root.join("target/test-python"), root.join("target/test-quiz-python"));
        let client = root.join("clients/python");
        let lists = [client.join("requirements-dev.txt"), root.join("e2e/services/requirements.txt")];
        environment(&tests, &lists.each_ref().map(PathBuf::as_path), Some(&client))?;
        environment(&quiz, &[&root.join("examples/quiz/requirements.txt")], None)?;
        Ok(Self { root: root.to_owned(), tests, quiz })
    }

    /// The interpreter with the client.
    pub fn program(&self) -> PathBuf {
        interpreter(&self.tests)
    }

    /// The folder of the quiz's environment.
    pub fn quiz(&self) -> &Path {
        &self.quiz
    }

    /// The client's own tests.
    pub fn tests(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]);
        command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(self.root.join("clients/python"));
        command
    }
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// Makes an environment with everything in `lists`, and with a package that is being worked on.
fn environment(folder: &Path, lists: &[&Path], package: Option<&Path>) -> Result<()> {
    let manifest = package.map(|package| package.join("pyproject.toml"));
    let known: Vec<&Path> = lists.iter().copied().chain(manifest.as_deref()).collect();
    let stamp = Stamp::new(folder.join("installed"), &known)?;
    let python = interpreter(folder);
    // An environment is of no more use when the interpreter that it was made from is gone.
    if stamp.is_there() && version(&python).is_ok() {
        return Ok(());
    }
    println!("installing into {}", folder.display());
    run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for list in lists {
        install.arg("--requirement").arg(list);
    }
    if let Some(package) = package {
        install.arg("--editable").arg(package);
    }
    run_command(&mut install)?;
    stamp.set()
}

/// What an interpreter says that it is.
fn version(python: &Path) -> Result<(u32, u32)> {
    let words = ["-c", "import sys; print(*sys.version_info[:2])"];
    let output = Command::new(python).args(words).stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", python.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("{} does not say which version it is", python.display()),
    }
}
