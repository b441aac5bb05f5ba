//! R8 of assurance.md: there is no default account, and the first administrator's link works once.

use std::time::Duration;

use e2e::{Answer, Database, PASSWORD, TestApp, on_both};
use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};

/// The newest setup link that the program printed.
fn newest_link(app: &TestApp) -> Option<String> {
    let text = app.logs.text();
    let at = text.rfind("/setup?token=")?;
    let link = text[at..].split(|c: char| c.is_whitespace() || c == '"').next()?;
    Some(link.to_owned())
}

/// The setup link that was printed since this one. What is printed is read by another thread, a moment later.
async fn link_after(app: &TestApp, before: Option<&str>) -> String {
    for _ in 0..300 {
        if let Some(link) = newest_link(app).filter(|link| Some(link.as_str()) != before) {
            return link;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no new setup link is printed");
}

/// Opens the link's page and sends its form, as a browser would.
async fn redeem(app: &TestApp, link: &str, email: &str) -> Answer {
    let page = app.get(link).await;
    if page.status != 200 {
        return page;
    }
    let cookie = page.headers.get(SET_COOKIE).unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
    let hidden = |name: &str| {
        let mark = format!("name=\"{name}\" value=\"");
        let at = page.body.find(&mark).unwrap() + mark.len();
        page.body[at..].split('"').next().unwrap().to_owned()
    };
    let (csrf, token) = (hidden("csrf"), hidden("token"));
    let form = [("csrf", csrf.as_str()), ("token", &token), ("email", email), ("name", "Ada"), ("password", PASSWORD)];
    let request = app.request(Method::POST, "/setup").header(COOKIE, cookie).header("origin", &app.url);
    Answer::of(request.form(&form)).await
}

on_both! {
    async fn r8_the_first_administrator_comes_in_by_a_link_that_works_once(app: TestApp) {
        for email in ["admin", "admin@example.com", "root@localhost", "usher@example.com"] {
            for password in ["admin", "password", "usher", ""] {
                assert_ne!(app.login(email, password).await.status, 200, "there is a default account");
            }
        }
        let first = link_after(&app, None).await;
        app.restart().await;
        let second = link_after(&app, Some(&first)).await;

        // Looking at it, as mail filters do, uses nothing up.
        for _ in 0..3 {
            app.get(&second).await.is(200);
        }
        app.get(&format!("{second}x")).await.is(410);
        app.get("/setup?token=").await.is(410);
        let made = redeem(&app, &second, "ada@example.com").await.is(303);
        assert_eq!(made.header("location"), "/account");

        let ada = app.login("ada@example.com", PASSWORD).await.is(200);
        assert!(ada.json()["user"]["roles"].as_array().unwrap().contains(&"admin".into()), "{}", ada.body);
        for link in [&first, &second] {
            assert_eq!(redeem(&app, link, "eve@example.com").await.status, 410, "the link worked twice");
        }
        app.restart().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(newest_link(&app), Some(second.clone()), "there is an administrator: no new link");
        for link in [&first, &second] {
            assert_eq!(redeem(&app, link, "eve@example.com").await.status, 410, "a restart revived the link");
        }
        app.login("eve@example.com", PASSWORD).await.is(401);
    }

    async fn r8_one_link_makes_one_administrator_under_a_race(app: TestApp) {
        let link = link_after(&app, None).await;
        let tries = (0..12).map(|number| {
            let (app, link) = (&app, link.as_str());
            async move { redeem(app, link, &format!("ada{number}@example.com")).await.status }
        });
        let mut statuses = Vec::new();
        for one in together(tries.collect()).await {
            statuses.push(one);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
        app.settle().await;
        let mut view = app.look().await;
        assert_eq!(view.texts("SELECT role FROM user_roles WHERE role = 'admin'").await, ["admin"]);
        assert_eq!(view.texts("SELECT kind FROM ledger WHERE kind = 'administrator.created'").await.len(), 1);
    }

    async fn r8_a_link_dies_after_an_hour(app: TestApp) {
        let link = link_after(&app, None).await;
        app.get(&link).await.is(200);
        // As if an hour had passed; the key of the link is in the master key, so the row says when.
        let sql = match app.database {
            Database::Sqlite => "UPDATE setup_links SET expires_at = expires_at - 3601000000",
            Database::Postgres => "UPDATE setup_links SET expires_at = expires_at - INTERVAL '3601 seconds'",
        };
        assert_eq!(app.look().await.execute(sql).await, 1);
        assert_eq!(redeem(&app, &link, "ada@example.com").await.status, 410);
    }
}

/// Runs futures side by side on this task.
async fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => *output = Some(done),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
