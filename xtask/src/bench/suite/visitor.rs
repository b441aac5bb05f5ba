//! A browser's way in: the sign-in form, and the cookie that comes of it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context as _, Result, bail};

/// Signs in through the page and answers the cookie that says who is there, as a request sends it.
pub fn sign_in(port: u16, email: &str, password: &str) -> Result<String> {
    let form = ask(port, &format!("GET /sign-in HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n"))?;
    let bound = cookie(&form, "usher_form=")?;
    let token = form.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let token = token.context("the sign-in page has no token")?;
    let body = format!("csrf={token}&email={}&password={}", encoded(email), encoded(password));
    let answer = ask(
        port,
        &format!(
            "POST /sign-in HTTP/1.1\r\nhost: localhost:{port}\r\norigin: http://localhost:{port}\r\ncookie: {bound}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
    )?;
    if !answer.starts_with("HTTP/1.1 303") {
        bail!("signing in on the page answered {}", answer.lines().next().unwrap_or_default());
    }
    cookie(&answer, "usher_session=")
}

fn ask(port: u16, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the answer is no text")?;
    Ok(answer)
}

/// The cookie that begins like this, with its value.
fn cookie(answer: &str, begins: &str) -> Result<String> {
    let values = answer.lines().filter_map(|line| line.split_once(": "));
    let values = values.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value);
    let found = values.filter_map(|value| value.split(';').next()).find(|pair| pair.starts_with(begins));
    found.map(str::to_owned).with_context(|| format!("there is no cookie {begins}…"))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"))
}
