//! T of assurance.md: one-time links, from the event to the mail, from the mail to what they do.

use e2e::{Mail, MailServer, Setup, on_both};
use serde_json::json;

use crate::mail::with_mail;

/// The token of the link in a mail.
pub(crate) fn token_in(mail: &Mail) -> String {
    let text = mail.text();
    let (_, rest) = text.split_once("?token=").unwrap_or_else(|| panic!("no link in: {text}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

on_both! {
    async fn r11_the_new_address_gets_the_link_and_the_one_before_is_told(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let ann = app.user("ann").await;
        server.wait_for("ann@example.com", 1).await;
        let ask = json!({"email": "Ann.Lee@example.com", "current_password": ann.password});
        ann.post("/api/v1/users/me/email", ask).await.is(202);
        let link = server.wait_for("Ann.Lee@example.com", 1).await.remove(0);
        assert!(link.header("Subject").unwrap().contains("Confirm your new email"));
        assert!(link.text().contains(&format!("{}/account/email/confirm?token=", app.url)), "{}", link.text());
        let told = server.wait_for("ann@example.com", 2).await.remove(1);
        assert!(told.header("Subject").unwrap().contains("asked to change"), "{:?}", told.header("Subject"));
        assert!(!told.text().contains("token="), "the address before gets no link: {}", told.text());

        let token = token_in(&link);
        app.logs.never(&token);
        app.post("/api/v1/auth/confirm-email-change", json!({"token": token})).await.is(204);
        app.post("/api/v1/auth/confirm-email-change", json!({"token": token})).await.is_problem(400, "invalid_token");
        let told = server.wait_for("ann@example.com", 3).await.remove(2);
        assert!(told.text().contains("another address now"), "{}", told.text());
        assert_eq!(server.mails_to("Ann.Lee@example.com").len(), 1);
        assert_eq!(ann.get("/api/v1/users/me").await.is(200).json()["email"], "Ann.Lee@example.com");
        // Neither address stands in the ledger or among the messages.
        let mut view = app.look().await;
        for sql in ["SELECT CAST(body AS TEXT) FROM ledger", "SELECT data FROM deliveries"] {
            let said = view.texts(sql).await.join("\n");
            assert!(!said.contains("ann@example.com") && !said.to_lowercase().contains("ann.lee@"), "{sql}: {said}");
        }
    }

    async fn r11_an_officers_change_of_an_address_is_told_to_the_one_before(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let ann = app.user("ann").await;
        let root = e2e::User::administrator(&app, "root").await;
        let change = json!({"email": "ann.lee@example.com"});
        root.patch(&format!("/api/v1/users/{}", ann.id), change).await.is(200);
        let told = server.wait_for("ann@example.com", 2).await.remove(1);
        assert!(told.text().contains("another address now"), "{}", told.text());
    }

    async fn l11_links_to_addresses_that_are_not_the_accounts_are_few_an_hour(setup: Setup) {
        let server = MailServer::start().await;
        let app = with_mail(setup, &server).start().await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        let ask = async |user: &e2e::User, email: &str| {
            let body = json!({"email": email, "current_password": user.password});
            user.post("/api/v1/users/me/email", body).await
        };
        for number in 0..5 {
            ask(&ann, &format!("victim{number}@example.com")).await.is(202);
        }
        let refused = ask(&ann, "victim9@example.com").await.is_problem(429, "too_many_attempts");
        assert_eq!(refused.header("retry-after"), "3600");
        // The newest link still works.
        assert!(!ann.email_token(&app).await.is_empty());
        // And one address gets no more from all accounts together.
        for _ in 0..4 {
            ask(&bob, "VICTIM0@example.com").await.is(202);
        }
        ask(&bob, "victim0@example.com").await.is_problem(429, "too_many_attempts");
        ask(&bob, "somebody@example.com").await.is(202);
        server.wait_for("somebody@example.com", 1).await;
        assert!(server.mails().iter().filter(|mail| mail.to[0].eq_ignore_ascii_case("victim0@example.com")).count() <= 5);
    }
}
