//! `/gateway/authorize` behind nginx and behind HAProxy, with the configurations that `deploy/` ships: they
//! keep the door, and Usher says who may pass.

use e2e::{Answer, Database, Manner, Proxy, RawAnswer, Setup, TestApp, Upstream, User, send_raw};
use reqwest::Method;

/// A proxy in front of an application, and Usher beside it.
struct World {
    app: TestApp,
    upstream: Upstream,
    proxy: Proxy,
    client: reqwest::Client,
    ann: User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nginx,
    Haproxy,
}

impl World {
    async fn start(kind: Kind) -> Self {
        let upstream = Upstream::start("app").await;
        let route = |name: &str, more: &str| {
            format!(
                "[[gateway.routes]]\nname = \"{name}\"\npath = \"/{name}/\"\nservice = \"forward-auth\"\n{more}\n\n"
            )
        };
        let config = "trusted_proxies = [\"127.0.0.1\"]\n\n".to_owned()
            + &route("open", "auth = \"none\"")
            + &route("maybe", "auth = \"optional\"")
            + &route("quiz", "methods = [\"GET\", \"POST\"]")
            + &route("closed", "roles = [\"nobody\"]")
            + &route("limited", "limits = [{ per = \"user\", rate = \"1/h\", burst = 2 }]");
        let app = Setup::new(Database::Sqlite).env("USHER_LIMITS__ENABLED", "true").config(&config).start().await;
        let proxy = match kind {
            Kind::Nginx => Proxy::nginx(&app.url, &upstream.address).await,
            Kind::Haproxy => Proxy::haproxy(&app.url, &upstream.address).await,
        };
        let ann = app.user("ann").await;
        let client = app.client();
        Self { app, upstream, proxy, client, ann }
    }

    fn request(&self, user: Option<&User>, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(Method::GET, format!("{}{path}", self.proxy.url));
        match user {
            Some(user) => request.bearer_auth(&user.access_token),
            None => request,
        }
    }

    async fn get(&self, user: Option<&User>, path: &str) -> Answer {
        Answer::of(self.request(user, path)).await
    }

    async fn raw(&self, line: &str, headers: &str) -> RawAnswer {
        let host = self.proxy.url.trim_start_matches("http://");
        let token = &self.ann.access_token;
        let text =
            format!("{line}\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}\r\n");
        send_raw(&self.proxy.url, text.as_bytes()).await
    }

    async fn answers_are_the_table_s(&self) {
        let ann = Some(&self.ann);
        self.get(ann, "/quiz/x?a=b").await.is(200);
        let seen = self.upstream.one();
        assert_eq!(seen.target, "/quiz/x?a=b");
        for (name, expected) in [
            ("x-user-id", self.ann.id.as_str()),
            ("x-user-roles", "user"),
            ("x-session-id", &self.ann.session),
            ("x-forwarded-for", "127.0.0.1"),
        ] {
            assert_eq!(seen.header(name), expected, "{name}");
        }
        self.get(None, "/open/x").await.is(200);
        self.get(None, "/maybe/x").await.is(200);
        assert!(self.upstream.take().iter().all(|seen| seen.header("x-user-id").is_empty()));

        let refused = self.get(None, "/quiz/x").await.refused_with(401, "unauthenticated");
        assert!(refused.header("www-authenticate").starts_with("Bearer"), "{:?}", refused.headers);
        self.get(ann, "/closed/x").await.refused_with(403, "forbidden");
        // Where the table says nothing, nobody gets in.
        self.get(None, "/elsewhere").await.refused_with(403, "forbidden");
        self.get(ann, "/elsewhere").await.refused_with(403, "forbidden");
        // A letter in disguise is that letter.
        self.get(ann, "/%63losed/x").await.refused_with(403, "forbidden");
        assert_eq!(self.upstream.count(), 0);
        self.get(ann, "/limited/x").await.is(200);
        self.get(ann, "/limited/x").await.is(200);
        let refused = self.get(ann, "/limited/x").await.refused_with(429, "too_many_attempts");
        assert!(refused.header("retry-after").parse::<u32>().is_ok(), "{:?}", refused.headers);
        assert_eq!(self.upstream.take().len(), 2);
        // What the application says is its own business.
        self.upstream.answer(Manner::Fail(403));
        assert_eq!(self.get(ann, "/quiz/x").await.is(403).header("x-upstream"), "app");
        self.upstream.answer(Manner::Echo);
        self.upstream.take();
        // A token that is over is over here, too.
        let other = self.app.again(&self.ann).await;
        self.get(Some(&other), "/quiz/x").await.is(200);
        other.logout().await.is(204);
        self.get(Some(&other), "/quiz/x").await.refused_with(401, "unauthenticated");
        assert_eq!(self.upstream.take().len(), 1);
    }

