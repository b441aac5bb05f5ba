//! Debian's packages: the servers, proxies, languages and the browser that the tests start.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use xtask::postgres;

use crate::step::run as run_command;

/// A program that has to be there, and the package that has it.
const PROGRAMS: [(&str, &str); 7] = [
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Installs what is not there. As anybody but root it says what to install.
pub fn install() -> Result<()> {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if postgres::binaries().is_none() {
        packages.push("postgresql");
    }
    if !has_venv() {
        packages.push("python3-venv");
    }
    if packages.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("the tests need more programs; as root, run: apt-get install {}", packages.join(" "));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // nginx and haproxy would start as services of the machine, on ports that somebody may need.
    let policy = StartNothing::begin()?;
    run_command(apt().args(["update", "-qq"]))?;
    run_command(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))?;
    policy.end()
}

/// Where a program is: on the path, or where Debian has those of administrators, which is on the path
/// of root alone.
fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Debian has `python3` without the module that makes environments.
fn has_venv() -> bool {
    let asked = Command::new("python3").args(["-c", "import venv, ensurepip"]).output();
    asked.is_ok_and(|output| output.status.success())
}

/// While this file is there, Debian's packages start no service (`invoke-rc.d(8)`).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Keeps freshly installed servers from being started.
struct StartNothing {
    is_ours: bool,
}

impl StartNothing {
    fn begin() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let is_ours = !Path::new(POLICY).exists();
        if is_ours {
            std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
            std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { is_ours })
    }

    fn end(mut self) -> Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_ours) {
            std::fs::remove_file(POLICY)?;
        }
        Ok(())
    }
}

impl Drop for StartNothing {
    fn drop(&mut self) {
        // Whoever did not call `end` is already failing, and has its own error to show.
        drop(self.remove());
    }
}
