//! Reading the development inbox over HTTP, as whoever develops does in a browser.

use std::time::{Duration, Instant};

use crate::{PATIENCE, TestApp};

impl TestApp {
    /// The addresses, below the program's, of the mails to this address whose subject has these words, newest first.
    pub async fn inbox(&self, email: &str, words: &str) -> Vec<String> {
        let list = self.get("/dev/inbox").await.is(200).body;
        let lines = list.split("<li").skip(1).filter(|line| {
            let to = line.split("<span class=\"ink2\"><bdi>").nth(1).and_then(|rest| rest.split('<').next());
            let subject = line.split("<bdi>").nth(1).and_then(|rest| rest.split('<').next());
            to.is_some_and(|to| to.eq_ignore_ascii_case(email))
                && subject.is_some_and(|subject| subject.contains(words))
        });
        let places = lines.filter_map(|line| line.split("href=\"").nth(1)?.split('"').next());
        places.map(str::to_owned).collect()
    }

    /// The text of the newest such mail, once there are so many.
    pub async fn mail(&self, email: &str, words: &str, count: usize) -> String {
        let begun = Instant::now();
        loop {
            let places = self.inbox(email, words).await;
            if let Some(newest) = places.first().filter(|_| places.len() >= count) {
                let page = self.get(&format!("{newest}?view=text")).await.is(200).body;
                let text = page.split("<pre class=\"prose\" dir=\"auto\" tabindex=\"0\">").nth(1).expect("the text");
                return text.split("</pre>").next().unwrap_or_default().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no mail about {words:?} came, or {} of {count}", places.len());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The token of the link in the newest such mail.
    pub async fn mailed_token(&self, email: &str, words: &str, count: usize) -> String {
        let token = token_in(&self.mail(email, words, count).await);
        self.logs.never(&token);
        token
    }

    /// The code in the newest mail that verifies an address.
    pub async fn mailed_code(&self, email: &str, count: usize) -> String {
        let text = self.mail(email, "Verify your email", count).await;
        let is_code = |line: &&str| line.len() == 7 && line.split(' ').all(|part| part.len() == 3 && digits(part));
        text.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("no code in: {text}")).to_owned()
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The token of the link in the text of a mail.
pub fn token_in(text: &str) -> String {
    let (_, rest) = text.split_once("?token=").unwrap_or_else(|| panic!("no link in: {text}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}
