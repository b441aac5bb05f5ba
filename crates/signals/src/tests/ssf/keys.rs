//! Keys of event tokens, one after the other.

use super::*;

const DAY: u64 = 86_400;

impl World {
    async fn kids(&self) -> Vec<String> {
        // The key set is believed for a second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let jwks = self.jwks().await;
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    async fn days_pass(&self, days: u64) {
        self.clock.advance(Duration::from_secs(days * DAY));
        crate::ssf::keep_fresh(&self.signals).await.unwrap();
    }

    /// Which key signs a token that waits.
    async fn signer(&self, token: &str, stream: &str) -> String {
        let set = self.polled(token, stream, 1).await.remove(0);
        assert!(set.is_signed_by(&self.jwks().await));
        set.header["kid"].as_str().unwrap().to_owned()
    }
}

on_both! {
    async fn e3_a_key_is_followed_by_another_that_was_published_a_day_before(world: World) {
        let token = world.receiver("siem").await;
        let id = world.stream(&token, json!({})).await;
        world.transmit();
        world.sign_out().await;
        let first = world.signer(&token, &id).await;
        world.days_pass(29).await;
        assert_eq!(world.kids().await, [first.as_str()]);
        world.days_pass(1).await;
        crate::ssf::keep_fresh(&world.signals).await.unwrap();
        let kids = world.kids().await;
        assert_eq!((kids.len(), &kids[0]), (2, &first), "the next one is published, once");
        // What waits is signed as it leaves: first by the old one, from the next day on by the new one.
        assert_eq!(world.signer(&token, &id).await, first);
        world.days_pass(1).await;
        assert_eq!(world.signer(&token, &id).await, kids[1]);
        world.days_pass(8).await;
        assert_eq!(world.kids().await, kids, "tokens that it signed may still be waited for");
        world.clock.advance(Duration::from_secs(1));
        world.days_pass(0).await;
        assert_eq!(world.kids().await, kids[1..]);
    }

    async fn e3_two_processes_make_one_key(world: World) {
        let token = world.receiver("siem").await;
        world.stream(&token, json!({ "signing_alg": "ES256" })).await;
        let first = world.kids().await;
        world.clock.advance(Duration::from_secs(40 * DAY));
        let fresh = || crate::ssf::keep_fresh(&world.signals);
        let (one, other, third) = tokio::join!(fresh(), fresh(), fresh());
        one.and(other).and(third).unwrap();
        assert_eq!(world.kids().await.len(), 2);
        assert_eq!(world.kids().await[0], first[0]);
    }
}