    async fn forged_headers_go_nowhere(&self) {
        for name in [
            "X-User-Id",
            "x-user-id",
            "X_User_Id",
            "X-User-Roles",
            "X-User-Token",
            "X_USER_ROLES",
            "X-Session-Id",
            "X-Forwarded-For",
            "X-Forwarded-User",
            "X-Real-IP",
            "Remote-User",
            "Forwarded",
        ] {
            let answer = self.raw("GET /quiz/x HTTP/1.1", &format!("{name}: forged\r\n{name}: forged\r\n")).await;
            assert!(matches!(answer.status(), 200 | 400), "{name}: {}", answer.text);
            let wire = String::from_utf8_lossy(&self.upstream.wire()).into_owned();
            assert!(!wire.contains("forged"), "{name} reached the application: {wire}");
            for seen in self.upstream.take() {
                assert_eq!(seen.header("x-user-id"), self.ann.id);
            }
            // Where nobody is asked for, nobody is named.
            let request = self.request(None, "/open/x").header("x-user-id", "forged").header("x-user-roles", "admin");
            Answer::of(request).await.is(200);
            let seen = self.upstream.one();
            assert_eq!((seen.header("x-user-id"), seen.header("x-user-roles")), ("", ""));
        }
        let answer = self.raw("GET /quiz/x HTTP/1.1", "Connection: close, X-User-Id, X-Session-Id\r\n").await;
        if answer.status() == 200 {
            assert_eq!(self.upstream.one().header("x-user-id"), self.ann.id);
        }
        // What the client says about where it wants to go, the proxy does not pass on as its own word.
        let wishes = "X-Forwarded-Uri: /open/x\r\nX-Forwarded-Method: OPTIONS\r\nX-Forwarded-Host: evil.io\r\n\
                      X-Original-URL: /open/x\r\nX-Rewrite-URL: /open/x\r\n";
        assert_eq!(self.raw("GET /closed/x HTTP/1.1", wishes).await.status(), 403);
        assert_eq!(self.raw("DELETE /quiz/x HTTP/1.1", wishes).await.status(), 405);
        assert_eq!(self.upstream.count(), 0);
    }

    async fn path_tricks_go_nowhere(&self) {
        for path in [
            "//closed/x",
            "/open//closed/x",
            "/open/../closed/x",
            "/open/./../closed/x",
            "/open/%2e%2e/closed/x",
            "/open/..%2fclosed/x",
            "/open/%2e%2e%2fclosed/x",
            "/open/..;/closed/x",
            "/open/x;y",
            "/open/..%5cclosed/x",
            "/open/%00",
            "/open/%252e%252e/closed/x",
            "/open/%c0%ae%c0%ae/closed/x",
            "/%6fpen/..%2f",
        ] {
            let answer = self.raw(&format!("GET {path} HTTP/1.1"), "").await;
            assert!((400..500).contains(&answer.status()), "{path}: {}", answer.text);
        }
        assert_eq!(self.upstream.count(), 0, "{:?}", self.upstream.seen());
        // An address of another host is refused, and one of our own is the path alone.
        let answer = self.raw("GET http://evil.io/open/x HTTP/1.1", "").await;
        for seen in self.upstream.take() {
            assert_eq!((answer.status(), seen.target.as_str()), (200, "/open/x"), "{}", answer.text);
        }
        // `%6f` is an `o` for whoever decodes it, and decided on as that: open stays open, closed closed.
        assert_eq!(self.raw("GET /%6fpen/x HTTP/1.1", "").await.status(), 200);
        assert_eq!(self.upstream.one().target, "/%6fpen/x");
        assert_eq!(self.raw("GET /cl%6fsed/x HTTP/1.1", "").await.status(), 403);
        assert_eq!(self.upstream.count(), 0);
        for text in [
            "GET /open/x HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
            "GET /open/x HTTP/1.1\r\nConnection: close\r\n\r\n",
        ] {
            assert_eq!(send_raw(&self.proxy.url, text.as_bytes()).await.status(), 400);
        }
        assert_eq!(self.upstream.count(), 0);
    }

    async fn nobody_passes_when_usher_is_down(&self) {
        self.app.kill9();
        for path in ["/quiz/x", "/open/x", "/elsewhere"] {
            let answer = self.get(Some(&self.ann), path).await;
            assert!(matches!(answer.status, 500..=503), "{path}: {}", answer.status);
        }
        assert_eq!(self.upstream.count(), 0, "in doubt, somebody passed");
        self.app.start().await;
        let begun = std::time::Instant::now();
        while self.get(Some(&self.ann), "/quiz/x").await.status != 200 {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{}", self.proxy.logs());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(!self.proxy.logs().contains(&self.ann.access_token), "the proxy logs tokens");
    }

    async fn all(self) {
        self.answers_are_the_table_s().await;
        self.forged_headers_go_nowhere().await;
        self.path_tricks_go_nowhere().await;
        self.nobody_passes_when_usher_is_down().await;
    }
}

/// A proxy's problem documents are its own: they have the code, and need not have everything else.
trait Problem {
    fn refused_with(self, status: u16, code: &str) -> Self;
}

impl Problem for Answer {
    #[track_caller]
    fn refused_with(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
        assert_eq!(answer.json()["code"], code, "{}", answer.body);
        answer
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_g4_nginx_keeps_the_door_as_usher_says() {
    World::start(Kind::Nginx).await.all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_g4_haproxy_keeps_the_door_as_usher_says() {
    World::start(Kind::Haproxy).await.all().await;
}
