//! nginx and HAProxy in front, with the configurations of `deploy/` as they are, but for the ports.

use std::path::PathBuf;
use std::process::Command;

use uuid::Uuid;

use crate::process::{Process, free_address, in_workspace};

/// A proxy that asks Usher about each request.
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    process: Process,
    folder: PathBuf,
}

impl Proxy {
    /// nginx, with `deploy/nginx/usher.conf`.
    pub async fn nginx(usher: &str, application: &str) -> Self {
        let (address, folder) = (free_address(), folder("nginx"));
        let text = std::fs::read_to_string(in_workspace("deploy/nginx/usher.conf")).expect("nginx's configuration");
        let text = with_ports(&text, usher, application, ("127.0.0.1:8088", &address));
        std::fs::write(folder.join("usher.conf"), text).expect("a configuration file");
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(&folder).arg("-c").arg(folder.join("usher.conf"));
        Self::start("nginx", command, address, folder).await
    }

    /// HAProxy, with `deploy/haproxy/haproxy.cfg`.
    pub async fn haproxy(usher: &str, application: &str) -> Self {
        let (address, folder) = (free_address(), folder("haproxy"));
        let from = in_workspace("deploy/haproxy");
        let text = std::fs::read_to_string(from.join("haproxy.cfg")).expect("HAProxy's configuration");
        let text = with_ports(&text, usher, application, ("127.0.0.1:8089", &address));
        std::fs::write(folder.join("haproxy.cfg"), text).expect("a configuration file");
        let script = "usher-authorize.lua";
        std::fs::copy(from.join(script), folder.join(script)).expect("HAProxy's script");
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
        Self::start("haproxy", command, address, folder).await
    }

    async fn start(name: &str, mut command: Command, address: String, folder: PathBuf) -> Self {
        let process = Process::start(name, command.current_dir(&folder));
        process.wait_until_open(&address).await;
        Self { url: format!("http://{address}"), process, folder }
    }

    /// What it has written: its output, and its access log if that is a file.
    pub fn logs(&self) -> String {
        let file = std::fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        self.process.text() + &file
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The configuration with other ports; each has to be in there.
fn with_ports(text: &str, usher: &str, application: &str, own: (&str, &str)) -> String {
    let usher = usher.trim_start_matches("http://");
    [("127.0.0.1:8080", usher), ("127.0.0.1:9000", application), own].iter().fold(
        text.to_owned(),
        |text, (from, to)| {
            assert!(text.contains(from), "the configuration has no {from}");
            text.replace(from, to)
        },
    )
}

/// Debian has these where only root's path goes.
fn program(name: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin"]
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("{name} is not installed: run the tests with `cargo xtask test`, which installs it"))
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("usher-{name}-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).expect("a temporary folder");
    folder
}
