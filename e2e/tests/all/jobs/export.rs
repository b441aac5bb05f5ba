//! Accounts in a file that is made in the background.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::{Database, Setup, TestApp, User, on_both};
use serde_json::{Value, json};

use super::crowd::{bulk, crowd, wait_until_moved, wait_until_over};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn result(user: &User, id: &str) -> e2e::Answer {
    user.get(&format!("/api/v1/jobs/{id}/result")).await
}

on_both! {
    async fn i8_i10_an_export_has_no_formula_and_no_secret_and_lies_sealed(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        ann.patch("/api/v1/users/me", json!({"name": "=HYPERLINK(\"https://x.example\",\"a\")", "bio": "+1, \"2\""})).await.is(200);
        let started = bulk(&root, json!({"action": "export"}), json!({"filter": {}})).await;
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["state"], &ended["done"]), (&json!("done"), &json!(2)));
        assert_eq!(ended["result"], format!("/api/v1/jobs/{started}/result"));
        let file = result(&root, &started).await.is(200);
        assert!(file.header("content-type").starts_with("text/csv"));
        assert!(file.header("content-disposition").starts_with("attachment; filename=\"accounts-"));
        assert_eq!(file.header("cache-control"), "no-store");
        let lines: Vec<&str> = file.body.trim_end().split("\r\n").collect();
        assert_eq!(lines.len(), 3, "{}", file.body);
        assert!(lines[0].starts_with("id,email,email_verified,name,status,roles,"), "{}", lines[0]);
        let row = lines.iter().find(|line| line.contains(&ann.email)).unwrap();
        assert!(row.contains(r#","'=HYPERLINK(""https://x.example"",""a"")","#), "{row}");
        assert!(row.contains(r#","'+1, ""2""","#), "{row}");
        for secret in ["argon2", "epoch", "password", "hash"] {
            assert!(!file.body.contains(secret), "{secret} in {}", file.body);
        }
        app.settle().await;
        assert_eq!(app.look().await.texts("SELECT kind FROM ledger WHERE kind = 'job.result_fetched'").await.len(), 1);
        let kept = files(&app.data.join("blobs/exports"));
        assert!(!kept.is_empty());
        for path in kept {
            let content = std::fs::read(&path).unwrap();
            assert!(!content.windows(11).any(|piece| piece == b"example.com"), "{} lies open", path.display());
        }

        let started = bulk(&root, json!({"action": "export", "format": "jsonl"}), json!({"ids": [ann.id]})).await;
        wait_until_over(&root, &started).await;
        let file = result(&root, &started).await.is(200);
        let line: Value = serde_json::from_str(file.body.trim_end()).unwrap();
        assert_eq!((&line["id"], &line["name"]), (&json!(ann.id), &json!("=HYPERLINK(\"https://x.example\",\"a\")")));
    }

    async fn f2_an_export_that_is_killed_has_every_account_once(setup: Setup) {
        const MANY: usize = 3_000;
        let app = crowd(setup, &[("many", MANY)]).await;
        let root = User::administrator(&app, "root").await;
        let started = bulk(&root, json!({"action": "export"}), json!({"filter": {"q": "many"}})).await;
        for _ in 0..3 {
            if wait_until_moved(&app).await {
                app.restart().await;
            }
        }
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["state"], &ended["done"]), (&json!("done"), &json!(MANY)));
        let file = result(&root, &started).await.is(200);
        let mut emails: Vec<&str> = file.body.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
        assert_eq!(emails.len(), MANY);
        emails.sort_unstable();
        emails.dedup();
        assert_eq!(emails.len(), MANY, "an account stands there twice");
    }

    async fn an_export_is_gone_after_a_day_and_a_job_after_thirty(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let started = bulk(&root, json!({"action": "export"}), json!({"filter": {}})).await;
        wait_until_over(&root, &started).await;
        result(&root, &started).await.is(200);
        app.kill9();
        let ago = |days: u32| match app.database {
            Database::Sqlite => format!("ended_at - {days} * 86400000000 - 1000000"),
            Database::Postgres => format!("ended_at - INTERVAL '{days} days 1 second'"),
        };
        app.look().await.execute(&format!("UPDATE jobs SET ended_at = {}", ago(1))).await;
        app.start().await;
        result(&root, &started).await.is_problem(404, "not_found");
        // The round that removes it comes every half a minute.
        for _ in 0..700 {
            if files(&app.data.join("blobs/exports")).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(files(&app.data.join("blobs/exports")), Vec::<PathBuf>::new());
        assert_eq!(root.get(&format!("/api/v1/jobs/{started}")).await.is(200).json()["result"], Value::Null);
        app.kill9();
        app.look().await.execute(&format!("UPDATE jobs SET ended_at = {}", ago(30))).await;
        app.start().await;
        for _ in 0..700 {
            if app.look().await.texts("SELECT state FROM jobs").await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the job is still there");
    }
}
