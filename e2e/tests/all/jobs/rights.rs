//! Who may do what to many, and see whose jobs.

use std::time::Instant;

use e2e::{Answer, PATIENCE, Setup, TestApp, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use super::crowd::{bulk, crowd, events_of, job, wait_until_moved, wait_until_over};

/// More than a job does before somebody can stop it.
const MANY: usize = 12_000;
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// Somebody with these permissions.
async fn officer(app: &TestApp, root: &User, name: &str, permissions: &[&str]) -> User {
    let role = json!({"name": name, "permissions": permissions});
    root.post("/api/v1/roles", role).await.is(201);
    let user = app.user(name).await;
    let path = format!("/api/v1/users/{}/roles", user.id);
    Answer::of(root.request(Method::PUT, &path).json(&json!({"roles": [name]}))).await.is(200);
    user.refreshed(app).await
}

on_both! {
    async fn z2_ids_of_nobody_and_of_higher_ones_are_left_alone_and_told(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let lead = officer(&app, &root, "lead", &["users:ban", "users:read"]).await;
        let ann = app.user("ann").await;
        let ids = json!({"ids": [NOBODY, root.id, lead.id, ann.id, ann.id]});
        let started = bulk(&lead, json!({"action": "suspend", "reason": "Spam"}), ids).await;
        let ended = wait_until_over(&lead, &started).await;
        assert_eq!((&ended["total"], &ended["done"], &ended["failed"]), (&json!(4), &json!(1), &json!(3)));
        let why = |id: &str| {
            let refusals = ended["refusals"].as_array().unwrap();
            refusals.iter().find(|one| one["user"] == id).map(|one| one["code"].as_str().unwrap().to_owned())
        };
        assert_eq!(why(NOBODY).as_deref(), Some("not_found"));
        assert_eq!(why(&root.id).as_deref(), Some("forbidden"));
        assert_eq!(why(&lead.id).as_deref(), Some("own_account"));
        assert!(root.is_signed_in().await && lead.is_signed_in().await && !ann.is_signed_in().await);
        app.settle().await;
        assert_eq!(events_of(&app, "ann").await.iter().filter(|event| event.contains("account.suspended")).count(), 1);
        for name in ["root", "lead"] {
            assert!(!events_of(&app, name).await.iter().any(|event| event.contains("account.suspended")), "{name}");
        }
    }

    async fn z2_jobs_of_others_are_404(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let lead = officer(&app, &root, "lead", &["users:ban", "users:export"]).await;
        let other = officer(&app, &root, "other", &["users:ban", "users:export"]).await;
        let started = bulk(&lead, json!({"action": "export"}), json!({"ids": [lead.id]})).await;
        wait_until_over(&lead, &started).await;
        let path = format!("/api/v1/jobs/{started}");
        for path in [path.clone(), format!("{path}/events"), format!("{path}/result")] {
            other.get(&path).await.is_problem(404, "not_found");
        }
        other.delete(&path).await.is_problem(404, "not_found");
        let nobody = app.user("nobody").await;
        nobody.get(&path).await.is_problem(404, "not_found");
        nobody.get(&format!("{path}/result")).await.is_problem(403, "forbidden");
        assert_eq!(other.get("/api/v1/jobs").await.is(200).json()["items"], json!([]));
        // Whoever may do everything sees how far it is, but not what somebody else wrote down.
        root.get(&path).await.is(200);
        root.get(&format!("{path}/result")).await.is_problem(404, "not_found");
        lead.get(&format!("{path}/result")).await.is(200);
        for wrong in ["x", NOBODY] {
            lead.get(&format!("/api/v1/jobs/{wrong}")).await.is_problem(404, "not_found");
        }
    }

    async fn z3_nobody_does_to_many_what_they_may_not_do_to_one(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ban = officer(&app, &root, "lead", &["users:ban"]).await;
        let grants = officer(&app, &root, "grants", &["roles:grant"]).await;
        let nobody = app.user("nobody").await;
        let all = json!({"q": "ann"});
        for (user, action) in [
            (&ban, json!({"action": "delete", "filter": all})),
            (&ban, json!({"action": "export", "filter": all})),
            (&ban, json!({"action": "grant_role", "role": "lead", "filter": all})),
            (&grants, json!({"action": "sign_out", "filter": all})),
            (&grants, json!({"action": "grant_role", "role": "admin", "filter": all})),
            (&grants, json!({"action": "take_role", "role": "lead", "filter": all})),
            (&nobody, json!({"action": "sign_out", "filter": all})),
            (&nobody, json!({"nonsense": 1})),
        ] {
            user.post("/api/v1/users/bulk", action).await.is_problem(403, "forbidden");
        }
        assert_eq!(root.get("/api/v1/jobs").await.is(200).json()["items"], json!([]));
        // The last administrator stays one, whoever takes the role from everybody.
        let second = User::administrator(&app, "second").await;
        let started = bulk(&root, json!({"action": "take_role", "role": "admin"}), json!({"filter": {"role": "admin"}})).await;
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["done"], &ended["failed"]), (&json!(1), &json!(1)));
        assert_eq!(ended["refusals"], json!([{"user": root.id, "code": "own_account"}]));
        second.post("/api/v1/users/bulk", json!({"action": "sign_out", "filter": all})).await.is(401);
    }

    async fn z4_a_permission_that_is_lost_half_way_ends_the_job_and_the_stream(setup: Setup) {
        let app = crowd(setup, &[("many", MANY)]).await;
        let root = User::administrator(&app, "root").await;
        let lead = officer(&app, &root, "lead", &["users:ban", "users:read"]).await;
        let started = bulk(&lead, json!({"action": "sign_out"}), json!({"filter": {"q": "many"}})).await;
        let stream = lead.request(Method::GET, &format!("/api/v1/jobs/{started}/events")).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        assert!(wait_until_moved(&app).await);
        let path = format!("/api/v1/users/{}/roles", lead.id);
        Answer::of(root.request(Method::PUT, &path).json(&json!({"roles": []}))).await.is(200);
        let begun = Instant::now();
        let told = tokio::time::timeout(PATIENCE, stream.text()).await.expect("the stream is cut").unwrap();
        println!("the stream was cut after {:?}", begun.elapsed());
        assert!(told.contains("event: progress"), "{told}");
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["state"], &ended["trouble"]), (&json!("failed"), &json!("forbidden")));
        app.settle().await;
        let done = events_of(&app, "many").await.len();
        assert!(ended["done"] == done && done < MANY, "{ended}");
        assert_eq!(job(&root, &started).await["actor"], lead.id);
    }

    async fn z4_an_export_whose_owner_loses_the_right_stops_and_says_so(setup: Setup) {
        let app = crowd(setup, &[("many", MANY)]).await;
        let root = User::administrator(&app, "root").await;
        let lead = officer(&app, &root, "lead", &["users:export", "users:read"]).await;
        let started = bulk(&lead, json!({"action": "export"}), json!({"filter": {"q": "many"}})).await;
        assert!(wait_until_moved(&app).await);
        let change = json!({"permissions": ["users:read"]});
        root.patch("/api/v1/roles/lead", change).await.is(200);
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["state"], &ended["trouble"]), (&json!("failed"), &json!("forbidden")));
        assert!(ended["done"].as_u64().unwrap() < MANY as u64, "{ended}");
        lead.get(&format!("/api/v1/jobs/{started}/result")).await.is_problem(403, "forbidden");
        // With the right again there is still no file of half of them.
        root.patch("/api/v1/roles/lead", json!({"permissions": ["users:read", "users:export"]})).await.is(200);
        lead.get(&format!("/api/v1/jobs/{started}/result")).await.is_problem(404, "not_found");
    }

    async fn z3_a_filter_needs_users_read_at_the_beginning_and_at_each_step(setup: Setup) {
        let app = crowd(setup, &[("many", MANY)]).await;
        let root = User::administrator(&app, "root").await;
        let lead = officer(&app, &root, "lead", &["users:ban", "users:read"]).await;
        let blind = officer(&app, &root, "blind", &["users:ban", "users:export"]).await;
        for action in ["sign_out", "export"] {
            let body = json!({"action": action, "filter": {"q": "many1"}});
            blind.post("/api/v1/users/bulk", body).await.is_problem(403, "forbidden");
        }
        // Whom they know by their ids is no secret that the number of those found would tell.
        let ann = app.user("ann").await;
        let by_ids = bulk(&blind, json!({"action": "sign_out"}), json!({"ids": [ann.id]})).await;
        assert_eq!(wait_until_over(&root, &by_ids).await["done"], 1);
        let started = bulk(&lead, json!({"action": "sign_out"}), json!({"filter": {"q": "many"}})).await;
        assert!(wait_until_moved(&app).await);
        root.patch("/api/v1/roles/lead", json!({"permissions": ["users:ban"]})).await.is(200);
        let ended = wait_until_over(&root, &started).await;
        assert_eq!((&ended["state"], &ended["trouble"]), (&json!("failed"), &json!("forbidden")));
        assert!(ended["done"].as_u64().unwrap() < MANY as u64, "{ended}");
    }

    async fn i10_whoever_may_change_and_not_read_is_shown_nothing(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let writes = officer(&app, &root, "writes", &["users:write"]).await;
        let grants = officer(&app, &root, "grants", &["roles:grant"]).await;
        let ann = app.user("ann").await;
        ann.patch("/api/v1/users/me", json!({"name": "Ann Quxzephyr", "phone_number": "+4915112345678"})).await.is(200);
        let path = format!("/api/v1/users/{}", ann.id);
        let roles = |user: &User| user.request(Method::PUT, &format!("{path}/roles")).json(&json!({"roles": []}));
        for answer in [writes.patch(&path, json!({"bio": "x"})).await, writes.patch(&path, json!({})).await, Answer::of(roles(&grants)).await] {
            let told = answer.is(200).json();
            assert_eq!(told, json!({"id": ann.id, "version": told["version"]}));
        }
        // A version is enough to change it again, and what is refused says nothing either.
        let etag = writes.patch(&path, json!({"bio": "y"})).await.is(200).header("etag").to_owned();
        let guarded = |tag: &str| writes.request(Method::PATCH, &path).header("If-Match", tag).json(&json!({"bio": "z"}));
        Answer::of(guarded(&etag)).await.is(200);
        let stale = Answer::of(guarded(&etag)).await.is_problem(412, "stale");
        assert!(!stale.body.contains("ann@") && !stale.body.contains("Quxzephyr"), "{}", stale.body);
        writes.get(&path).await.is_problem(403, "forbidden");
        // Who may read is shown it.
        let reads = officer(&app, &root, "reads", &["users:write", "users:read"]).await;
        assert_eq!(reads.patch(&path, json!({"bio": "a"})).await.is(200).json()["name"], "Ann Quxzephyr");
    }

    async fn what_is_wrong_with_a_bulk_request_is_told_and_nothing_is_begun(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let many: Vec<&str> = vec![NOBODY; 1_001];
        for (body, status, code) in [
            (json!({"action": "sign_out"}), 422, "invalid_input"),
            (json!({"action": "sign_out", "ids": []}), 422, "invalid_input"),
            (json!({"action": "sign_out", "ids": many}), 422, "invalid_input"),
            (json!({"action": "sign_out", "ids": ["x"]}), 400, "wrong_type"),
            (json!({"action": "sign_out", "ids": [NOBODY], "filter": {}}), 422, "invalid_input"),
            (json!({"action": "sign_out", "filter": {"q": ""}}), 422, "invalid_input"),
            (json!({"action": "sign_out", "filter": {"status": "gone"}}), 422, "invalid_input"),
            (json!({"action": "sign_out", "filter": {"nonsense": "1"}}), 400, "unknown_field"),
            (json!({"action": "sign_out", "ids": [NOBODY], "role": "admin"}), 422, "invalid_input"),
            (json!({"action": "suspend", "ids": [NOBODY]}), 422, "invalid_input"),
            (json!({"action": "suspend", "ids": [NOBODY], "reason": "a\u{202e}b"}), 422, "invalid_input"),
            (json!({"action": "suspend", "ids": [NOBODY], "reason": "a", "until": "2020-01-01T00:00:00Z"}), 422, "invalid_input"),
            (json!({"action": "grant_role", "ids": [NOBODY], "role": "nothing-of-this-name"}), 422, "unknown_role"),
            (json!({"action": "export", "ids": [NOBODY], "format": "xml"}), 422, "invalid_input"),
            (json!({"action": "nonsense", "ids": [NOBODY]}), 422, "invalid_input"),
        ] {
            let shown = body.to_string();
            let answer = root.post("/api/v1/users/bulk", body).await;
            assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), (status, code), "{}", &shown[..shown.len().min(120)]);
        }
        assert_eq!(root.get("/api/v1/jobs").await.is(200).json(), json!({"items": [], "next": Value::Null}));
        root.get("/api/v1/jobs?cursor=x").await.is_problem(422, "invalid_input");
        root.get("/api/v1/jobs?nonsense=x").await.is_problem(400, "invalid_query");
    }
}
