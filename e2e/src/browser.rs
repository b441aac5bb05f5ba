//! A headless Chromium, driven by `WebDriver` (W3C) through chromedriver.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::PATIENCE;

/// Under which key `WebDriver` answers an element (W3C `WebDriver` §12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long it may take until a page that is refreshed has its elements again.
const REPLACED: Duration = Duration::from_secs(10);

/// How the pages are to be seen.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether scripts run.
    pub javascript: bool,
    /// Whether the person prefers a dark screen.
    pub dark: bool,
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

impl Look {
    /// A desktop in daylight, without JavaScript: what has to be enough for everything.
    pub const PLAIN: Self = Self { javascript: false, dark: false, width: 1280, height: 900 };
    /// The same with JavaScript.
    pub const SCRIPTED: Self = Self { javascript: true, ..Self::PLAIN };
    /// A small phone in the dark.
    pub const PHONE: Self = Self { javascript: false, dark: true, width: 360, height: 740 };
}

/// A browser of one's own, with an empty profile.
pub struct Browser {
    driver: Child,
    profile: PathBuf,
    session: String,
    client: reqwest::Client,
    scripts_run: bool,
    /// The browser's own process.
    process: Option<Pid>,
}

impl Browser {
    /// Starts chromedriver on a free port, and a headless Chromium under it.
    pub async fn start(look: Look) -> Self {
        let port = xtask::postgres::free_port().expect("a free port");
        let profile = std::env::temp_dir().join(format!("usher-browser-{}", Uuid::new_v4().simple()));
        let driver = Command::new("/usr/bin/chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver has to start: run the tests with `cargo xtask test`, which installs it");
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build().expect("a client");
        let mut browser = Self { driver, profile, session: String::new(), client, scripts_run: true, process: None };
        let base = format!("http://127.0.0.1:{port}");
        let begun = Instant::now();
        while browser.client.get(format!("{base}/status")).send().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "chromedriver does not start");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let profile = format!("--user-data-dir={}", browser.profile.display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            profile.as_str(),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": flags,
            },
        }}});
        let answer = browser.call(Method::POST, &format!("{base}/session"), wanted).await;
        let process = answer["capabilities"]["goog:processID"].as_i64().and_then(|id| i32::try_from(id).ok());
        browser.process = process.and_then(Pid::from_raw);
        let id = answer["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{base}/session/{id}");
        browser.look(look).await;
        browser
    }

    /// Changes the window and the light, and whether scripts run in the pages that are opened from now on.
    pub async fn look(&mut self, look: Look) {
        self.scripts_run = look.javascript;
        self.let_scripts_run(look.javascript).await;
        let size =
            json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn let_scripts_run(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": !allowed})).await;
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// The address in the address bar.
    pub async fn address(&self) -> String {
        self.get("/url").await.as_str().unwrap_or_default().to_owned()
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        self.get("/title").await.as_str().unwrap_or_default().to_owned()
    }

    /// The text of the first element that a CSS selector finds.
    pub async fn text(&self, selector: &str) -> String {
        let text = self.with(selector, &[(Method::GET, "text", Value::Null)]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// How many elements a CSS selector finds.
    pub async fn count(&self, selector: &str) -> usize {
        let url = format!("{}/elements", self.session);
        let wanted = json!({"using": "css selector", "value": selector});
        for _ in 0..20 {
            let found = self.try_call(Method::POST, &url, wanted.clone()).await;
            match found.as_array() {
                Some(found) => return found.len(),
                // Another page has just begun to take the place of this one.
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("nobody can count {selector}");
    }

    /// A property of the first element that a CSS selector finds, as scripts would see it.
    pub async fn property(&self, selector: &str, name: &str) -> Value {
        self.with(selector, &[(Method::GET, &format!("property/{name}"), Value::Null)]).await
    }

    /// Types into a field, after emptying it.
    pub async fn fill(&self, selector: &str, text: &str) {
        let typed = json!({"text": text});
        self.with(selector, &[(Method::POST, "clear", json!({})), (Method::POST, "value", typed)]).await;
    }

    /// Clicks what a person would click.
    pub async fn click(&self, selector: &str) {
        self.with(selector, &[(Method::POST, "click", json!({}))]).await;
    }

    /// Clicks the button that sends a form, and waits until another page has taken the place of this one.
    pub async fn submit(&self, selector: &str) {
        let page = self.find("html").await;
        self.click(selector).await;
        let begun = Instant::now();
        loop {
            let asked = self.try_call(Method::GET, &format!("{}/element/{page}/name", self.session), Value::Null).await;
            if !asked["error"].is_null() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{selector} led nowhere");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The cookies that the browser holds for the page.
    pub async fn cookies(&self) -> Vec<Value> {
        self.get("/cookie").await.as_array().cloned().unwrap_or_default()
    }

    /// What the browser complained of since the last time it was asked: blocked scripts, missing files,
    /// advice. What it only reports is left out.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        let complaints = entries.iter().filter(|entry| entry["level"] != "INFO");
        complaints.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Fails if the page broke a rule of its own or anything in it went wrong: scripts that threw or were blocked,
    /// reports of the content security policy, files that are missing. Chromium notes a refused form as a failed
    /// resource; that is the answer, and no fault of the page.
    #[track_caller]
    pub fn assert_quiet(&self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let complaints = self.complaints().await;
            let faults: Vec<&String> =
                complaints.iter().filter(|text| !text.contains("the server responded with a status")).collect();
            assert!(faults.is_empty(), "{at}: {faults:#?}");
        }
    }

    /// Keeps a picture of the window as `target/screenshots/<name>.png`.
    pub async fn screenshot(&self, name: &str) {
        let own = std::env::current_exe().expect("the path of this test");
        let folder = own.ancestors().nth(3).expect("target").join("screenshots");
        self.keep_picture(&folder, name).await;
    }

    /// The same, and with `TEST_UPDATE_IMAGES` set also as `docs/images/<name>.png`, where the documents show it.
    pub async fn screenshot_for_docs(&self, name: &str) {
        self.screenshot(name).await;
        if std::env::var_os("TEST_UPDATE_IMAGES").is_some() {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
            self.keep_picture(&folder, name).await;
        }
    }

    async fn keep_picture(&self, folder: &std::path::Path, name: &str) {
        let picture = self.get("/screenshot").await;
        let picture = STANDARD.decode(picture.as_str().unwrap_or_default()).expect("a picture");
        std::fs::create_dir_all(folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("room for a picture");
    }

    /// Runs a script in the page, whatever the page's own rules for scripts are, and whether its scripts may run or
    /// not; what it returns, or what its promise comes to.
    pub async fn script(&self, source: &str) -> Value {
        let wanted = json!({"expression": source, "returnByValue": true, "awaitPromise": true, "timeout": 100_000});
        // A promise waits for timers, which only come where scripts may run. The page's own are not started by this:
        // they were passed over when it was opened.
        if !self.scripts_run {
            self.let_scripts_run(true).await;
        }
        let answer = self.devtools("Runtime.evaluate", wanted).await;
        if !self.scripts_run {
            self.let_scripts_run(false).await;
        }
        assert!(answer["exceptionDetails"].is_null(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses a key, as a person at a keyboard would: `Tab`, `Enter`, `Escape`, `/`.
    pub async fn press(&self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            "Space" => " ",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "Space" => 32,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            key => key.to_ascii_uppercase().bytes().next().unwrap_or_default(),
        };
        let name = if key == "Space" { " " } else { key };
        let mut event = json!({"type": "keyDown", "key": name, "code": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            event["text"] = text.into();
        }
        self.devtools("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.devtools("Input.dispatchKeyEvent", event).await;
    }

    /// Runs a command of the browser's own protocol; its answer.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// Does this with the first element that a selector finds, and answers what came of the last of it. A page that
    /// refreshes itself may take it away meanwhile and put another in its place: then all of it is done with that one.
    async fn with(&self, selector: &str, steps: &[(Method, &str, Value)]) -> Value {
        let begun = Instant::now();
        'found: loop {
            let mut answer = self.look_for(selector).await;
            if let Some(element) = answer[ELEMENT].as_str().map(str::to_owned) {
                for (method, path, body) in steps {
                    let url = format!("{}/element/{element}/{path}", self.session);
                    answer = self.try_call(method.clone(), &url, body.clone()).await;
                    if answer["error"] == "stale element reference" {
                        continue 'found;
                    }
                    assert!(answer["error"].is_null(), "{selector}, {path}: {}", answer["message"]);
                }
                return answer;
            }
            assert!(begun.elapsed() < REPLACED, "{selector}: {}", answer["message"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.look_for(selector).await;
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {}", found["message"])).to_owned()
    }

    async fn look_for(&self, selector: &str) -> Value {
        let wanted = json!({"using": "css selector", "value": selector});
        self.try_call(Method::POST, &format!("{}/element", self.session), wanted).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, &format!("{}{path}", self.session), Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, &format!("{}{path}", self.session), body).await
    }

    async fn call(&self, method: Method, url: &str, body: Value) -> Value {
        let answer = self.try_call(method, url, body).await;
        assert!(answer["error"].is_null(), "{url}: {}", answer["message"]);
        answer
    }

    async fn try_call(&self, method: Method, url: &str, body: Value) -> Value {
        let request = self.client.request(method.clone(), url);
        let request = if method == Method::POST { request.json(&body) } else { request };
        let answer: Value = request.send().await.expect("chromedriver answers").json().await.expect("with JSON");
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Ending the session makes chromedriver end the browser; a runtime cannot be blocked here.
            let (client, session) = (self.client.clone(), self.session.clone());
            let ending = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let asked = client.delete(session).timeout(Duration::from_secs(5));
                runtime.block_on(async { asked.send().await.is_ok() })
            });
            // A page that hangs keeps its browser from ending like that.
            if !ending.join().unwrap_or(false)
                && let Some(process) = self.process
            {
                // It may have ended meanwhile.
                let _ = kill_process(process, Signal::KILL);
            }
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
        drop(std::fs::remove_dir_all(&self.profile));
    }
}
