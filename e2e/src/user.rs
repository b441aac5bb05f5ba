//! Somebody who uses the program over its API.

use std::io::Write as _;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, TestApp};

/// The password of everybody in the tests, unless a test is about passwords.
pub const PASSWORD: &str = "seven wet otters juggle 31 maps";

/// A person with an account and, as a rule, a session.
#[derive(Clone, Debug)]
pub struct User {
    base: String,
    client: reqwest::Client,
    /// The address they signed up with.
    pub email: String,
    /// Their password.
    pub password: String,
    /// Their id.
    pub id: String,
    /// Their session's id.
    pub session: String,
    /// What proves them to services.
    pub access_token: String,
    /// What gets them the next access token.
    pub refresh_token: String,
}

impl User {
    /// From the *signed in* answer to a register, login or refresh call.
    #[track_caller]
    pub fn from_answer(app: &TestApp, email: &str, password: &str, answer: &Answer) -> Self {
        let body = answer.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let user = Self {
            base: app.url.clone(),
            client: app.client(),
            email: email.to_owned(),
            password: password.to_owned(),
            id: text(&body["user"]["id"]),
            session: text(&body["session_id"]),
            access_token: text(&body["access_token"]),
            refresh_token: text(&body["refresh_token"]),
        };
        for field in [&user.id, &user.session, &user.access_token, &user.refresh_token] {
            assert!(!field.is_empty(), "not a whole *signed in* answer: {}", answer.body);
        }
        app.remember(&user);
        user
    }

    /// Makes `name@example.com` an administrator by the command line, and signs them in.
    pub async fn administrator(app: &TestApp, name: &str) -> Self {
        let email = format!("{name}@example.com");
        let mut command = app.command(&["admin", "create", "--email", &email, "--password-stdin"]);
        let made = tokio::task::spawn_blocking(move || {
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            child.stdin.take().map(|mut input| input.write_all(PASSWORD.as_bytes())).transpose()?;
            child.wait_with_output()
        });
        let output = made.await.expect("a thread").expect("the program has to start");
        assert!(output.status.success(), "no administrator: {}", String::from_utf8_lossy(&output.stderr));
        let answer = app.login(&email, PASSWORD).await.is(200);
        Self::from_answer(app, &email, PASSWORD, &answer)
    }

    /// Makes a role that has these permissions; they have to be this person's own.
    pub async fn makes_role(&self, name: &str, permissions: &[&str]) -> crate::Answer {
        let role = serde_json::json!({"name": name, "permissions": permissions});
        self.post("/api/v1/roles", role).await.is(201)
    }

    /// The same person, asking another program: one door of several.
    #[must_use]
    pub fn at(&self, app: &TestApp) -> Self {
        Self { base: app.url.clone(), ..self.clone() }
    }

    /// A request with this person's access token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.access_token)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Puts a picture, and says where it is.
    pub async fn puts_picture(&self, image: Vec<u8>) -> String {
        let answer = Answer::of(self.request(Method::PUT, "/api/v1/users/me/avatar").body(image)).await.is(200);
        answer.json()["avatar_url"].as_str().unwrap_or_default().to_owned()
    }

    /// Signs out.
    pub async fn logout(&self) -> Answer {
        Answer::of(self.request(Method::POST, "/api/v1/auth/logout")).await
    }

    /// Exchanges the refresh token; the answer is the caller's to judge.
    pub async fn refresh(&self) -> Answer {
        let body = json!({"refresh_token": self.refresh_token});
        Answer::of(self.client.post(format!("{}/api/v1/auth/refresh", self.base)).json(&body)).await
    }

    /// Exchanges the refresh token and goes on with the new pair.
    #[must_use]
    pub async fn refreshed(&self, app: &TestApp) -> Self {
        Self::from_answer(app, &self.email, &self.password, &self.refresh().await.is(200))
    }

    /// The same person with the tokens of another *signed in* answer to this session.
    #[must_use]
    #[track_caller]
    pub fn with_pair_of(&self, answer: &Answer) -> Self {
        let body = answer.json();
        let text = |name: &str| body[name].as_str().expect("a token").to_owned();
        Self { access_token: text("access_token"), refresh_token: text("refresh_token"), ..self.clone() }
    }

    /// The same person with other tokens.
    #[must_use]
    pub fn with_tokens(&self, access_token: String, refresh_token: String) -> Self {
        Self { access_token, refresh_token, ..self.clone() }
    }

    /// Whether the access token is still good.
    pub async fn is_signed_in(&self) -> bool {
        match self.get("/api/v1/auth/me").await.status {
            200 => true,
            401 => false,
            other => panic!("auth/me answered {other}"),
        }
    }

    /// The token with which this person confirms the address that they asked for, as an operator is shown it.
    pub async fn email_token(&self, app: &TestApp) -> String {
        let shown = app.cli_ok(&["users", "email-link", &self.email, "--json"]).await;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["token"].as_str().expect("a token").to_owned()
    }
}
