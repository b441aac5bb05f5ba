//! S1, S3 and S4 of assurance.md: what a session is worth, and when it stops.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::{PASSWORD, TestApp, User, on_both};

/// Waits until a token is refused; how soon that has to be is the caller's.
async fn refused_within(user: &User, limit: Duration) -> bool {
    let begun = std::time::Instant::now();
    while user.is_signed_in().await {
        if begun.elapsed() > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

on_both! {
    async fn s1_every_sign_in_is_a_new_session(app: TestApp) {
        let ann = app.user("ann").await;
        let mut sessions = BTreeSet::from([ann.session.clone()]);
        let mut tokens = BTreeSet::from([ann.refresh_token.clone()]);
        for _ in 0..10 {
            let again = app.again(&ann).await;
            assert!(sessions.insert(again.session.clone()), "a session id came twice");
            assert!(tokens.insert(again.refresh_token.clone()), "a refresh token came twice");
        }
        for token in tokens {
            // Every part between dots or underscores may be a name; what counts is the secret's length.
            let secret = token.rsplit(['.', '_']).map(str::len).max().unwrap_or_default();
            let bytes = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap_or_default());
            assert!(secret >= 43 || bytes.is_ok_and(|bytes| bytes.len() >= 32), "256 bits: {} characters", token.len());
        }
    }

    async fn s3_after_signing_out_nothing_of_the_session_works(app: TestApp) {
        let ann = app.user("ann").await;
        let next = ann.refreshed(&app).await;
        next.logout().await.is(204);
        for user in [&ann, &next] {
            user.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
            user.get("/api/v1/users/me").await.is_problem(401, "unauthenticated");
            user.logout().await.is_problem(401, "unauthenticated");
            user.refresh().await.is_problem(401, "invalid_refresh_token");
        }
        app.restart().await;
        assert!(!next.is_signed_in().await, "a restart does not forget who signed out");
        next.refresh().await.is_problem(401, "invalid_refresh_token");
    }

    async fn s4_a_suspended_account_gets_nothing_any_more(app: TestApp) {
        let ann = app.user("ann").await;
        let phone = app.again(&ann).await;
        let bob = app.user("bob").await;
        app.cli_ok(&["users", "ban", "ann@example.com"]).await;
        for user in [&ann, &phone] {
            assert!(refused_within(user, Duration::from_secs(1)).await, "still trusted a second after the ban");
            user.refresh().await.is_problem(401, "invalid_refresh_token");
        }
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        assert!(bob.is_signed_in().await);

        app.restart().await;
        assert!(!ann.is_signed_in().await);
        app.cli_ok(&["users", "unban", "ann@example.com"]).await;
        assert!(!ann.is_signed_in().await, "what was ended stays ended");
        ann.refresh().await.is_problem(401, "invalid_refresh_token");
        let again = app.again(&ann).await;
        assert!(again.is_signed_in().await);
    }

    async fn s4_a_deleted_account_gets_nothing_until_it_comes_back(app: TestApp) {
        let ann = app.user("ann").await;
        app.cli_ok(&["users", "delete", "ann@example.com"]).await;
        assert!(refused_within(&ann, Duration::from_secs(1)).await);
        ann.refresh().await.is_problem(401, "invalid_refresh_token");
        app.login(&ann.email, PASSWORD).await.is_problem(401, "invalid_credentials");
        app.register(&ann.email, PASSWORD).await.is_problem(409, "email_taken");
        app.cli_ok(&["users", "restore", "ann@example.com"]).await;
        assert!(!ann.is_signed_in().await);
        app.again(&ann).await;
    }

    async fn s4_a_refresh_beside_a_ban_leaves_nothing_that_works(app: TestApp) {
        let ann = app.user("ann").await;
        let first = ann.clone();
        let refreshing = tokio::spawn(async move {
            let mut pairs = vec![first];
            while pairs.len() < 400 {
                let newest = &pairs[pairs.len() - 1];
                let answer = newest.refresh().await;
                if answer.status != 200 {
                    break;
                }
                pairs.push(newest.with_pair_of(&answer));
            }
            pairs
        });
        tokio::time::sleep(Duration::from_millis(40)).await;
        app.cli_ok(&["users", "ban", "ann@example.com"]).await;
        let pairs = refreshing.await.unwrap();
        for user in pairs.iter().rev().take(20) {
            user.get("/api/v1/auth/me").await.is(401);
            user.refresh().await.is_problem(401, "invalid_refresh_token");
        }
    }
}
