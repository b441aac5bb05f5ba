//! A service whose calls need a token: the example of the README, which a test compares with this.

use std::{env, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use verify::{Caller, FollowSettings, RequireToken, Requirements, Settings, Verifier, follow};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usher = "https://id.example.com";
    let verifier = Arc::new(Verifier::new(Settings::new(usher)));
    let follower = follow(Arc::clone(&verifier), FollowSettings::new(usher, env::var("USHER_TOKEN")?))?;
    follower.wait_ready(Duration::from_secs(10)).await?;

    let players = RequireToken::new(verifier).with_requirements(Requirements::new().or_role("player"));
    let hello = get(|Caller(claims): Caller| async move { format!("Welcome, {}.", claims.sub) });
    let service = Router::new().route("/play", hello).layer(players);
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:9000").await?, service).await?;
    Ok(())
}
