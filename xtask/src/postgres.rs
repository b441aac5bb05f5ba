//! A PostgreSQL server of one's own: in a temporary folder, on a free port of 127.0.0.1, gone at the end.
//!
//! PostgreSQL refuses to run as root, so root hands it to an account without rights. The server
//! is tied to this process: should this process die without stopping it, the kernel does.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The folder with `initdb` and `postgres` of the newest installed version.
pub fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number = version.file_name().to_str()?.parse().ok()?;
            let folder = version.path().join("bin");
            ["initdb", "postgres"].iter().all(|program| folder.join(program).exists()).then_some((number, folder))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, folder)| folder)
}

/// A port of 127.0.0.1 on which nobody listens. It lies below those that the kernel gives to
/// outgoing connections, so that it is still free after a restart.
pub fn free_port() -> Result<u16> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..2_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + (std::process::id().wrapping_mul(37).wrapping_add(step)) % 20_000)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 10000 and 30000")
}

/// A running server.
pub struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Makes a new database cluster and starts it, with every commit on disk before it is answered.
    pub fn start() -> Result<Self> {
        Self::start_with("fsync=on")
    }

    /// The same for tests: they kill programs and never this server, and what is in it ends with them. So it waits for no
    /// disk, which others may keep busy.
    pub fn start_for_tests() -> Result<Self> {
        Self::start_with("fsync=off")
    }

    fn start_with(fsync: &str) -> Result<Self> {
        let Some(programs) = binaries() else { bail!("PostgreSQL's server is not installed") };
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("usher-postgres-{}-{port}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let account = Account::to_run_as()?;
        if let Some(account) = &account {
            chown(&folder, Some(account.uid), Some(account.gid))?;
        }
        let data = folder.join("data");
        let made = command(account.as_ref(), &programs.join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=usher", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .context("cannot start initdb")?;
        if !made.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        }
        let log = File::create(folder.join("log"))?;
        let process = command(account.as_ref(), &programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"])
            .args(["-c", fsync, "-c", "shared_buffers=64MB", "-c", &format!("port={port}")])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start postgres")?;
        let mut server = Self { process, folder, port };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Its address, for the superuser `usher`.
    pub fn url(&self) -> String {
        format!("postgres://usher@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it and removes its folder.
    pub fn stop(mut self) -> Result<()> {
        self.quit()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if let Some(status) = self.process.try_wait()? {
                bail!("postgres ended at once with {status}:\n{log}");
            }
            let open = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
            if open && log.contains("ready to accept connections") {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("postgres did not answer within {PATIENCE:?}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGQUIT is PostgreSQL's immediate shutdown: it writes nothing more, for all of it is thrown away.
    fn quit(&mut self) -> Result<()> {
        while self.process.try_wait()?.is_none() {
            let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).context("no process id")?;
            kill_process(pid, Signal::QUIT)?;
            std::thread::sleep(Duration::from_millis(50));
        }
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.folder.exists() {
            // Whoever did not call `stop` is already failing, and has its own error to show.
            drop(self.quit());
        }
    }
}

/// An account without rights.
struct Account {
    name: &'static str,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to hand PostgreSQL to; nobody else, when this is not root.
    fn to_run_as() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read the list of accounts")?;
        for name in ["postgres", "nobody"] {
            let line = passwd.lines().find(|line| line.split(':').next() == Some(name));
            let mut fields = line.unwrap_or_default().split(':').skip(2);
            if let (Some(uid), Some(gid)) = (fields.next(), fields.next()) {
                return Ok(Some(Self { name, uid: uid.parse()?, gid: gid.parse()? }));
            }
        }
        bail!("there is neither an account `postgres` nor `nobody` to run PostgreSQL as")
    }
}

/// The program as that account, told by the kernel to stop if this process is gone.
fn command(account: Option<&Account>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(account) = account {
        command.arg(format!("--reuid={}", account.name)).arg(format!("--regid={}", account.gid)).arg("--clear-groups");
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command
}
