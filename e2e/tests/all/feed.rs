//! The revocation feed, listened to by hand: snapshot, stream, resume, and who may listen.

use std::time::{Duration, Instant};

use e2e::{Answer, Feed, FeedEvent, Language, PATIENCE, Service, Setup, TestApp, on_both};
use reqwest::Method;

const SOON: Duration = Duration::from_secs(20);

/// Reads a whole snapshot: its parts, and the last one's number.
async fn snapshot(feed: &mut Feed) -> (Vec<FeedEvent>, i64) {
    let mut parts = Vec::new();
    loop {
        let part = feed.next_within(SOON).await.expect("the feed goes on");
        if part.name.is_empty() {
            continue;
        }
        assert_eq!(part.name, "snapshot", "a feed begins with a snapshot: {part:?}");
        let index = part.data["index"].as_i64().expect("a number");
        let is_last = part.data["last"] == true;
        assert_eq!(part.id, is_last.then_some(index), "only the last part moves the position: {part:?}");
        assert!(part.data["access_seconds"].as_i64().unwrap() > 0);
        parts.push(part);
        if is_last {
            return (parts, index);
        }
    }
}

fn has_session(parts: &[FeedEvent], session: &str) -> bool {
    parts.iter().any(|part| part.data["sessions"].as_array().unwrap().iter().any(|one| one == session))
}

