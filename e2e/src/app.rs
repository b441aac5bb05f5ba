//! The program under test: started, killed, restarted, asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::database::{self, DatabaseView};
use crate::logs::{Logs, lock};
use crate::{Answer, Database, Metrics, PASSWORD, PATIENCE, User};

/// How a program is to be started.
#[derive(Clone)]
pub struct Setup {
    /// On which database.
    pub database: Database,
    environment: BTreeMap<String, String>,
    folder: Option<PathBuf>,
    config: Option<String>,
    only: Option<&'static str>,
}

impl Setup {
    /// As it comes, but without limits by address: all tests come from one.
    pub fn new(database: Database) -> Self {
        let setup = Self { database, environment: BTreeMap::new(), folder: None, config: None, only: None };
        setup.env("USHER_LIMITS__ENABLED", "false")
    }

    /// With a key of the configuration set through the environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With a folder for its data that the test looks after, instead of a new one.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// With a configuration file.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// With these services only.
    #[must_use]
    pub fn only(mut self, services: &'static str) -> Self {
        self.only = Some(services);
        self
    }

    /// Makes folder, ports and database, and starts nothing yet.
    pub async fn prepare(self) -> TestApp {
        let database_url = match self.database {
            Database::Sqlite => None,
            Database::Postgres => Some(database::create().await),
        };
        let home = std::env::temp_dir().join(format!("usher-test-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&home).expect("a temporary folder");
        let data = self.folder.unwrap_or_else(|| home.join("data"));
        let address = || format!("127.0.0.1:{}", xtask::postgres::free_port().expect("a free port"));
        let (listen, private_listen) = (address(), address());
        let url = format!("http://{listen}");
        let mut environment = BTreeMap::from([
            ("USHER_DATA_DIR".to_owned(), data.to_string_lossy().into_owned()),
            ("USHER_LISTEN".to_owned(), listen),
            ("USHER_PRIVATE_LISTEN".to_owned(), private_listen.clone()),
            ("USHER_PUBLIC_URL".to_owned(), url.clone()),
        ]);
        if let Some(url) = &database_url {
            environment.insert("USHER_DATABASE__URL".to_owned(), url.clone());
        }
        environment.extend(self.environment);
        let config = home.join("usher.toml");
        if let Some(text) = &self.config {
            std::fs::write(&config, text).expect("a configuration file");
        }
        TestApp {
            config: self.config.is_some().then_some(config),
            only: self.only,
            url,
            private_url: format!("http://{private_listen}"),
            data,
            database: self.database,
            home,
            database_url,
            environment,
            process: Mutex::new(None),
            logs: Logs::default(),
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client"),
        }
    }

    /// Starts the program and waits until it is ready.
    pub async fn start(self) -> TestApp {
        let app = self.prepare().await;
        app.start().await;
        app
    }
}

struct Running {
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

/// A program of one's own, with its folder and its database.
pub struct TestApp {
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// Where it shows its metrics.
    pub private_url: String,
    /// The folder of its data.
    pub data: PathBuf,
    /// What it runs on.
    pub database: Database,
    /// What it says.
    pub logs: Logs,
    home: PathBuf,
    database_url: Option<String>,
    environment: BTreeMap<String, String>,
    config: Option<PathBuf>,
    only: Option<&'static str>,
    process: Mutex<Option<Running>>,
    client: reqwest::Client,
}

impl TestApp {
    /// The program that `cargo xtask test` built, beside the folder of this test.
    pub(crate) fn program() -> PathBuf {
        let own = std::env::current_exe().expect("the path of this test");
        let program = own.ancestors().nth(2).expect("target/<profile>").join("usher");
        assert!(program.exists(), "{} is not built: run the tests with `cargo xtask test`", program.display());
        program
    }

    /// The program with the same configuration as the server, to be given other words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(Self::program());
        command.args(words).current_dir(&self.home).envs(&self.environment).stdin(Stdio::null());
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }

    /// Runs a command of the program to its end.
    pub async fn cli(&self, words: &[&str]) -> Output {
        let mut command = self.command(words);
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("a thread")
            .expect("the program has to start")
    }

    /// Runs a command that has to succeed; its output.
    pub async fn cli_ok(&self, words: &[&str]) -> String {
        let output = self.cli(words).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "usher {words:?} ended with {}:\n{out}\n{err}", output.status);
        out.into_owned()
    }

    /// Starts the program and waits until it says that it is ready.
    pub async fn start(&self) {
        self.spawn();
        self.wait_until_ready().await;
    }

    /// Waits until the program that was spawned says that it is ready.
    pub async fn wait_until_ready(&self) {
        let begun = Instant::now();
        loop {
            if let Ok(answer) = Answer::try_of(self.request(Method::GET, "/health/ready")).await
                && answer.status == 200
            {
                return;
            }
            if let Some(status) = self.exited() {
                panic!("the program ended with {status} instead of starting:\n{}", self.logs.tail());
            }
            assert!(begun.elapsed() < PATIENCE, "the program is not ready after {PATIENCE:?}:\n{}", self.logs.tail());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Starts the program and does not wait.
    pub fn spawn(&self) {
        let words: Vec<&str> =
            ["serve"].into_iter().chain(self.only.iter().flat_map(|only| ["--only", only])).collect();
        let mut command = self.command(&words);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program has to start");
        let readers = vec![
            self.logs.follow(child.stdout.take().expect("its output")),
            self.logs.follow(child.stderr.take().expect("its errors")),
        ];
        let before = lock(&self.process).replace(Running { child, readers });
        assert!(before.is_none(), "the program was already running");
    }

    /// Another process on the same PostgreSQL with these services only, started. It has to end first.
    pub async fn beside(&self, only: &'static str) -> Self {
        let key = std::fs::read_to_string(self.data.join("master.key")).expect("the master key");
        // The database is this one's to make and to remove.
        let mut setup = Setup::new(Database::Sqlite).only(only).env("USHER_SECRETS__MASTER_KEY", key.trim());
        for name in ["USHER_DATABASE__URL", "USHER_PUBLIC_URL", "USHER_TRUSTED_PROXIES"] {
            if let Some(value) = self.environment.get(name) {
                setup = setup.env(name, value);
            }
        }
        setup.start().await
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        lock(&self.process).as_ref().expect("the program is running").child.id()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the program is there to be signalled");
    }

    /// With a key of the configuration set, from the next start on.
    #[must_use]
    pub fn with_env(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Writes another configuration file, and tells the program.
    pub fn configure(&self, text: &str) {
        let file = self.config.as_ref().expect("a program with a configuration file");
        std::fs::write(file, text).expect("a configuration file");
        self.signal(Signal::HUP);
    }

    /// Asks it to stop.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it without a word, and waits until it is gone.
    pub fn kill9(&self) {
        self.signal(Signal::KILL);
        self.wait_for_exit_within(PATIENCE);
    }

    /// Kills the program and starts it again.
    pub async fn restart(&self) {
        self.kill9();
        self.start().await;
    }

    /// Its exit status, if it has ended.
    pub fn exited(&self) -> Option<ExitStatus> {
        lock(&self.process).as_mut().and_then(|running| running.child.try_wait().expect("its status"))
    }

    /// Waits until it has ended and everything that it said is read.
    #[track_caller]
    pub fn wait_for_exit_within(&self, limit: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                if let Some(running) = lock(&self.process).take() {
                    for reader in running.readers {
                        drop(reader.join());
                    }
                }
                return status;
            }
            assert!(begun.elapsed() < limit, "the program still runs after {limit:?}:\n{}", self.logs.tail());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A client of one's own.
    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// A bare connection, for what no HTTP client would do.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.url.trim_start_matches("http://")).await.expect("the program listens")
    }

    /// A request without a token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// GET without a token.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// POST without a token.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    /// Tries to sign somebody up.
    pub async fn register(&self, email: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/register", json!({"email": email, "password": password})).await
    }

    /// Tries to sign somebody in.
    pub async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", json!({"email": email, "password": password})).await
    }

    /// Signs somebody up as `name@example.com`.
    pub async fn user(&self, name: &str) -> User {
        let email = format!("{name}@example.com");
        let answer = self.register(&email, PASSWORD).await.is(201);
        User::from_answer(self, &email, PASSWORD, &answer)
    }

    /// Signs the same person in once more: another device.
    pub async fn again(&self, user: &User) -> User {
        let answer = self.login(&user.email, &user.password).await.is(200);
        User::from_answer(self, &user.email, &user.password, &answer)
    }

    /// What must never be logged about somebody.
    pub(crate) fn remember(&self, user: &User) {
        for secret in [&user.email, &user.password, &user.access_token, &user.refresh_token] {
            self.logs.never(secret);
        }
    }

    /// The program's counters.
    pub async fn metrics(&self) -> Metrics {
        let answer = Answer::of(self.client.get(format!("{}/metrics", self.private_url))).await.is(200);
        Metrics(answer.body)
    }

    /// Waits until everything that has happened stands in the ledger.
    pub async fn settle(&self) {
        let mut view = self.look().await;
        let begun = Instant::now();
        while !view.texts("SELECT kind FROM outbox LIMIT 1").await.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "events stay in the outbox");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A look into its database, past the program.
    pub async fn look(&self) -> DatabaseView {
        database::look(&self.data, self.database_url.as_deref()).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if lock(&self.process).is_some() {
            if self.exited().is_none() {
                self.signal(Signal::KILL);
            }
            self.wait_for_exit_within(PATIENCE);
        }
        if let Some(url) = self.database_url.take() {
            // A runtime of its own: this may be running inside one, which cannot be blocked.
            let removal = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(database::remove(&url));
            });
            drop(removal.join());
        }
        drop(std::fs::remove_dir_all(&self.home));
        if std::thread::panicking() {
            eprintln!("what the program said last:\n{}", self.logs.tail());
            return;
        }
        let leaks = self.logs.leaks();
        assert!(leaks.is_empty(), "a password, a token or a whole e-mail is in the logs:\n{}", leaks.join("\n"));
        assert!(!self.logs.text().contains("panicked at"), "the program panicked:\n{}", self.logs.tail());
    }
}
