//! The example's story, as its README tells it: sign up, play, be banned while playing, and play on while
//! Usher's services are gone.

use std::time::{Duration, Instant};

use e2e::{Answer, PASSWORD, PATIENCE, Quiz};
use serde_json::{Value, json};

/// Somebody who plays, with what they hold of Usher.
struct Player {
    client: reqwest::Client,
    gateway: String,
    application: String,
    token: String,
}

impl Player {
    async fn sign_up(quiz: &Quiz, name: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD, "name": name});
        let request = client.post(format!("{}/api/v1/auth/register", quiz.gateway)).json(&body);
        let token = Answer::of(request).await.is(201).json()["access_token"].as_str().unwrap().to_owned();
        let (gateway, application) = (quiz.gateway.clone(), quiz.application.clone());
        Self { client, gateway, application, token }
    }

    /// A call, as the page makes it, through the gateway.
    async fn call(&self, path: &str, body: Value) -> Answer {
        let request = self.client.post(format!("{}/quiz/api/{path}", self.gateway));
        Answer::of(request.bearer_auth(&self.token).json(&body)).await
    }

    /// The same call past the gateway, as somebody inside the network could make it.
    async fn call_directly(&self, path: &str, body: Value) -> Answer {
        let request = self.client.post(format!("{}/api/{path}", self.application));
        Answer::of(request.bearer_auth(&self.token).json(&body)).await
    }

    async fn sign_in(&self, name: &str) -> Answer {
        let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        Answer::of(self.client.post(format!("{}/api/v1/auth/login", self.gateway)).json(&body)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ann_is_banned_while_playing_and_ben_plays_on_while_usher_is_stopped() {
    let quiz = Quiz::start().await;
    let (ann, ben) = (Player::sign_up(&quiz, "ann").await, Player::sign_up(&quiz, "ben").await);
    let page = Answer::of(ann.client.get(format!("{}/quiz/", quiz.gateway))).await.is(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let stranger =
        Player { token: "nobody".to_owned(), client: ann.client.clone(), ..Player::sign_up(&quiz, "eve").await };
    stranger.call("rounds", json!({})).await.is(401);
    stranger.call_directly("rounds", json!({})).await.is(401);

    let first = ann.call("rounds", json!({})).await.is(201).json();
    let questions = first["of"].as_u64().expect("how many questions");
    ann.call("answers", json!({"number": 0, "choice": 0})).await.is(200);
    ben.call("rounds", json!({})).await.is(201);

    let eyes = Instant::now();
    quiz.say("ban ann@example.com");
    while ann.call("answers", json!({"number": 1, "choice": 0})).await.status != 401 {
        assert!(eyes.elapsed() < PATIENCE, "Ann plays on after the ban");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = Instant::now();
    while ann.call_directly("rounds", json!({})).await.status != 401 {
        assert!(told.elapsed() < Duration::from_secs(1), "the quiz itself still takes Ann's token");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    quiz.say("stop");
    quiz.wait_until_said("services are stopped", 1).await;
    assert!(ben.sign_in("ben").await.status >= 500, "nobody is there to sign anybody in");
    for number in 0..questions {
        let judged = ben.call("answers", json!({"number": number, "choice": 0})).await.is(200).json();
        assert_eq!(judged["next"].is_null(), number + 1 == questions, "{judged}");
        ann.call("answers", json!({"number": number, "choice": 0})).await.is(401);
    }

    quiz.say("start");
    quiz.wait_until_said("services are back", 1).await;
    let back = Instant::now();
    while ben.sign_in("ben").await.status != 200 {
        assert!(back.elapsed() < PATIENCE, "nobody can sign in again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ann.sign_in("ann").await.is(401);
    ann.call("rounds", json!({})).await.is(401);
    ben.call("rounds", json!({})).await.is(201);

    let status = quiz.end().expect("it ends when it is asked to");
    assert_eq!(status.code(), Some(0));
    for url in [&quiz.gateway, &quiz.services, &quiz.application] {
        let asked = Answer::try_of(ann.client.get(format!("{url}/health/live"))).await;
        assert!(asked.is_err(), "somebody still listens at {url}");
    }
}