on_both! {
    async fn a_feed_is_a_snapshot_and_then_what_happens(app: TestApp) {
        let token = app.verifier_token("by-hand").await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        ann.logout().await.is(204);
        let mut feed = Feed::open(&app, &token, None).await;
        let (parts, mut index) = snapshot(&mut feed).await;
        assert!(!has_session(&parts, &bob.session));
        // What is numbered by another process comes a moment later; but it comes.
        if !has_session(&parts, &ann.session) {
            let event = feed.next_named("revoked").await;
            assert_eq!(event.data["session"], ann.session, "{event:?}");
            index = event.data["index"].as_i64().unwrap();
        }

        let begun = Instant::now();
        bob.logout().await.is(204);
        let event = feed.next_named("revoked").await;
        println!("told after {:?}", begun.elapsed());
        assert_eq!(event.data["session"], bob.session, "{event:?}");
        assert_eq!(event.data["subject"], bob.id);
        assert_eq!(event.data["reason"], "session.ended");
        assert!(event.data["previous"].as_i64().unwrap() <= index, "a gap where there is none: {event:?}");
        let number = event.data["index"].as_i64().unwrap();
        assert!(number > index);
        assert_eq!(event.id, Some(number));

        let cat = app.user("cat").await;
        app.cli_ok(&["users", "ban", &cat.email]).await;
        let event = feed.next_named("revoked").await;
        assert_eq!(event.data["subject"], cat.id);
        assert_eq!(event.data["previous"], number, "each names the one before: {event:?}");
        assert!(event.data["epoch"].is_i64(), "{event:?}");
        // Every few seconds a word, even when nothing happens, and the number goes on with the ledger.
        let newest = event.data["index"].as_i64().unwrap();
        let word = feed.next_within(PATIENCE).await.expect("the feed goes on");
        assert_eq!(word.name, "", "{word:?}");
        assert!(word.id.unwrap() >= newest, "{word:?}");
    }

    async fn a_feed_goes_on_where_it_was_left_even_over_a_kill(app: TestApp) {
        let token = app.verifier_token("by-hand").await;
        let (ann, bob, cat) = (app.user("ann").await, app.user("bob").await, app.user("cat").await);
        let mut feed = Feed::open(&app, &token, None).await;
        snapshot(&mut feed).await;
        ann.logout().await.is(204);
        let seen = feed.next_named("revoked").await.data["index"].as_i64().unwrap();
        bob.logout().await.is(204);
        app.kill9();
        feed.ends_within(SOON).await;
        app.start().await;
        cat.logout().await.is(204);
        // What was missed comes, once and in order, and no snapshot.
        let mut feed = Feed::open(&app, &token, Some(seen)).await;
        for user in [&bob, &cat] {
            let event = loop {
                let event = feed.next_within(SOON).await.expect("the feed goes on");
                if !event.name.is_empty() { break event; }
            };
            assert_eq!(event.name, "revoked", "resumed with something else: {event:?}");
            assert_eq!(event.data["session"], user.session);
        }
        // A number from the future is of another ledger: a snapshot heals that.
        let mut feed = Feed::open(&app, &token, Some(1_000_000)).await;
        let (parts, index) = snapshot(&mut feed).await;
        assert!(index < 1_000_000);
        for user in [&ann, &bob, &cat] {
            assert!(has_session(&parts, &user.session));
        }
    }

    async fn only_verifiers_may_listen(app: TestApp) {
        let ann = app.user("ann").await;
        let good = app.verifier_token("good").await;
        let receiver = app.cli_ok(&["receiver", "create", "other", "--audience", "https://other.example.com"]).await;
        let receiver = receiver.split_whitespace().find(|word| word.starts_with("urt_")).expect("a token").to_owned();
        app.logs.never(&receiver);
        let (front, last) = good.split_at(good.len() - 1);
        let nearly = format!("{front}{}", if last == "A" { "B" } else { "A" });
        for wrong in ["", "uvt_", "uvt_x", &nearly, &receiver, &ann.access_token, &ann.refresh_token] {
            let refused = Feed::try_open(&app.url, wrong, None).await.err().expect("no feed for strangers");
            refused.is_problem(401, "unauthenticated");
            app.report_position(wrong, 1).await.is_problem(401, "unauthenticated");
        }
        let bare = Answer::of(app.request(Method::GET, "/api/v1/feed/revocations")).await;
        assert_eq!(bare.is_problem(401, "unauthenticated").header("www-authenticate"), "Bearer");
        // Nor does this token open anything else.
        let as_user = ann.with_tokens(good.clone(), String::new());
        as_user.get("/api/v1/users/me").await.is_problem(401, "unauthenticated");
        // What cannot be meant is said so.
        for query in ["after=x", "after=", "before=1"] {
            let request = app.request(Method::GET, &format!("/api/v1/feed/revocations?{query}")).bearer_auth(&good);
            Answer::of(request).await.is(400);
        }
        // The name is taken while the token lives, and can be had again after.
        let again = app.cli(&["verifier", "create", "good"]).await;
        assert!(!again.status.success(), "two services of one name");

        let mut feed = Feed::open(&app, &good, None).await;
        snapshot(&mut feed).await;
        app.report_position(&good, 1).await.is(204);
        let listed = app.cli_ok(&["verifier", "list"]).await;
        assert!(listed.contains("good") && !listed.contains(&good), "{listed}");
        app.cli_ok(&["verifier", "revoke", "good"]).await;
        feed.ends_within(PATIENCE).await;
        Feed::try_open(&app.url, &good, None).await.err().expect("revoked").is_problem(401, "unauthenticated");
        app.report_position(&good, 2).await.is_problem(401, "unauthenticated");
    }

    async fn the_program_stops_well_while_somebody_listens(app: TestApp) {
        let token = app.verifier_token("by-hand").await;
        let mut feed = Feed::open(&app, &token, None).await;
        snapshot(&mut feed).await;
        app.sigterm();
        feed.ends_within(PATIENCE).await;
        let status = app.wait_for_exit_within(PATIENCE);
        assert_eq!(status.code(), Some(0));
    }

    async fn a_verifier_heals_what_it_missed_while_it_was_cut_off(setup: Setup) {
        let app = setup.start().await;
        let token = app.verifier_token("service").await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let service = Service::start(Language::Rust, &app.url, &app.url, &token).await;
        for user in [&ann, &bob] {
            service.whoami(&user.access_token).await.is(200);
        }
        // While the program is down, somebody else revokes: the service cannot have heard of it.
        app.kill9();
        app.cli_ok(&["users", "ban", &ann.email]).await;
        service.whoami(&ann.access_token).await.is(200);
        app.start().await;
        let back = Instant::now();
        while service.whoami(&ann.access_token).await.status != 401 {
            assert!(back.elapsed() < PATIENCE, "{:?} after the restart the ban is not known", back.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("healed {:?} after the restart", back.elapsed());
        service.whoami(&bob.access_token).await.is(200);
        // It says how far it has come, so that operators can see how far a ban has got.
        let position = service.state().await["position"].as_i64().unwrap();
        assert!(position > 0);
    }
}
