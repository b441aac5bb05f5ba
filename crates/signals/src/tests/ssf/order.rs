//! What a receiver is never told in the wrong order, or at all.

use std::collections::HashMap;

use auth::{Client, Credentials, NewAccount, SessionKind};
use users::EmailAddress;

use super::*;

const PASSWORD: &str = "purple lantern drifts slowly";

fn user_of(set: &Set) -> &str {
    let subject = &set.claims["sub_id"];
    subject["user"]["sub"].as_str().or(subject["sub"].as_str()).unwrap()
}

fn client() -> Client {
    Client {
        ip: std::net::Ipv4Addr::LOCALHOST.into(),
        user_agent: "tests".into(),
        device_name: None,
        kind: SessionKind::Api,
        keep: true,
    }
}

impl World {
    async fn reinstated(&self, user: UserId) {
        self.append(Event::new(Kind::AccountReinstated, self.clock.now()).about(user)).await;
    }

    /// The process ends, and another one begins.
    fn restarted(mut self, transmitting: &tokio::task::JoinHandle<()>) -> Self {
        transmitting.abort();
        self.signals = Signals::new(self.signals.auth().clone(), &self.master);
        self
    }
}

on_both! {
    async fn e4_nothing_overtakes_a_token_about_the_same_account(world: World) {
        let receiver = Receiver::listen().await;
        receiver.answers(&[(); 5].map(|()| Reply::Status(500)));
        world.pushing("siem", &receiver).await;
        world.transmit();
        let (ann, _) = world.sign_out().await;
        for attempt in 1..=4 {
            receiver.has(attempt).await;
            world.later().await;
        }
        // From now on the first token is set aside.
        let first = receiver.has(5).await.remove(0);
        world.reinstated(ann).await;
        let (bob, _) = world.sign_out().await;
        let sets = receiver.has(6).await;
        assert_eq!(user_of(&sets[5]), bob.to_string(), "others go on");
        receiver.stays_at(6).await;
        world.later().await;
        let sets = receiver.has(8).await;
        assert_eq!(sets[6].jti(), first.jti());
        assert_eq!((sets[7].event().0, user_of(&sets[7])), ("account-enabled", ann.to_string().as_str()));
        receiver.stays_at(8).await;
    }

    async fn e10_after_a_day_of_failures_everything_comes_in_the_order_of_each_account(world: World) {
        let receiver = Receiver::listen().await;
        receiver.answers(&vec![Reply::Status(500); 100_000]);
        world.pushing("siem", &receiver).await;
        world.transmit();
        let users = [(); 4].map(|()| UserId::new(world.clock.now()));
        for hour in 0..24 {
            let user = users[hour % users.len()];
            let session = SessionId::new(world.clock.now());
            let event = Event::new(Kind::SessionEnded, world.clock.now()).by(user).in_session(session);
            world.append(ending(event, user, &[session])).await;
            world.reinstated(user).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.later().await;
            world.clock.advance(Duration::from_secs(3_600));
        }
        receiver.replies.lock().unwrap().clear();
        let failed = receiver.sets().len();
        let mut taken: Vec<Set> = Vec::new();
        for _ in 0..100 {
            world.later().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            taken = receiver.sets().split_off(failed);
            if taken.len() >= 48 {
                break;
            }
        }
        assert_eq!(taken.len(), 48, "each once");
        let mut told: HashMap<&str, Vec<i64>> = HashMap::new();
        for set in &taken {
            told.entry(user_of(set)).or_default().push(set.claims["iat"].as_i64().unwrap());
        }
        assert_eq!(told.len(), users.len());
        assert!(told.values().all(|times| times.len() == 12 && times.is_sorted()), "{told:?}");
    }

    async fn e5_what_happened_while_it_was_disabled_is_not_told_by_the_next_process_either(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        let transmitting = world.transmit();
        world.set_status(&token, &id, "disabled").await;
        world.sign_out().await;
        world.numbered().await;
        world.set_status(&token, &id, "enabled").await;
        let world = world.restarted(&transmitting);
        world.transmit();
        let (user, _) = world.sign_out().await;
        let sets = world.polled(&token, &id, 3).await;
        let revoked: Vec<&str> =
            sets.iter().filter(|set| set.event().0 == "session-revoked").map(user_of).collect();
        assert_eq!(revoked, [user.to_string()]);
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.polled(&token, &id, 3).await;
    }

    async fn e7_a_session_that_makes_room_for_a_newer_one_is_told(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        let auth = world.signals.auth();
        let email = EmailAddress::parse("ann@example.com").unwrap();
        let new = NewAccount { email, password: PASSWORD.into(), name: None, locale: None };
        let auth::Registered::SignedIn(first) = auth::register(auth, new, &client(), None).await.unwrap() else {
            panic!("signed in at once")
        };
        let credentials = Credentials { email: "ann@example.com".into(), password: PASSWORD.into() };
        for _ in 0..auth.settings().sessions_per_user {
            world.clock.advance(Duration::from_secs(1));
            auth::sign_in(auth, &credentials, None, &client()).await.unwrap();
        }
        let set = world.polled(&token, &id, 1).await.remove(0);
        let (name, members) = set.event();
        assert_eq!((name, &members["initiating_entity"]), ("session-revoked", &json!("policy")));
        assert_eq!(set.claims["sub_id"]["session"]["id"], first.session.id.to_string());
    }
}
