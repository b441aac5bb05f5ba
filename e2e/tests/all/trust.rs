//! S3 to S5 of assurance.md, and what Usher is for: every path that ends trust is walked, and the old token
//! is refused at the gateway and in services of three languages within a second. So is S4's other half:
//! whoever may go on gets a fresh token that is taken everywhere.

use std::time::{Duration, Instant};

use e2e::{Answer, PASSWORD, PATIENCE, Service, Setup, TestApp, Upstream, User, moment_in, on_both};
use reqwest::Method;
use serde_json::json;

/// How long a token may be taken after the call that ended it was answered.
const LIMIT: Duration = Duration::from_secs(1);
const NEW_PASSWORD: &str = "nine dry herons paint 52 doors";

/// The gateway with an application behind it, and services that check for themselves.
struct World {
    app: TestApp,
    upstream: Upstream,
    services: Vec<Service>,
    admin: User,
}

impl World {
    async fn start(setup: Setup) -> Self {
        let upstream = Upstream::start("app").await;
        let config =
            format!("[[gateway.routes]]\nname = \"app\"\npath = \"/app/\"\nupstreams = [\"{}\"]\n", upstream.url);
        let app = setup.config(&config).start().await;
        let token = app.verifier_token("services").await;
        let services = Service::start_all(&app.url, &app.url, &token).await;
        let admin = User::administrator(&app, "root").await;
        Self { app, upstream, services, admin }
    }

    /// Everybody takes the token.
    async fn takes(&self, user: &User) {
        user.get("/app/x").await.is(200);
        assert_eq!(self.upstream.one().header("x-user-id"), user.id);
        for service in &self.services {
            let answer = service.whoami(&user.access_token).await.is(200).json();
            assert_eq!(answer["user"], user.id, "{:?}", service.language);
        }
    }

