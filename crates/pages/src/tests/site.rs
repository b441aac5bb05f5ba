//! A site of its own for each test, and browsers that visit it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use auth::hashing::{Cost, HashSettings};
use auth::keys::Algorithm;
use auth::{Auth, Policy, Settings, TokenSettings};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use kernel::{Clock, MasterKeys, Problem, RequestContext, Timestamp};
use notify::{Notify, Provider, Sender};
use tower::ServiceExt as _;
use users::{AttributeSchema, AttributeSpec, Users};

use crate::{Pages, router};

pub const ORIGIN: &str = "https://accounts.test";
pub const PASSWORD: &str = "lantern gravel sonnet quay";
pub const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// The whole of it, thrown away at the end of the test.
pub struct Site {
    pub auth: Auth,
    pub clock: Clock,
    pub surroundings: crate::Surroundings,
    router: Router,
    folder: PathBuf,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Site {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// One whose accounts have these attributes.
    pub async fn with(attributes: &[AttributeSpec]) -> Self {
        Self::of(users::Settings {
            attributes: AttributeSchema::new(attributes).unwrap(),
            ..users::Settings::default()
        })
        .await
    }

    /// One that is set up like this.
    pub async fn of(of_users: users::Settings) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = std::env::temp_dir().join(format!(
            "usher-pages-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let migrations = [storage::MIGRATIONS, users::MIGRATIONS, auth::MIGRATIONS, notify::MIGRATIONS].concat();
        let file = storage::Settings::sqlite(folder.join("usher.db"), 2);
        let db = storage::Db::open(&file, &migrations, true).await.unwrap();
        let clock = Clock::fixed(Timestamp::from_unix_seconds(1_790_000_000));
        let master = MasterKeys::generate();
        let users = Users::open(db, clock.clone(), of_users, &master).await.unwrap();
        let notify = Notify::new(users.clone(), of_notify(), &master).unwrap();
        let auth = Auth::new(users, settings(), &master).await.unwrap();
        let document = serde_json::json!({"info": {"title": "Usher", "version": "1"}, "paths": {}});
        let surroundings = crate::Surroundings::default();
        let router = router(Pages {
            auth: auth.clone(),
            notify,
            origin: ORIGIN.to_owned(),
            openapi: Arc::new(document),
            surroundings: surroundings.clone(),
        });
        Self { auth, clock, surroundings, router, folder }
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: BTreeMap::new(), agent: AGENT }
    }

    /// A browser in which somebody has just signed up.
    pub async fn signed_up(&self, email: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let answer = browser
            .fill("/sign-up", "/sign-up", &[("name", "Amara Okafor"), ("email", email), ("password", PASSWORD)])
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        browser
    }
}

fn of_notify() -> notify::Settings {
    notify::Settings {
        provider: Provider::Inbox,
        from: Sender::parse("no-reply@accounts.test", "Usher").unwrap(),
        product: "Usher".into(),
        origin: ORIGIN.into(),
        templates: None,
        language: "en".into(),
        push: notify::push::PushSettings::default(),
        timezone: "UTC".into(),
        categories: notify::Categories::default(),
        messages: notify::Messages::default(),
    }
}

fn settings() -> Settings {
    Settings {
        issuer: ORIGIN.to_owned(),
        require_verified_email: false,
        lockout_failures: 5,
        lockout_minutes: 15,
        failures_told: 3,
        magic_link: false,
        session_days: 30,
        sessions_per_user: 20,
        policy: Policy { min_characters: 8 },
        hashing: HashSettings { cost: Cost { memory_kib: 64, passes: 1, lanes: 1 }, threads: 1, queue: 8 },
        tokens: TokenSettings {
            access_seconds: 900,
            refresh_seconds: 604_800,
            algorithm: Algorithm::EdDsa,
            rotation_days: 90,
        },
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub problem: Option<Problem>,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// Every `Set-Cookie`.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub fn code(&self) -> &'static str {
        self.problem.as_ref().map_or("", |problem| problem.code)
    }

    pub fn title(&self) -> &str {
        between(&self.text, "<title>", "</title>")
    }

    /// The value of the first hidden field of this name.
    pub fn hidden(&self, name: &str) -> &str {
        between(&self.text, &format!("<input type=\"hidden\" name=\"{name}\" value=\""), "\"")
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split(before).nth(1).and_then(|rest| rest.split(after).next()).unwrap_or_default()
}

/// Keeps cookies as a browser does.
pub struct Browser<'a> {
    site: &'a Site,
    pub cookies: BTreeMap<String, String>,
    pub agent: &'static str,
}

impl Browser<'_> {
    pub async fn get(&mut self, address: &str) -> Answer {
        self.send(Request::get(address).body(Body::empty()).unwrap()).await
    }

    /// Opens a link of a mail, which leads on to its page.
    pub async fn open(&mut self, link: &str) -> Answer {
        let answer = self.get(link).await;
        if answer.status == StatusCode::SEE_OTHER { self.get(answer.location()).await } else { answer }
    }

    /// Sends a form as the page that has it would.
    pub async fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(address)
            .header(header::ORIGIN, ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(encode(fields)))
            .unwrap();
        self.send(request).await
    }

    /// Opens a page and sends a form of it.
    pub async fn fill(&mut self, page: &str, address: &str, fields: &[(&str, &str)]) -> Answer {
        let shown = self.get(page).await;
        let mut all = vec![("csrf", shown.hidden("csrf"))];
        all.extend_from_slice(fields);
        self.post(address, &all).await
    }

    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        let mut response = self.begin(request).await;
        let problem = response.extensions_mut().remove::<Problem>();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 10_000_000).await.unwrap().to_vec()).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, text, problem };
        for cookie in answer.cookies() {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Sends a request, and leaves the answer as it comes.
    pub async fn begin(&self, mut request: Request<Body>) -> Response<Body> {
        if !self.cookies.is_empty() {
            let line =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            request.headers_mut().insert(header::COOKIE, line.try_into().unwrap());
        }
        request.extensions_mut().insert(RequestContext {
            request_id: "reference-1".to_owned(),
            client_ip: "192.0.2.7".parse().unwrap(),
            user_agent: self.agent.to_owned(),
        });
        self.site.router.clone().oneshot(request).await.unwrap()
    }

    /// Whether the account page opens.
    pub async fn is_signed_in(&mut self) -> bool {
        self.get("/account").await.status == StatusCode::OK
    }
}

/// A form as it goes over the wire, every byte escaped.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "%{byte:02X}");
            escaped
        })
    };
    fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}
