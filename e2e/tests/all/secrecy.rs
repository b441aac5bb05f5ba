//! U3 of assurance.md: what the program says never holds a secret. Every test checks the logs of its
//! own run when it ends; this one makes the program say as much as it can.

use e2e::{PASSWORD, Setup, on_both};
use serde_json::json;

on_both! {
    async fn u3_trace_logs_hold_no_secret(setup: Setup) {
        let app = setup.env("USHER_LOG__LEVEL", "trace").env("USHER_LOG__FORMAT", "json").start().await;
        for secret in ["wrong canary 71 q", "new canary 82 wxyz", "nobody.canary@example.com", "canary-bearer-93"] {
            app.logs.never(secret);
        }
        let ann = app.user("ann").await;
        app.login("nobody.canary@example.com", "wrong canary 71 q").await.is(401);
        app.login("ann@example.com", "wrong canary 71 q").await.is(401);
        app.register("ann@example.com", "wrong canary 71 q").await.is(409);
        let change = json!({"current_password": PASSWORD, "new_password": "new canary 82 wxyz"});
        ann.post("/api/v1/auth/change-password", change).await.is(204);
        let again = ann.refreshed(&app).await.refreshed(&app).await;
        ann.refresh().await.is(401);
        assert!(!again.is_signed_in().await);
        app.post("/api/v1/auth/login", json!({"email": 7, "password": "wrong canary 71 q"})).await.is(400);
        let request = app.request(reqwest::Method::GET, "/api/v1/auth/me").bearer_auth("canary-bearer-93");
        e2e::Answer::of(request).await.is(401);
        app.get("/sign-in?next=/account&email=nobody.canary@example.com&token=canary-bearer-93").await;
        let key = std::fs::read_to_string(app.data.join("master.key")).unwrap_or_default();
        app.logs.never(key.trim());
        // The logs are read by another thread, a moment later.
        for _ in 0..200 {
            if app.logs.text().lines().count() > 12 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let text = app.logs.text();
        assert!(text.lines().count() > 12, "there has to be something to read: {text}");
        let lines = text.lines().filter(|line| line.starts_with('{'));
        assert!(lines.clone().count() > 5);
        for line in lines {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert!(!text.contains("$argon2id$"), "a password hash is in the logs");
        // What is asserted about the secrets themselves happens when `app` is dropped.
    }
}
