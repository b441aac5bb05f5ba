//! The quiz of `examples/`, started by its own script, on ports of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use uuid::Uuid;

use crate::TestApp;
use crate::process::{Process, free_address, handed_over, in_workspace};

/// The ports that the example is written with.
const PORTS: [&str; 5] = ["8080", "8081", "9000", "9080", "9081"];

/// All of the quiz: Usher's services, its gateway and the application.
pub struct Quiz {
    /// The gateway, where people go.
    pub gateway: String,
    /// Usher's services, where nobody goes.
    pub services: String,
    /// The application, where nobody goes either.
    pub application: String,
    process: Process,
    folder: PathBuf,
}

impl Quiz {
    /// Starts a copy of it and waits until it says where it is.
    pub async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("usher-quiz-{}", Uuid::new_v4().simple()));
        let home = folder.join("examples/quiz");
        let ports: Vec<String> =
            PORTS.iter().map(|_| free_address().rsplit(':').next().unwrap_or_default().to_owned()).collect();
        copy(&in_workspace("examples/quiz"), &home, &ports);
        // The script finds the client two folders up, and an environment that is made already.
        link(&in_workspace("clients"), &folder.join("clients"));
        link(Path::new(&handed_over("TEST_QUIZ_PYTHON")), &home.join(".venv"));
        let mut command = Command::new("python3");
        command.arg(home.join("run")).env("USHER_BIN", TestApp::program()).env("PYTHONUNBUFFERED", "1");
        let process = Process::start("the quiz", command.current_dir(&home));
        let address = |port: usize| format!("http://127.0.0.1:{}", ports[port]);
        let gateway = format!("http://localhost:{}", ports[0]);
        let quiz = Self { services: address(1), application: address(2), gateway, process, folder };
        quiz.wait_until_said(&format!("{}/quiz/", quiz.gateway), 1).await;
        quiz
    }

    /// Types a line into its terminal.
    pub fn say(&self, line: &str) {
        self.process.say(line);
    }

    /// Waits until it has written something so often.
    pub async fn wait_until_said(&self, text: &str, times: usize) {
        self.process.wait_until_said(text, times).await;
    }

    /// Ends all of it as Ctrl-C does.
    pub fn end(&self) -> Option<ExitStatus> {
        self.process.end_within(Duration::from_secs(40))
    }
}

impl Drop for Quiz {
    fn drop(&mut self) {
        // Killed, it would leave behind what it has started.
        self.end();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).expect("a link");
}

/// Copies the example without what it has made before, with other ports.
fn copy(from: &Path, to: &Path, ports: &[String]) {
    std::fs::create_dir_all(to).expect("a temporary folder");
    for entry in std::fs::read_dir(from).expect("the example") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let target = to.join(name);
        if [".venv", "quiz-data", "__pycache__"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target, ports);
        } else if let Ok(text) = std::fs::read_to_string(&path)
            && name != "requirements.txt"
        {
            let text = PORTS.iter().zip(ports).fold(text, |text, (old, new)| text.replace(old, new));
            std::fs::write(&target, text).expect("a file");
        } else {
            std::fs::copy(&path, &target).expect("a file");
        }
    }
}
