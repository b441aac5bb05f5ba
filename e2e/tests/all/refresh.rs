//! O12 to O15 of assurance.md: refresh tokens turn over once, survive a lost answer, and give a
//! thief away.

use std::collections::BTreeSet;

use e2e::{Answer, TestApp, User, on_both};
use serde_json::json;

/// This many refreshes of one token at once.
async fn at_once(app: &TestApp, user: &User, times: usize) -> Vec<Answer> {
    let tries: Vec<_> = (0..times)
        .map(|_| {
            let body = json!({"refresh_token": user.refresh_token});
            let request = app.request(reqwest::Method::POST, "/api/v1/auth/refresh").json(&body);
            tokio::spawn(async move { Answer::of(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for one in tries {
        answers.push(one.await.unwrap());
    }
    answers
}

/// What the ledger says of stolen tokens.
async fn alarms(app: &TestApp) -> usize {
    let sql = "SELECT kind FROM ledger WHERE kind = 'session.refresh_token_reused'
               UNION ALL SELECT kind FROM outbox WHERE kind = 'session.refresh_token_reused'";
    app.look().await.texts(sql).await.len()
}

on_both! {
    async fn o12_fifty_at_once_are_one_lineage(app: TestApp) {
        let mut ann = app.user("ann").await;
        for _ in 0..4 {
            let answers = at_once(&app, &ann, 50).await;
            let pairs: Vec<User> = answers
                .into_iter()
                .map(|answer| User::from_answer(&app, &ann.email, &ann.password, &answer.is(200)))
                .collect();
            let distinct: BTreeSet<&String> = pairs.iter().map(|pair| &pair.refresh_token).collect();
            // All were answered before the successor was used, so all have to lead to the same one.
            assert_eq!(distinct.len(), 1, "the lineage forked");
            for pair in pairs.iter().step_by(10) {
                assert!(pair.is_signed_in().await);
            }
            ann = pairs[0].clone();
        }
        assert_eq!(alarms(&app).await, 0);
        assert_eq!(app.look().await.texts("SELECT kind FROM sessions").await.len(), 1);
    }

    async fn o13_a_lost_answer_signs_nobody_out(app: TestApp) {
        let ann = app.user("ann").await;
        let lost = ann.refreshed(&app).await;
        for _ in 0..3 {
            // The client never saw `lost` and asks again with what it has.
            let again = ann.refreshed(&app).await;
            assert!(again.is_signed_in().await);
        }
        app.restart().await;
        let again = ann.refreshed(&app).await;
        assert!(again.is_signed_in().await);
        assert!(lost.is_signed_in().await);
        assert_eq!(alarms(&app).await, 0);
    }

    async fn o12_an_old_token_after_its_successor_was_used_ends_the_session(app: TestApp) {
        let ann = app.user("ann").await;
        let other = app.again(&ann).await;
        let second = ann.refreshed(&app).await;
        let third = second.refreshed(&app).await;
        ann.refresh().await.is_problem(401, "invalid_refresh_token");
        for user in [&ann, &second, &third] {
            user.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
            user.refresh().await.is_problem(401, "invalid_refresh_token");
        }
        assert!(other.is_signed_in().await, "the thief had one session, not the account");
        assert_eq!(alarms(&app).await, 1);
        app.again(&ann).await;
    }

    async fn o14_reuse_is_noticed_after_a_restart(app: TestApp) {
        let ann = app.user("ann").await;
        let second = ann.refreshed(&app).await;
        let third = second.refreshed(&app).await;
        app.restart().await;
        ann.refresh().await.is_problem(401, "invalid_refresh_token");
        third.refresh().await.is_problem(401, "invalid_refresh_token");
        assert!(!third.is_signed_in().await);
        assert_eq!(alarms(&app).await, 1);
    }

    async fn o15_after_signing_out_no_refresh_in_flight_wins(app: TestApp) {
        for round in 0..25 {
            let ann = app.user(&format!("ann{round}")).await;
            let racing = at_once(&app, &ann, 8);
            let (answers, out) = tokio::join!(racing, ann.logout());
            out.is(204);
            for answer in answers {
                if answer.status == 200 {
                    let user = User::from_answer(&app, &ann.email, &ann.password, &answer);
                    user.get("/api/v1/auth/me").await.is(401);
                    user.refresh().await.is_problem(401, "invalid_refresh_token");
                } else {
                    answer.is_problem(401, "invalid_refresh_token");
                }
            }
        }
        assert_eq!(alarms(&app).await, 0, "signing out is no theft");
    }

    async fn o15_after_a_password_change_no_other_refresh_wins(app: TestApp) {
        for round in 0..10 {
            let ann = app.user(&format!("ann{round}")).await;
            let phone = app.again(&ann).await;
            let change = json!({"current_password": ann.password, "new_password": "nine dry herons paint 52 doors"});
            let racing = at_once(&app, &phone, 8);
            let (answers, changed) = tokio::join!(racing, ann.post("/api/v1/auth/change-password", change));
            changed.is(204);
            for answer in answers.into_iter().filter(|answer| answer.status == 200) {
                let user = User::from_answer(&app, &ann.email, &ann.password, &answer);
                user.get("/api/v1/auth/me").await.is(401);
                user.refresh().await.is_problem(401, "invalid_refresh_token");
            }
        }
    }
}
