//! Other people's programs that a test starts: their output is kept, and they end with the test.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;
use crate::logs::{Logs, lock};

/// A running program.
pub(crate) struct Process {
    name: String,
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    logs: Logs,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} has to start ({error}): run the tests with `cargo xtask test`, which installs it")
        });
        let logs = Logs::default();
        drop(logs.follow(child.stdout.take().expect("its output")));
        drop(logs.follow(child.stderr.take().expect("its errors")));
        let input = Mutex::new(child.stdin.take());
        Self { name: name.to_owned(), child: Mutex::new(child), input, logs }
    }

    /// Types a line.
    pub(crate) fn say(&self, line: &str) {
        let mut input = lock(&self.input);
        writeln!(input.as_mut().expect("its input"), "{line}").expect("it reads what is typed");
    }

    /// Waits until it has written something so often.
    pub(crate) async fn wait_until_said(&self, text: &str, times: usize) {
        let begun = Instant::now();
        while self.logs.text().matches(text).count() < times {
            assert!(begun.elapsed() < PATIENCE, "{} never said {text:?}:\n{}", self.name, self.logs.tail());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end_within(&self, limit: Duration) -> Option<ExitStatus> {
        let mut child = lock(&self.child);
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
            && child.try_wait().ok()?.is_none()
        {
            // One that has ended meanwhile is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = child.try_wait().ok()? {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Waits until somebody answers at an address, whatever the answer is.
    pub(crate) async fn wait_until_open(&self, address: &str) {
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            self.check(begun);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until something is true of it.
    pub(crate) async fn wait_until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        let begun = Instant::now();
        while !is_so().await {
            self.check(begun);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn check(&self, begun: Instant) {
        let Self { name, logs, .. } = self;
        if let Some(status) = lock(&self.child).try_wait().expect("its status") {
            panic!("{name} ended with {status} instead of starting:\n{}", logs.tail());
        }
        assert!(begun.elapsed() < PATIENCE, "{name} is not ready after {PATIENCE:?}:\n{}", logs.tail());
    }

    /// What it said so far.
    pub(crate) fn text(&self) -> String {
        self.logs.text()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        // Asked first: nginx's workers outlive a master that is killed.
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // One that has ended by itself cannot be killed, and is gone as well.
        drop(child.kill());
        drop(child.wait());
        if std::thread::panicking() {
            eprintln!("what {} said last:\n{}", self.name, self.logs.tail());
        }
    }
}

/// A port of this machine that stays free, as an address.
pub(crate) fn free_address() -> String {
    format!("127.0.0.1:{}", xtask::postgres::free_port().expect("a free port"))
}

/// What `cargo xtask test` hands over.
pub(crate) fn handed_over(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `cargo xtask test`"))
}

/// A path below the root of the workspace.
pub(crate) fn in_workspace(path: &str) -> std::path::PathBuf {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the root of the workspace").join(path)
}