    /// From now on nobody takes the token. `ended` is when the call that ended it was answered.
    async fn refuses(&self, path: &str, user: &User, ended: Instant) {
        // In its own process there is nothing to wait for: whoever was told that it is over may rely on it.
        user.get("/app/x").await.is_problem(401, "unauthenticated");
        assert!(!user.is_signed_in().await);
        let mut took = Vec::new();
        for service in &self.services {
            loop {
                let answer = service.whoami(&user.access_token).await;
                if answer.status == 401 {
                    break;
                }
                assert_eq!(answer.status, 200, "{:?}: {}", service.language, answer.body);
                let late = ended.elapsed();
                assert!(late < LIMIT, "after {path}, the {:?} service still takes the token", service.language);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            took.push(format!("{:?} {:.0} ms", service.language, ended.elapsed().as_secs_f64() * 1000.0));
        }
        println!("{path}: refused at once by the gateway, and by {}", took.join(", "));
        // It stays refused.
        for service in &self.services {
            service.whoami(&user.access_token).await.is(401);
        }
        assert_eq!(self.upstream.count(), 0, "after {path}, the application was asked");
    }

    /// Ends somebody's trust and sees it everywhere.
    async fn ends(&self, path: &str, user: &User, call: impl Future<Output = Answer>) {
        self.takes(user).await;
        let answer = call.await;
        assert!(matches!(answer.status, 200 | 204), "{path}: {} {}", answer.status, answer.body);
        self.refuses(path, user, Instant::now()).await;
    }

    /// Does a command of the program in which a token ends.
    async fn ends_by_command(&self, path: &str, user: &User, words: &[&str]) {
        self.takes(user).await;
        self.app.cli_ok(words).await;
        self.refuses(path, user, Instant::now()).await;
    }

    /// An administrator's call about somebody.
    async fn administer(&self, method: Method, user: &User, what: &str, body: serde_json::Value) -> Answer {
        let request = self.admin.request(method, &format!("/api/v1/users/{}{what}", user.id));
        Answer::of(if body.is_null() { request } else { request.json(&body) }).await
    }
}

on_both! {
    async fn s3_s5_what_people_end_is_over_everywhere(setup: Setup) {
        let world = World::start(setup).await;
        let app = &world.app;
        let ann = app.user("ann").await;

        world.ends("logout", &ann, ann.logout()).await;
        ann.refresh().await.is_problem(401, "invalid_refresh_token");
        let ann = app.again(&ann).await;
        world.takes(&ann).await;

        let other = app.again(&ann).await;
        world.ends("end one session", &other, ann.delete(&format!("/api/v1/auth/sessions/{}", other.session))).await;
        other.refresh().await.is_problem(401, "invalid_refresh_token");
        world.takes(&ann).await;

        let (second, third) = (app.again(&ann).await, app.again(&ann).await);
        world.takes(&third).await;
        world.ends("sign out others", &second, ann.delete("/api/v1/auth/sessions")).await;
        world.refuses("sign out others", &third, Instant::now()).await;
        world.takes(&ann).await;

        let other = app.again(&ann).await;
        let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        world.ends("change password", &other, ann.post("/api/v1/auth/change-password", body)).await;
        other.refresh().await.is_problem(401, "invalid_refresh_token");
        let answer = app.login(&ann.email, NEW_PASSWORD).await.is(200);
        let ann = User::from_answer(app, &ann.email, NEW_PASSWORD, &answer);
        world.takes(&ann).await;

        // The first refresh token comes back after its successor was used: it was stolen.
        let fresh = ann.refreshed(app).await.refreshed(app).await;
        let reuse = async { Answer { status: 204, ..ann.refresh().await.is_problem(401, "invalid_refresh_token") } };
        world.ends("refresh reuse", &fresh, reuse).await;
        fresh.refresh().await.is_problem(401, "invalid_refresh_token");
        world.takes(&app.again(&ann).await).await;
    }

    async fn s4_s5_what_administrators_end_is_over_everywhere(setup: Setup) {
        let world = World::start(setup).await;
        let app = &world.app;
        let nothing = serde_json::Value::Null;
        let cannot_come_back = async |user: &User| {
            user.refresh().await.is_problem(401, "invalid_refresh_token");
            app.login(&user.email, &user.password).await.is_problem(401, "invalid_credentials");
        };

        let ann = app.user("ann").await;
        let ban = json!({"reason": "a test"});
        world.ends("ban", &ann, world.administer(Method::POST, &ann, "/ban", ban)).await;
        cannot_come_back(&ann).await;
        world.administer(Method::POST, &ann, "/unban", nothing.clone()).await.is(204);
        world.refuses("unban, which brings nothing back,", &ann, Instant::now()).await;
        let ann = app.again(&ann).await;
        world.takes(&ann).await;

        // One that ends by itself in a moment.
        let until = moment_in(15);
        let ban = json!({"reason": "a test", "until": until});
        world.ends("timed ban", &ann, world.administer(Method::POST, &ann, "/ban", ban)).await;
        cannot_come_back(&ann).await;
        let begun = Instant::now();
        // Asking with the password would count as guessing it.
        let status = async || world.administer(Method::GET, &ann, "", nothing.clone()).await.is(200).json()["status"].clone();
        while status().await != "active" {
            assert!(begun.elapsed() < PATIENCE, "the ban has not ended by itself");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        world.refuses("the end of a timed ban", &ann, Instant::now()).await;
        let ann = app.again(&ann).await;
        world.takes(&ann).await;

        world.ends("sign-out by an administrator", &ann, world.administer(Method::POST, &ann, "/sign-out", nothing.clone())).await;
        ann.refresh().await.is_problem(401, "invalid_refresh_token");
        let ann = app.again(&ann).await;
        world.takes(&ann).await;

        world.ends("delete", &ann, world.administer(Method::DELETE, &ann, "", nothing.clone())).await;
        cannot_come_back(&ann).await;
        world.administer(Method::POST, &ann, "/restore", nothing).await.is(204);
        let ann = app.again(&ann).await;
        world.takes(&ann).await;

        // Other roles: the session goes on, and its next token has them.
        world.admin.makes_role("player", &[]).await;
        world.ends("role change", &ann, world.administer(Method::PUT, &ann, "/roles", json!({"roles": ["player"]}))).await;
        let player = ann.refreshed(app).await;
        world.takes(&player).await;
        for service in &world.services {
            let roles = service.whoami(&player.access_token).await.is(200).json()["roles"].to_string();
            assert!(roles.contains("player"), "{:?}: {roles}", service.language);
        }

        world.ends_by_command("usher users ban", &player, &["users", "ban", &player.email]).await;
        cannot_come_back(&player).await;
    }

    async fn j13_what_a_withdrawn_key_has_signed_is_over_everywhere(setup: Setup) {
        let world = World::start(setup).await;
        let app = &world.app;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        world.takes(&bob).await;
        let kid = e2e::Token::read(&ann.access_token).header["kid"].as_str().unwrap().to_owned();
        world.ends_by_command("usher keys withdraw", &ann, &["keys", "withdraw", &kid, "--reason", "a test"]).await;
        world.refuses("usher keys withdraw", &bob, Instant::now()).await;
        let published = app.get("/.well-known/jwks.json").await.is(200).body;
        assert!(!published.contains(&kid), "a withdrawn key is still published");
        // Sessions go on: people refresh, and notice nothing.
        for user in [&ann, &bob] {
            let fresh = user.refreshed(app).await;
            assert_ne!(e2e::Token::read(&fresh.access_token).header["kid"], kid.as_str());
            // Services learn of the new key when they see it, or when the feed says so.
            let begun = Instant::now();
            for service in &world.services {
                while service.whoami(&fresh.access_token).await.status != 200 {
                    assert!(begun.elapsed() < PATIENCE, "the {:?} service has no new key", service.language);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            world.takes(&fresh).await;
        }
        world.refuses("usher keys withdraw, some time later,", &ann, Instant::now()).await;
    }
}
