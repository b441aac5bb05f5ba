//! The clients: what each kind of them asks, over and over, on its own connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::client::{Connection, get, post};
use super::load::Client;
use super::seed::{self, PASSWORD};

const ME: &str = "/api/v1/auth/me";
const LOGIN: &str = "/api/v1/auth/login";
const REGISTER: &str = "/api/v1/auth/register";
const REFRESH: &str = "/api/v1/auth/refresh";

/// Sends the same bytes again and again.
pub struct Same {
    connection: Connection,
    request: Vec<u8>,
}

impl Same {
    /// Asks for this path, with a token if there is one.
    pub async fn new(port: u16, path: &str, token: Option<&str>) -> Result<Self> {
        Ok(Self { connection: Connection::open(port).await?, request: get(path, token) })
    }

    /// Asks for this page, as the browser that has this cookie.
    pub async fn with_cookie(port: u16, path: &str, cookie: &str) -> Result<Self> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\ncookie: {cookie}\r\n\r\n");
        Ok(Self { connection: Connection::open(port).await?, request: request.into_bytes() })
    }

    /// Looks at `/`.
    pub async fn hello(port: u16) -> Result<Self> {
        Self::new(port, "/", None).await
    }

    /// Asks who it is, with a token that the program sees again and again.
    pub async fn me(port: u16, token: &str) -> Result<Self> {
        Self::new(port, ME, Some(token)).await
    }
}

impl Client for Same {
    async fn ask(&mut self) -> Result<bool> {
        self.connection.call(&self.request).await?.expect(200)?;
        Ok(true)
    }
}

/// Asks who it is, each time with a token that was not shown before.
pub struct FreshMe {
    connection: Connection,
    requests: Vec<Vec<u8>>,
}

impl FreshMe {
    pub async fn new(port: u16, tokens: &[String]) -> Result<Self> {
        let requests = tokens.iter().map(|token| get(ME, Some(token))).collect();
        Ok(Self { connection: Connection::open(port).await?, requests })
    }
}

impl Client for FreshMe {
    async fn ask(&mut self) -> Result<bool> {
        let Some(request) = self.requests.pop() else { return Ok(false) };
        self.connection.call(&request).await?.expect(200)?;
        Ok(true)
    }
}

/// Signs in, each time as somebody else.
pub struct SignIn {
    connection: Connection,
    accounts: Accounts,
    /// The access token of the last answer.
    pub access_token: String,
    refresh_token: String,
}

/// Goes round through all accounts in an order in which neighbours lie far apart.
#[derive(Clone)]
pub struct Accounts {
    next: Arc<AtomicUsize>,
    count: usize,
}

impl Accounts {
    pub fn new(count: usize) -> Self {
        Self { next: Arc::default(), count }
    }

    /// The sign-in of the next account.
    pub fn next_sign_in(&self) -> Vec<u8> {
        // A prime that divides neither count, so that it comes by everybody.
        let number = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(7_919) % self.count + 1;
        post(LOGIN, &json!({"email": seed::email(number), "password": PASSWORD}))
    }
}

impl SignIn {
    pub async fn new(port: u16, accounts: &Accounts) -> Result<Self> {
        let connection = Connection::open(port).await?;
        Ok(Self { connection, accounts: accounts.clone(), access_token: String::new(), refresh_token: String::new() })
    }

    /// As the client that goes on with this session.
    pub fn into_refresh(self) -> Refresh {
        Refresh { connection: self.connection, token: self.refresh_token, collected: None }
    }
}

impl Client for SignIn {
    async fn ask(&mut self) -> Result<bool> {
        let request = self.accounts.next_sign_in();
        let answer = self.connection.call(&request).await?.json(200)?;
        self.access_token = text(&answer, "access_token")?;
        self.refresh_token = text(&answer, "refresh_token")?;
        Ok(true)
    }
}

/// Signs somebody new up.
pub struct SignUp {
    connection: Connection,
    next: Arc<AtomicUsize>,
}

impl SignUp {
    pub async fn new(port: u16, next: &Arc<AtomicUsize>) -> Result<Self> {
        Ok(Self { connection: Connection::open(port).await?, next: next.clone() })
    }
}

impl Client for SignUp {
    async fn ask(&mut self) -> Result<bool> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let body = json!({"email": format!("new{number}@bench.example"), "password": PASSWORD});
        self.connection.call(&post(REGISTER, &body)).await?.expect(201)?;
        Ok(true)
    }
}

/// Exchanges its refresh token for the next, again and again.
pub struct Refresh {
    connection: Connection,
    token: String,
    /// The access tokens that came with them, if somebody wants them.
    pub collected: Option<Vec<String>>,
}

impl Client for Refresh {
    async fn ask(&mut self) -> Result<bool> {
        let request = post(REFRESH, &json!({"refresh_token": self.token}));
        let answer = self.connection.call(&request).await?.json(200)?;
        self.token = text(&answer, "refresh_token")?;
        if let Some(tokens) = &mut self.collected {
            tokens.push(text(&answer, "access_token")?);
        }
        Ok(true)
    }
}

fn text(answer: &Value, field: &str) -> Result<String> {
    answer[field].as_str().map(str::to_owned).with_context(|| format!("the answer has no {field}"))
}
