//! A headless Chromium, driven by `WebDriver` (W3C) through chromedriver.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Under which key `WebDriver` answers an element (W3C `WebDriver` §12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

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
    /// A small phone in the dark.
    pub const PHONE: Self = Self { javascript: false, dark: true, width: 360, height: 740 };
}

/// A browser of one's own, with an empty profile.
pub struct Browser {
    driver: Child,
    profile: PathBuf,
    session: String,
    client: reqwest::Client,
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
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
        let mut browser = Self { driver, profile, session: String::new(), client };
        let base = format!("http://127.0.0.1:{port}");
        for _ in 0..400 {
            if browser.client.get(format!("{base}/status")).send().await.is_ok() {
                break;
            }
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
        let scripts = if look.javascript { 1 } else { 2 };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": flags,
                "prefs": {"profile.default_content_setting_values.javascript": scripts},
            },
        }}});
        let answer = browser.call(Method::POST, &format!("{base}/session"), wanted).await;
        let id = answer["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{base}/session/{id}");
        browser.look(look).await;
        browser
    }

    /// Changes the window and the light; scripts stay as they were at the start.
    pub async fn look(&self, look: Look) {
        let size =
            json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
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
        let element = self.find(selector).await;
        self.get(&format!("/element/{element}/text")).await.as_str().unwrap_or_default().to_owned()
    }

    /// How many elements a CSS selector finds.
    pub async fn count(&self, selector: &str) -> usize {
        let found = self.post("/elements", json!({"using": "css selector", "value": selector})).await;
        found.as_array().map_or(0, Vec::len)
    }

    /// A property of the first element that a CSS selector finds, as scripts would see it.
    pub async fn property(&self, selector: &str, name: &str) -> Value {
        let element = self.find(selector).await;
        self.get(&format!("/element/{element}/property/{name}")).await
    }

    /// Types into a field, after emptying it.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/clear"), json!({})).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// Clicks what a person would click.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Clicks the button that sends a form, and waits until another page has taken the place of this one.
    pub async fn submit(&self, selector: &str) {
        let page = self.find("html").await;
        self.click(selector).await;
        for _ in 0..1_000 {
            let asked = self.try_call(Method::GET, &format!("{}/element/{page}/name", self.session), Value::Null).await;
            if !asked["error"].is_null() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{selector} led nowhere");
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

    /// Keeps a picture of the window as `target/screenshots/<name>.png`.
    pub async fn screenshot(&self, name: &str) {
        let picture = self.get("/screenshot").await;
        let picture = STANDARD.decode(picture.as_str().unwrap_or_default()).expect("a picture");
        let own = std::env::current_exe().expect("the path of this test");
        let folder = own.ancestors().nth(3).expect("target").join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("room for a picture");
    }

    /// Runs a command of the browser's own protocol; its answer.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.post("/element", json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
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
                drop(runtime.block_on(async { client.delete(session).send().await }));
            });
            drop(ending.join());
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
        drop(std::fs::remove_dir_all(&self.profile));
    }
}
