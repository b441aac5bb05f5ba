//! A program as two processes, as it is run at scale: the services, and a gateway before them.

use crate::{Database, Setup, TestApp};

/// The two.
pub struct Apart {
    /// Sign-in, accounts and pages, with the database.
    pub services: TestApp,
    /// The gateway alone: what people and applications talk to.
    pub door: TestApp,
}

impl Setup {
    /// Starts the services as they are set up here, and a gateway alone with this configuration.
    pub async fn start_apart(self, config: &str) -> Apart {
        let door = Self::new(Database::Sqlite).config(config).only("gateway").prepare().await;
        let services = self
            .env("USHER_PUBLIC_URL", &door.url)
            .env("USHER_TRUSTED_PROXIES", "127.0.0.1")
            .only("auth,users,pages")
            .start()
            .await;
        let token = services.verifier_token("door").await;
        door.logs.never(&token);
        let door = door.with_env("USHER_SERVICES__URL", &services.url).with_env("USHER_SERVICES__TOKEN", &token);
        door.start().await;
        Apart { services, door }
    }
}
