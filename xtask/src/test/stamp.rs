//! What was installed, and for which files: so that a second run installs nothing.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A file that says for which lists of requirements something was installed.
pub struct Stamp {
    file: PathBuf,
    wanted: String,
}

impl Stamp {
    /// The stamp in `file`, for what these lists say now.
    pub fn new(file: PathBuf, lists: &[&Path]) -> Result<Self> {
        let mut all = Vec::new();
        for list in lists {
            all.extend(fs::read(list).with_context(|| format!("cannot read {}", list.display()))?);
        }
        Ok(Self { file, wanted: sha256(&all)? })
    }

    /// Whether everything is as the lists want it.
    pub fn is_there(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|found| found == self.wanted)
    }

    /// Says that it is.
    pub fn set(&self) -> Result<()> {
        fs::write(&self.file, &self.wanted).with_context(|| format!("cannot write {}", self.file.display()))
    }
}

/// In hexadecimal. `sha256sum` is part of every Debian, and a library would have to be built first.
fn sha256(bytes: &[u8]) -> Result<String> {
    let mut command = Command::new("sha256sum");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start sha256sum")?;
    child.stdin.take().context("sha256sum has no input")?.write_all(bytes)?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().next() {
        Some(hash) if output.status.success() => Ok(hash.to_owned()),
        _ => bail!("sha256sum ended with {}", output.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_standard_one() {
        assert_eq!(sha256(b"abc").unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_was_installed_for_another_list_counts_for_nothing() {
        let folder = std::env::temp_dir().join(format!("usher-stamp-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (list, file) = (folder.join("list"), folder.join("stamp"));
        fs::write(&list, "one==1").unwrap();
        let stamp = Stamp::new(file.clone(), &[&list]).unwrap();
        assert!(!stamp.is_there());
        stamp.set().unwrap();
        assert!(stamp.is_there());
        fs::write(&list, "one==2").unwrap();
        assert!(!Stamp::new(file, &[&list]).unwrap().is_there());
        fs::remove_dir_all(&folder).unwrap();
    }
}
