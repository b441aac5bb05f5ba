//! The list of accounts: every filter in every order is what a model says, and nothing typed is a command.

mod model;

use std::collections::BTreeSet;

use e2e::{Database, Setup, TestApp, User, on_both};
use model::{Model, Wanted};
use serde_json::Value;

const SORTS: [&str; 5] = ["created_at", "-created_at", "email", "name", "last_login_at"];

/// A query, percent-encoded.
fn query(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// Walks a list from its first page to its last. The ids, in order.
async fn walk(root: &User, pairs: &[(&str, &str)], limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor: Option<String> = None;
    let limit_text = limit.to_string();
    for _ in 0..20_000 {
        let mut all = pairs.to_vec();
        all.push(("limit", &limit_text));
        if let Some(cursor) = &cursor {
            all.push(("cursor", cursor));
        }
        let page = root.get(&format!("/api/v1/users?{}", query(&all))).await.is(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return ids,
        }
    }
    panic!("{pairs:?} has no last page");
}

/// A program with an administrator and the accounts of the model, all searchable.
async fn populated(setup: Setup) -> (TestApp, User, Model) {
    let app = setup.start().await;
    let root = User::administrator(&app, "root").await;
    app.sigterm();
    app.wait_for_exit_within(std::time::Duration::from_secs(20));
    let mut model = Model::make();
    let mut view = app.look().await;
    for statement in model.statements(app.database) {
        view.execute(&statement).await;
    }
    app.start().await;
    let pending = "SELECT status FROM users WHERE NOT searchable LIMIT 1";
    for _ in 0..2_000 {
        if view.texts(pending).await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(view.texts(pending).await.is_empty(), "accounts are still not searchable");
    let mine = root.get("/api/v1/users/me").await.is(200).json();
    model.add(&mine);
    (app, root, model)
}

on_both! {
    async fn every_filter_in_every_order_is_what_the_model_says(setup: Setup) {
        let (_app, root, model) = populated(setup).await;
        let filters = Wanted::all();
        for (number, wanted) in filters.iter().enumerate() {
            for (place, sort) in SORTS.into_iter().enumerate() {
                let mut pairs: Vec<(&str, &str)> = wanted.pairs.clone();
                pairs.push(("sort", sort));
                // A page that is full, and one that is cut in the middle of accounts that compare alike.
                let limit = if (number + place) % 3 == 0 { 37 } else { 200 };
                let seen = walk(&root, &pairs, limit).await;
                let expected = model.list(wanted, sort);
                assert_eq!(seen.len(), expected.len(), "{pairs:?}");
                let first = seen.iter().zip(&expected).position(|(seen, expected)| seen != expected);
                assert!(first.is_none(), "{pairs:?} differs at {first:?}");
            }
        }
        let empty = filters.iter().filter(|wanted| model.list(wanted, "name").is_empty()).count();
        assert!(empty * 4 < filters.len(), "{empty} of {} filters find nobody", filters.len());
    }

    async fn a_changed_name_is_found_and_the_old_one_is_not(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let found = async |text: &str| walk(&root, &[("q", text)], 50).await;
        assert_eq!(found("ANN@example").await, [ann.id.as_str()]);
        for (name, before) in [("Zoë Müller-Lüdenscheidt", "nobody was called this"), ("Bob", "ë mü"), ("Ｂｏｂ ２", "zoë")] {
            ann.patch("/api/v1/users/me", serde_json::json!({"name": name})).await.is(200);
            assert!(found(before).await.is_empty(), "{before}");
        }
        assert_eq!(found("OB 2").await, [ann.id.as_str()]);
        ann.patch("/api/v1/users/me", serde_json::json!({"name": null})).await.is(200);
        assert!(found("ob 2").await.is_empty());
        assert_eq!(found("n@ex").await, [ann.id.as_str()]);
    }

    async fn i5_sort_names_are_checked(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        for wrong in ["id", "password", "name DESC", "-name", "NAME", "name;DROP TABLE users", "name--", "(SELECT 1)", "created_at,id", "1", "\""] {
            let path = format!("/api/v1/users?{}", query(&[("sort", wrong)]));
            let answer = root.get(&path).await.is_problem(422, "invalid_input");
            assert_eq!(answer.json()["errors"][0]["field"], "sort");
        }
        let injections = [
            "' OR '1'='1", "'; DROP TABLE users; --", "\" OR \"\"=\"", "%' OR 1=1 --", "1) OR (1=1", "a' UNION SELECT hash FROM passwords --",
            "a\" OR a NOT b", "* OR *", "NEAR(a b)", "^root", "text:root", "{x}", "\u{ff07} OR 1=1", "\\", "_", "%", "a*", "\"\"\"",
        ];
        for text in injections {
            assert!(walk(&root, &[("q", text)], 50).await.is_empty(), "{text} found somebody");
            for part in ["role", "status", "verified", "created_after", "created_before", "last_login_after"] {
                if part == "role" && ["_", "text:root"].contains(&text) {
                    continue; // A role may be called so; nobody has it.
                }
                root.get(&format!("/api/v1/users?{}", query(&[(part, text)]))).await.is_problem(422, "invalid_input");
            }
        }
        assert_eq!(walk(&root, &[("q", "root")], 50).await, [root.id.as_str()]);
    }

    async fn i6_page_sizes_cursors_and_parameters_are_checked(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        for name in ["ann", "bob", "cleo"] {
            app.user(name).await;
        }
        let page = async |text: &str| root.get(&format!("/api/v1/users{text}")).await;
        for (limit, items) in [("", 4), ("?limit=0", 1), ("?limit=-1", 1), ("?limit=1000000000", 4), ("?limit=99999999999999999999", 4)] {
            assert_eq!(page(limit).await.is(200).json()["items"].as_array().unwrap().len(), items, "{limit}");
        }
        for wrong in ["?limit=NaN", "?limit=1e9", "?limit=", "?limit=1&limit=1", "?nonsense=1", "?q=a&q=b", "?sort=name&sort=name", "?Q=a", "?id=1"] {
            page(wrong).await.is_problem(400, "invalid_query");
        }
        for nul in ["?q=%00", "?q=a%00b", "?role=%00", "?sort=%00", "?cursor=%00", "?%00=1"] {
            page(nul).await.is_problem(400, "nul_character");
        }
        let next = page("?sort=name&limit=2").await.is(200).json()["next"].as_str().unwrap().to_owned();
        page(&format!("?sort=name&limit=1&cursor={next}")).await.is(200);
        for other in ["sort=email", "sort=-created_at", "sort=name&q=a", "sort=name&status=active", "sort=name&role=user"] {
            let answer = page(&format!("?{other}&cursor={next}")).await.is_problem(422, "invalid_input");
            assert_eq!(answer.json()["errors"][0]["code"], "invalid_cursor");
        }
        for wrong in ["x", "AAAA", "e30", &next[1..], &format!("{next}A"), "%F0%9F%98%80"] {
            page(&format!("?sort=name&cursor={wrong}")).await.is(422);
        }
    }

    async fn i10_the_list_has_no_secrets(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        ann.get("/api/v1/users").await.is_problem(403, "forbidden");
        // Whoever may not see the list does not learn what is wrong with what they ask, either.
        ann.get("/api/v1/users?limit=NaN&sort=x").await.is_problem(403, "forbidden");
        let answer = root.get("/api/v1/users").await.is(200);
        let page = answer.json();
        let document = app.get("/openapi.json").await.is(200).json();
        let described = document["components"]["schemas"]["User"]["properties"].as_object().unwrap();
        let allowed: BTreeSet<&str> = [
            "id", "email", "email_verified", "name", "status", "roles", "avatar_url", "bio", "timezone", "locale",
            "phone_number", "preferences", "created_at", "updated_at", "last_login_at", "version", "address", "attributes",
        ].into();
        assert!(described.keys().all(|name| allowed.contains(name.as_str())), "{described:?}");
        for item in page["items"].as_array().unwrap() {
            for (name, value) in item.as_object().unwrap() {
                assert!(described.contains_key(name), "{name} is in no schema");
                let text = value.to_string();
                assert!(!text.contains("argon2") && !text.contains("hash"), "{name}: {text}");
            }
        }
        let members: Vec<&String> = page.as_object().unwrap().keys().collect();
        assert_eq!(members, ["items", "next"]);
        let mine = root.get(&format!("/api/v1/users/{}", ann.id)).await.is(200).json();
        let listed: Vec<&Value> = page["items"].as_array().unwrap().iter().filter(|item| item["id"] == ann.id.as_str()).collect();
        assert_eq!(listed, [&mine]);
    }

    async fn i6_full_walk_while_inserting(setup: Setup) {
        let app = setup.start().await;
        let root = User::administrator(&app, "root").await;
        app.sigterm();
        app.wait_for_exit_within(std::time::Duration::from_secs(20));
        let mut view = app.look().await;
        view.execute(hundred_thousand(app.database)).await;
        let text = match app.database {
            Database::Sqlite => "SELECT lower(hex(id)) FROM users",
            Database::Postgres => "SELECT replace(CAST(id AS TEXT), '-', '') FROM users",
        };
        let before: BTreeSet<String> = view.texts(text).await.into_iter().collect();
        assert!(before.len() > 100_000);
        app.start().await;
        for sort in ["-created_at", "name"] {
            let inserting = async {
                for number in 0..40 {
                    let letter = char::from(b'a' + number % 26);
                    app.user(&format!("{letter}-{sort}-{number}").replace("--", "-")).await;
                }
            };
            let pairs = [("sort", sort)];
            let (seen, ()) = tokio::join!(walk(&root, &pairs, 200), inserting);
            let seen: Vec<String> = seen.into_iter().map(|id| id.replace('-', "")).collect();
            let once: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!(once.len(), seen.len(), "somebody came twice");
            assert!(before.is_subset(&once), "{} were lost", before.difference(&once).count());
        }
    }
}

/// A hundred thousand accounts with few different names and moments, made by the database itself.
fn hundred_thousand(database: Database) -> &'static str {
    match database {
        Database::Sqlite => {
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
             INSERT INTO users (id, email, email_canonical, email_verified, name, status, epoch, sessions_from, version,
                                created_at, updated_at, name_folded, searchable)
             SELECT unhex(printf('%032x', n * 7919 % 1000003)), 'w' || n || '@walk.example', 'w' || n || '@walk.example', 0,
                    'N ' || n % 1000, 'active', 1, 1, 1, 1700000000000000 + n % 500, 1700000000000000, 'n ' || n % 1000, 1
             FROM numbers"
        }
        Database::Postgres => {
            "INSERT INTO users (id, email, email_canonical, email_verified, name, status, epoch, sessions_from, version,
                                created_at, updated_at, name_folded, searchable)
             SELECT CAST(lpad(to_hex(n * 7919 % 1000003), 32, '0') AS UUID), 'w' || n || '@walk.example',
                    'w' || n || '@walk.example', false, 'N ' || n % 1000, 'active', 1, 1, 1,
                    to_timestamp(1700000000) + n % 500 * INTERVAL '1 microsecond', to_timestamp(1700000000),
                    'n ' || n % 1000, true
             FROM generate_series(1, 100000) AS n"
        }
    }
}
