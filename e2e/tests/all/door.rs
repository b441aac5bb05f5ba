//! G and J of assurance.md at the gateway: whatever a stranger sends, an application behind it gets what
//! was decided on, or nothing.

mod framing;
mod identity;
mod limits;
mod paths;
mod surface;
mod tokens;

use e2e::{Database, RawAnswer, Setup, TestApp, Upstream, User, send_raw};

/// A gateway before one application: `/open/` is for everybody, `/quiz/` for who is signed in, `/closed/`
/// for nobody.
struct Door {
    app: TestApp,
    upstream: Upstream,
    ann: User,
}

impl Door {
    async fn start() -> Self {
        let upstream = Upstream::start("app").await;
        let route = |name: &str, more: &str| {
            format!(
                "[[gateway.routes]]\nname = \"{name}\"\npath = \"/{name}/\"\nupstreams = [\"{}\"]\n{more}\n\n",
                upstream.url
            )
        };
        let config = route("open", "auth = \"none\"")
            + &route("quiz", "")
            + &route("closed", "roles = [\"nobody\"]")
            + &route("reading", "auth = \"none\"\nmethods = [\"GET\"]");
        let app = Setup::new(Database::Sqlite).config(&config).start().await;
        let ann = app.user("ann").await;
        Self { app, upstream, ann }
    }

    /// The host that a client names.
    fn host(&self) -> &str {
        self.app.url.trim_start_matches("http://")
    }

    /// Sends a request of these lines, which ends its connection.
    async fn send(&self, line: &str, headers: &str) -> RawAnswer {
        let text = format!("{line}\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.host());
        send_raw(&self.app.url, text.as_bytes()).await
    }

    /// The same with Ann's token.
    async fn send_as_ann(&self, line: &str, headers: &str) -> RawAnswer {
        self.send(line, &format!("Authorization: Bearer {}\r\n{headers}", self.ann.access_token)).await
    }

    /// Asserts that nothing of what a client made up was sent on, in whatever form.
    #[track_caller]
    fn assert_nothing_forged(&self, mark: &str) {
        let wire = String::from_utf8_lossy(&self.upstream.wire()).into_owned();
        assert!(!wire.contains(mark), "what a client made up reached the application: {wire}");
    }
}
