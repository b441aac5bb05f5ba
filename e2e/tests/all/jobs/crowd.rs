//! Many accounts, made past the program while it is stopped, and what has become of them.

use std::time::{Duration, Instant};

use e2e::{Database, DatabaseView, PATIENCE, Setup, TestApp, User};
use serde_json::{Value, json};

/// A running program with accounts `name0@example.com`, `name1@example.com` … of each name.
pub async fn crowd(setup: Setup, names: &[(&str, usize)]) -> TestApp {
    let app = setup.start().await;
    app.kill9();
    let mut view = app.look().await;
    for (group, (name, count)) in names.iter().enumerate() {
        view.execute(&users(app.database, group, name, *count)).await;
    }
    view.execute(
        "INSERT INTO user_roles (user_id, role, granted_at)
         SELECT id, 'user', created_at FROM users WHERE NOT EXISTS (SELECT 1 FROM user_roles WHERE user_id = users.id)",
    )
    .await;
    drop(view);
    app.start().await;
    let mut view = app.look().await;
    let begun = Instant::now();
    // They are found by their names when those are where names are looked up.
    while !view.texts("SELECT email FROM users WHERE NOT searchable LIMIT 1").await.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "some are still not to be found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app
}

fn users(database: Database, group: usize, name: &str, count: usize) -> String {
    let columns = "INSERT INTO users (id, email, email_canonical, email_verified, name, status, epoch, sessions_from,
                                      version, created_at, updated_at)";
    let email = format!("'{name}' || n || '@example.com'");
    match database {
        Database::Sqlite => format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})
             {columns} SELECT unhex(printf('0189{group:04}00007000800000000%07x', n)), {email}, {email}, 0, NULL,
                    'active', 1, 1, 1, 1700000000000000, 1700000000000000 FROM numbers"
        ),
        Database::Postgres => format!(
            "{columns} SELECT ('0189{group:04}-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, {email}, {email},
                    false, NULL, 'active', 1, 1, 1, to_timestamp(1700000000), to_timestamp(1700000000)
             FROM generate_series(0, {count} - 1) AS numbers (n)"
        ),
    }
}

/// The id of `name@example.com`.
pub async fn id_of(app: &TestApp, name: &str) -> String {
    let text = match app.database {
        Database::Sqlite => "lower(hex(id))",
        Database::Postgres => "replace(CAST(id AS TEXT), '-', '')",
    };
    let found =
        app.look().await.texts(&format!("SELECT {text} AS id FROM users WHERE email = '{name}@example.com'")).await;
    let hex = found.first().expect("an account of this name");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Begins a job; its id.
pub async fn bulk(user: &User, action: Value, which: Value) -> String {
    let mut body = action;
    body.as_object_mut().unwrap().extend(which.as_object().unwrap().clone());
    let answer = user.post("/api/v1/users/bulk", body).await.is(202);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/api/v1/jobs/{id}"));
    id
}

/// How far a job is. Where programs were killed, the database may be so busy with what they left that one is to ask again.
pub async fn job(user: &User, id: &str) -> Value {
    let begun = Instant::now();
    loop {
        let answer = user.get(&format!("/api/v1/jobs/{id}")).await;
        if answer.status != 503 || begun.elapsed() > PATIENCE {
            return answer.is(200).json();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits for the end of a job.
pub async fn wait_until_over(user: &User, id: &str) -> Value {
    let begun = Instant::now();
    loop {
        let found = job(user, id).await;
        if !matches!(found["state"].as_str(), Some("queued" | "running")) {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(240), "the job does not end: {found}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn done(view: &mut DatabaseView) -> (i64, bool) {
    let sql = "SELECT done || ' ' || state FROM jobs WHERE state IN ('queued', 'running')";
    let found = view.texts(sql).await;
    let number = found.first().and_then(|text| text.split(' ').next()?.parse().ok());
    (number.unwrap_or(0), !found.is_empty())
}

/// Waits until the one job that is under way has dealt with more accounts than now. Whether it is still under way.
pub async fn wait_until_moved(app: &TestApp) -> bool {
    let begun = Instant::now();
    let mut view = app.look().await;
    let (before, _) = done(&mut view).await;
    loop {
        let (now, open) = done(&mut view).await;
        if !open || now > before {
            return open;
        }
        assert!(begun.elapsed() < PATIENCE, "the job does not go on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The different rows that accounts of this name have, without what is each one's own.
pub async fn rows(app: &TestApp, name: &str) -> Vec<String> {
    let sql = format!(
        "SELECT DISTINCT status || ' ' || epoch || ' ' || sessions_from || ' ' || version || ' ' ||
                COALESCE((SELECT string_agg(role, ',' ORDER BY role) FROM user_roles WHERE user_id = users.id), '') || ' ' ||
                CASE WHEN suspended_until IS NULL THEN '-' ELSE 'until' END AS found
         FROM users WHERE email LIKE '{name}%' ORDER BY found"
    );
    app.look().await.texts(&sql).await
}

/// What happened to accounts of this name, without what is each one's own.
pub async fn events_of(app: &TestApp, name: &str) -> Vec<String> {
    let sql = format!(
        "SELECT body FROM ledger JOIN users ON users.id = ledger.subject WHERE users.email LIKE '{name}%' ORDER BY idx"
    );
    let bodies = app.look().await.texts(&sql).await;
    let shown = |body: &String| {
        let mut event: Value = serde_json::from_str(body).unwrap();
        let event = event.as_object_mut().unwrap();
        for own in ["id", "at", "subject"] {
            event.remove(own);
        }
        if let Some(subject) = event.get_mut("revokes").and_then(|revokes| revokes.get_mut("subject")) {
            subject["subject"] = json!(null);
        }
        Value::Object(event.clone()).to_string()
    };
    bodies.iter().map(shown).collect()
}
