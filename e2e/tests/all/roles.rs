//! Z3, Z7 to Z10 of assurance.md: who may define roles and give them, from when on a change counts, and that
//! every door gives the same answer.

use std::time::{Duration, Instant};

use e2e::{Answer, Apart, Database, PATIENCE, Service, Setup, TestApp, Upstream, User, on_both};
use reqwest::Method;
use serde_json::{Value, json};

/// After so long a change of roles has to count everywhere (Z7 allows five seconds).
const LIMIT: Duration = Duration::from_secs(5);

async fn put_roles(by: &User, user: &User, roles: &[&str]) -> Answer {
    let request = by.request(Method::PUT, &format!("/api/v1/users/{}/roles", user.id));
    Answer::of(request.json(&json!({"roles": roles}))).await
}

async fn patch(by: &User, role: &str, change: Value) -> Answer {
    by.patch(&format!("/api/v1/roles/{role}"), change).await
}

/// Somebody new who has this role.
async fn with_role(app: &TestApp, root: &User, name: &str, role: &str) -> User {
    let user = app.user(name).await;
    put_roles(root, &user, &[role]).await.is(200);
    user.refreshed(app).await
}

async fn roles_of(root: &User, user: &User) -> Value {
    root.get(&format!("/api/v1/users/{}", user.id)).await.is(200).json()["roles"].clone()
}

async fn may(asking: &User, permission: &str, user: Option<&User>) -> bool {
    let of = user.map(|user| format!("&user={}", user.id)).unwrap_or_default();
    let answer = asking.get(&format!("/api/v1/permissions/check?permission={permission}{of}")).await.is(200).json();
    assert_eq!(answer["permission"], permission);
    answer["allowed"].as_bool().unwrap()
}

fn route(name: &str, url: &str, permission: &str) -> String {
    format!(
        "[[gateway.routes]]\nname = \"{name}\"\npath = \"/{name}/\"\nupstreams = [\"{url}\"]\npermissions = [\"{permission}\"]\n\n"
    )
}

/// Waits until an answer has this status, and says how long that took.
async fn until(status: u16, asked: impl AsyncFn() -> u16) -> Duration {
    let begun = Instant::now();
    loop {
        let seen = asked().await;
        if seen == status {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < LIMIT, "still {seen} instead of {status} after {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const KEEPER: [&str; 7] =
    ["users:read", "users:write", "users:ban", "users:delete", "roles:read", "roles:write", "roles:grant"];

on_both! {
    async fn z3_nobody_grants_what_they_lack(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        root.makes_role("keeper", &KEEPER).await;
        root.makes_role("author", &["quiz:author"]).await;
        let includes = json!({"name": "deep", "includes": ["author", "keeper"]});
        root.post("/api/v1/roles", includes).await.is(201);
        let sam = with_role(&app, &root, "sam", "keeper").await;
        let (bob, carol) = (app.user("bob").await, with_role(&app, &root, "carol", "author").await);

        // By making a role, by its own permissions or what it includes.
        for role in [
            json!({"name": "mine", "permissions": ["quiz:author"]}),
            json!({"name": "mine", "permissions": ["users:read", "keys:write"]}),
            json!({"name": "mine", "includes": ["author"]}),
            json!({"name": "mine", "includes": ["support"]}),
            json!({"name": "mine", "includes": ["deep"]}),
        ] {
            sam.post("/api/v1/roles", role).await.is_problem(403, "forbidden");
        }
        for role in [json!({"name": "mine", "permissions": ["*"]}), json!({"name": "mine", "includes": ["admin"]})] {
            for by in [&sam, &root] {
                by.post("/api/v1/roles", role.clone()).await.is_problem(422, "invalid_input");
            }
        }
        // By changing one: their own, everybody's, or one that has more.
        sam.makes_role("mine", &["users:read"]).await;
        for role in ["mine", "user", "keeper"] {
            for change in [json!({"permissions": ["quiz:author"]}), json!({"includes": ["author"]})] {
                patch(&sam, role, change).await.is_problem(403, "forbidden");
            }
        }
        for role in ["author", "deep", "support"] {
            for change in [json!({"description": "x"}), json!({"permissions": []}), json!({"includes": []})] {
                patch(&sam, role, change).await.is_problem(403, "forbidden");
            }
        }
        sam.delete("/api/v1/roles/author").await.is_problem(403, "forbidden");
        // By giving and taking.
        for role in ["author", "deep", "support", "admin"] {
            put_roles(&sam, &bob, &[role]).await.is_problem(403, "forbidden");
            put_roles(&sam, &sam, &["keeper", role]).await.is_problem(403, "forbidden");
        }
        put_roles(&sam, &carol, &["user"]).await.is_problem(403, "forbidden");
        put_roles(&sam, &carol, &["author", "mine"]).await.is_problem(403, "forbidden");
        put_roles(&sam, &bob, &["nobodys"]).await.is_problem(422, "unknown_role");
        // A role cannot get more by the back door, when what it includes gets it from somebody who may.
        assert_eq!(roles_of(&root, &bob).await, json!(["user"]));
        assert_eq!(roles_of(&root, &carol).await, json!(["author", "user"]));
        assert_eq!(root.get("/api/v1/roles/mine").await.is(200).json()["effective_permissions"], json!(["users:read"]));
        assert_eq!(root.get("/api/v1/roles/user").await.is(200).json()["effective_permissions"], json!([]));

        // Whoever has everything of it may.
        put_roles(&sam, &bob, &["mine", "keeper"]).await.is(200);
        patch(&sam, "mine", json!({"permissions": ["users:read", "users:ban"]})).await.is(200);
        // What somebody may give ends with what they may do.
        patch(&root, "keeper", json!({"permissions": ["roles:write", "roles:grant"]})).await.is(200);
        put_roles(&sam, &bob, &["user"]).await.is_problem(403, "forbidden");
        patch(&sam, "mine", json!({"permissions": []})).await.is_problem(403, "forbidden");
    }

    async fn z3_bringing_back_and_letting_in_is_no_way_around_it(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let second = User::administrator(&app, "second").await;
        let sam = with_role(&app, &root, "sam", "support").await;
        let at = |call: &str| format!("/api/v1/users/{}{call}", second.id);
        root.delete(&at("")).await.is(204);
        sam.post(&at("/restore"), Value::Null).await.is_problem(403, "forbidden");
        root.post(&at("/restore"), Value::Null).await.is(204);
        root.post(&at("/ban"), json!({"reason": "x"})).await.is(204);
        sam.post(&at("/unban"), Value::Null).await.is_problem(403, "forbidden");
        assert_eq!(root.get(&at("")).await.is(200).json()["status"], "suspended");
    }

    async fn support_cannot_touch_who_may_do_more(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        root.makes_role("author", &["quiz:author"]).await;
        let sam = with_role(&app, &root, "sam", "support").await;
        let (ann, bob) = (with_role(&app, &root, "ann", "author").await, app.user("bob").await);
        for user in [&root, &ann] {
            let at = |call: &str| format!("/api/v1/users/{}{call}", user.id);
            sam.post(&at("/ban"), json!({"reason": "x"})).await.is_problem(403, "forbidden");
            sam.post(&at("/sign-out"), Value::Null).await.is_problem(403, "forbidden");
            assert!(user.is_signed_in().await);
        }
        sam.post(&format!("/api/v1/users/{}/ban", bob.id), json!({"reason": "x"})).await.is(204);
    }

    async fn z7_role_removal_is_effective_within_five_seconds(setup: Setup) {
        let upstream = Upstream::start("app").await;
        let app = setup.config(&route("quiz", &upstream.url, "quiz:author")).start().await;
        let token = app.verifier_token("services").await;
        let services = Service::start_all(&app.url, &app.url, &token).await;
        let root = User::administrator(&app, "root").await;
        root.makes_role("author", &["quiz:author", "users:read"]).await;
        let (ann, bob) = (with_role(&app, &root, "ann", "author").await, with_role(&app, &root, "bob", "author").await);
        let read = |user: &User| (user.clone(), format!("/api/v1/users/{}", root.id));
        for user in [&ann, &bob] {
            user.get("/quiz/x").await.is(200);
            let (user, path) = read(user);
            user.get(&path).await.is(200);
            for service in &services {
                until(200, async || service.whoami(&user.access_token).await.status).await;
            }
        }

        // Somebody loses the role: their token is over, here at once and in services within a moment.
        put_roles(&root, &ann, &["user"]).await.is(200);
        ann.get("/quiz/x").await.is_problem(401, "unauthenticated");
        let (old, path) = read(&ann);
        old.get(&path).await.is_problem(401, "unauthenticated");
        for service in &services {
            let took = until(401, async || service.whoami(&ann.access_token).await.status).await;
            println!("{:?}: refused after {took:?}", service.language);
        }
        let ann = ann.refreshed(&app).await;
        ann.get("/quiz/x").await.is_problem(403, "forbidden");
        ann.get(&path).await.is_problem(403, "forbidden");

        // The role loses the permission: the token goes on, and says no more than the role's name.
        assert!(may(&bob, "quiz:author", None).await && may(&root, "quiz:author", Some(&bob)).await);
        patch(&root, "author", json!({"permissions": ["users:read"]})).await.is(200);
        bob.get("/quiz/x").await.is_problem(403, "forbidden");
        assert!(!may(&bob, "quiz:author", None).await && !may(&root, "quiz:author", Some(&bob)).await);
        bob.get(&path).await.is(200);
        patch(&root, "author", json!({"permissions": ["quiz:author"]})).await.is(200);
        bob.get("/quiz/x").await.is(200);
        bob.get(&path).await.is_problem(403, "forbidden");
        assert!(bob.is_signed_in().await);
        // The same through what a role includes.
        root.makes_role("base", &["users:read"]).await;
        patch(&root, "author", json!({"permissions": [], "includes": ["base"]})).await.is(200);
        bob.get(&path).await.is(200);
        patch(&root, "base", json!({"permissions": []})).await.is(200);
        bob.get(&path).await.is_problem(403, "forbidden");
        bob.get("/quiz/x").await.is_problem(403, "forbidden");
    }

    async fn z7_a_gateway_alone_hears_of_it_and_is_closed_before(setup: Setup) {
        let upstream = Upstream::start("app").await;
        let Apart { services, door } = setup.start_apart(&route("quiz", &upstream.url, "quiz:author")).await;
        let root = User::administrator(&services, "root").await;
        root.makes_role("author", &["quiz:author"]).await;
        let ann = with_role(&services, &root, "ann", "author").await.at(&door);
        let asked = async || ann.get("/quiz/x").await.status;
        println!("granted after {:?}", until(200, asked).await);
        patch(&root, "author", json!({"permissions": []})).await.is(200);
        println!("taken after {:?}", until(403, asked).await);
        patch(&root, "author", json!({"permissions": ["quiz:author"]})).await.is(200);
        until(200, asked).await;

        // What was heard counts while the services are away.
        services.sigterm();
        services.wait_for_exit_within(Duration::from_secs(40));
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        ann.get("/quiz/x").await.is(200);
        // A gateway that has heard nothing opens nothing.
        door.kill9();
        door.spawn();
        let live = async || Answer::try_of(door.request(Method::GET, "/health/live")).await.map_or(0, |answer| answer.status);
        let begun = Instant::now();
        while live().await != 200 {
            assert!(begun.elapsed() < PATIENCE, "the gateway does not start without the services");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ann.get("/quiz/x").await.is_problem(503, "not_ready");
        services.start().await;
        let begun = Instant::now();
        while asked().await != 200 {
            assert!(begun.elapsed() < PATIENCE, "the gateway does not hear the services any more");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn z8_what_is_denied_is_denied_by_the_sibling_too(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        root.makes_role("writer", &["roles:write", "users:read"]).await;
        root.makes_role("granter", &["roles:grant", "users:read"]).await;
        root.makes_role("plain", &["users:read"]).await;
        let writer = with_role(&app, &root, "wim", "writer").await;
        let granter = with_role(&app, &root, "gus", "granter").await;
        let bob = app.user("bob").await;
        // To define is not to give, and to give is not to define, whatever the account or role.
        put_roles(&writer, &bob, &["plain"]).await.is_problem(403, "forbidden");
        put_roles(&writer, &writer, &["plain"]).await.is_problem(403, "forbidden");
        patch(&writer, "user", json!({"permissions": ["users:read"], "description": "Everybody"})).await.is(200);
        patch(&writer, "user", json!({"permissions": []})).await.is(200);
        patch(&granter, "plain", json!({"permissions": []})).await.is_problem(403, "forbidden");
        patch(&granter, "plain", json!({"description": "x"})).await.is_problem(403, "forbidden");
        granter.post("/api/v1/roles", json!({"name": "new"})).await.is_problem(403, "forbidden");
        granter.delete("/api/v1/roles/plain").await.is_problem(403, "forbidden");
        put_roles(&granter, &bob, &["plain"]).await.is(200);
        // Who may give roles may not do the rest to accounts.
        let at = |call: &str| format!("/api/v1/users/{}{call}", bob.id);
        for by in [&writer, &granter] {
            by.get("/api/v1/roles").await.is_problem(403, "forbidden");
            by.get("/api/v1/roles/plain").await.is_problem(403, "forbidden");
            by.post(&at("/ban"), json!({"reason": "x"})).await.is_problem(403, "forbidden");
            by.delete(&at("")).await.is_problem(403, "forbidden");
            by.post(&at("/sign-out"), Value::Null).await.is_problem(403, "forbidden");
        }
    }

    async fn z9_metadata_needs_rights(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        for path in [
            "/api/v1/roles",
            "/api/v1/roles?limit=x",
            "/api/v1/roles/admin",
            "/api/v1/roles/nobodys",
            &format!("/api/v1/permissions/check?permission=users:read&user={}", bob.id),
            "/api/v1/permissions/check?permission=users:read&user=01890000-0000-7000-8000-000000000000",
            "/api/v1/permissions/check?permission=users:read&user=x",
        ] {
            ann.get(path).await.is_problem(403, "forbidden");
            app.get(path).await.is_problem(401, "unauthenticated");
        }
        // One's own are everybody's to know.
        assert_eq!(ann.get("/api/v1/permissions").await.is(200).json(), json!({"roles": ["user"], "permissions": []}));
        assert_eq!(root.get("/api/v1/permissions").await.is(200).json()["permissions"], json!(["*"]));
        assert!(!may(&ann, "users:read", None).await && !may(&ann, "users:read", Some(&ann)).await);
        assert!(may(&root, "any:thing", None).await);
        let unknown = "/api/v1/permissions/check?permission=users:read&user=01890000-0000-7000-8000-000000000000";
        root.get(unknown).await.is_problem(404, "not_found");
        root.get("/api/v1/permissions/check?permission=users").await.is_problem(422, "invalid_input");
        root.get("/api/v1/permissions/check").await.is_problem(400, "invalid_query");
        // Whoever may not come in may do nothing.
        let second = User::administrator(&app, "second").await;
        assert!(may(&root, "users:read", Some(&second)).await);
        root.delete(&format!("/api/v1/users/{}", second.id)).await.is(204);
        assert!(!may(&root, "users:read", Some(&second)).await);
    }

    async fn z10_the_last_administrator_stays(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        put_roles(&root, &root, &["user"]).await.is_problem(409, "last_administrator");
        root.post(&format!("/api/v1/users/{}/ban", root.id), json!({"reason": "x"})).await.is_problem(409, "last_administrator");
        root.delete(&format!("/api/v1/users/{}", root.id)).await.is_problem(409, "last_administrator");
        patch(&root, "admin", json!({"permissions": []})).await.is_problem(409, "role_unchangeable");
        patch(&root, "admin", json!({"description": "x"})).await.is_problem(409, "role_unchangeable");
        root.delete("/api/v1/roles/admin").await.is_problem(409, "role_built_in");
        for words in [
            &["users", "revoke", "root@example.com", "admin"][..],
            &["users", "ban", "root@example.com"],
            &["users", "delete", "root@example.com"],
            &["roles", "change", "admin", "--description", "x"],
            &["roles", "delete", "admin"],
        ] {
            let output = app.cli(words).await;
            assert!(!output.status.success(), "{words:?}");
        }
        assert!(root.is_signed_in().await && may(&root, "roles:write", None).await);
        assert_eq!(roles_of(&root, &root).await, json!(["admin", "user"]));
    }

    async fn circles_are_refused_also_under_fifty_parallel_changes(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        for number in 0..6 {
            root.makes_role(&format!("r{number}"), &[&format!("area:{number}")]).await;
        }
        patch(&root, "r0", json!({"includes": ["r0"]})).await.is_problem(422, "role_circle");
        patch(&root, "r0", json!({"includes": ["r1", "nobodys"]})).await.is_problem(422, "unknown_role");
        let tries = (0..50_usize).map(|number| {
            let (root, from, to) = (root.clone(), number % 6, (number / 6 + number + 1) % 6);
            tokio::spawn(async move {
                patch(&root, &format!("r{from}"), json!({"includes": [format!("r{to}")]})).await
            })
        });
        let (mut done, mut refused) = (0, 0);
        for one in tries.collect::<Vec<_>>() {
            let answer = one.await.unwrap();
            match answer.status {
                200 => done += 1,
                // All at once, some wait so long for a connection that they are sent away.
                503 => {}
                _ => {
                    answer.is_problem(422, "role_circle");
                    refused += 1;
                }
            }
        }
        assert!(done > 0 && refused > 0, "{done} {refused}");
        // Each includes one at most: whoever follows them comes to an end.
        let pairs = app.look().await.texts("SELECT role || ' ' || included FROM role_includes").await;
        let next = |role: &str| pairs.iter().find_map(|pair| pair.strip_prefix(&format!("{role} ")).map(str::to_owned));
        for number in 0..6 {
            let mut at = format!("r{number}");
            for step in 0.. {
                assert!(step < 6, "a circle: {pairs:?}");
                let Some(following) = next(&at) else { break };
                at = following;
            }
        }
    }

    async fn a_role_that_is_needed_cannot_be_deleted_even_while_it_is_given(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        root.makes_role("author", &["quiz:author"]).await;
        root.post("/api/v1/roles", json!({"name": "editor", "includes": ["author"]})).await.is(201);
        let ann = with_role(&app, &root, "ann", "editor").await;
        for role in ["author", "editor"] {
            root.delete(&format!("/api/v1/roles/{role}")).await.is_problem(409, "role_in_use");
        }
        for role in ["admin", "support", "user"] {
            root.delete(&format!("/api/v1/roles/{role}")).await.is_problem(409, "role_built_in");
        }
        root.delete("/api/v1/roles/nobodys").await.is_problem(404, "not_found");
        put_roles(&root, &ann, &[]).await.is(200);
        root.delete("/api/v1/roles/editor").await.is(204);
        root.delete("/api/v1/roles/author").await.is(204);
        root.get("/api/v1/roles/author").await.is_problem(404, "not_found");
        for round in 0..8 {
            let name = format!("short{round}");
            root.makes_role(&name, &[]).await;
            let path = format!("/api/v1/roles/{name}");
            let wanted = [name.as_str()];
            let (given, gone) = tokio::join!(put_roles(&root, &ann, &wanted), root.delete(&path));
            match (given.status, gone.status) {
                (200, 409) | (422, 204) => {}
                other => panic!("given and deleted: {other:?}"),
            }
        }
        let orphans = "SELECT role FROM user_roles WHERE NOT EXISTS (SELECT 1 FROM roles WHERE roles.name = user_roles.role)";
        assert_eq!(app.look().await.texts(orphans).await, Vec::<String>::new());
    }

    async fn roles_are_read_page_by_page_and_guarded_by_their_version(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let made = root.post("/api/v1/roles", json!({"name": "quiz:author", "description": " Writes quizzes ",
            "permissions": ["quiz:write", "quiz:author", "quiz:write"], "includes": ["user"]})).await.is(201);
        assert_eq!(made.header("etag"), "\"1\"");
        let role = made.json();
        assert_eq!((&role["description"], &role["permissions"]), (&json!("Writes quizzes"), &json!(["quiz:author", "quiz:write"])));
        assert_eq!((&role["built_in"], &role["holders"], &role["version"]), (&json!(false), &json!(0), &json!(1)));
        root.post("/api/v1/roles", json!({"name": "quiz:author"})).await.is_problem(409, "role_taken");
        let ann = with_role(&app, &root, "ann", "quiz:author").await;
        assert_eq!(ann.get("/api/v1/permissions").await.is(200).json()["permissions"], json!(["quiz:author", "quiz:write"]));

        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = root.get(&format!("/api/v1/roles?limit=2{cursor}")).await.is(200).json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            names.extend(items.iter().map(|item| (item["name"].as_str().unwrap().to_owned(), item["holders"].as_i64().unwrap())));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let expected = [("admin", 1), ("quiz:author", 1), ("support", 0), ("user", 2)];
        assert_eq!(names, expected.map(|(name, holders)| (name.to_owned(), holders)));
        root.get("/api/v1/roles?cursor=!").await.is_problem(422, "invalid_input");
        root.get("/api/v1/roles?page=1").await.is_problem(400, "invalid_query");

        let guarded = async |version: &str, change: Value| {
            let request = root.request(Method::PATCH, "/api/v1/roles/quiz:author").header("if-match", version);
            Answer::of(request.json(&change)).await
        };
        assert_eq!(guarded("\"1\"", json!({"description": "Authors"})).await.is(200).json()["version"], 2);
        guarded("\"1\"", json!({"description": "Lost"})).await.is_problem(412, "stale");
        guarded("x", json!({"description": "Lost"})).await.is_problem(400, "invalid_if_match");
        // What changes nothing is no change.
        assert_eq!(guarded("\"2\"", json!({"description": "Authors"})).await.is(200).json()["version"], 2);
        assert_eq!(guarded("\"2\"", json!({})).await.is(200).json()["version"], 2);
        let many: Vec<String> = (0..201).map(|number| format!("quiz:{number}")).collect();
        for (change, field) in [
            (json!({"description": "a\nb"}), "description"),
            (json!({"description": "é".repeat(201)}), "description"),
            (json!({"permissions": ["Quiz:Author"]}), "permissions"),
            (json!({"permissions": ["users"]}), "permissions"),
            (json!({"permissions": many}), "permissions"),
            (json!({"includes": ["a b"]}), "includes"),
        ] {
            let answer = patch(&root, "quiz:author", change).await.is_problem(422, "invalid_input");
            assert_eq!(answer.json()["errors"][0]["field"], field, "{}", answer.body);
        }
        patch(&root, "quiz:author", json!({"name": "other"})).await.is_problem(400, "unknown_field");
        for name in ["", "Author", "a b", "a/b", &"a".repeat(65)] {
            let answer = root.post("/api/v1/roles", json!({"name": name})).await.is_problem(422, "invalid_input");
            assert_eq!(answer.json()["errors"][0]["field"], "name");
        }
    }

    async fn the_gateway_and_the_check_give_the_same_answer(setup: Setup) {
        const PERMISSIONS: [&str; 4] = ["quiz:author", "quiz:play", "users:read", "keys:write"];
        let upstream = Upstream::start("app").await;
        let routes = PERMISSIONS.map(|permission| route(&permission.replace(':', "-"), &upstream.url, permission));
        let app = setup.config(&routes.concat()).start().await;
        let root = User::administrator(&app, "root").await;
        for (name, permissions, includes) in [
            ("player", &["quiz:play"][..], &[][..]),
            ("author", &["quiz:author"], &["player"]),
            ("lead", &[], &["author", "support"]),
            ("empty", &[], &[]),
        ] {
            let role = json!({"name": name, "permissions": permissions, "includes": includes});
            root.post("/api/v1/roles", role).await.is(201);
        }
        let cases = [
            (&["user"][..], [false, false, false, false]),
            (&["empty"], [false, false, false, false]),
            (&["player"], [false, true, false, false]),
            (&["author"], [true, true, false, false]),
            (&["support"], [false, false, true, false]),
            (&["support", "player"], [false, true, true, false]),
            (&["lead"], [true, true, true, false]),
            (&["admin"], [true, true, true, true]),
        ];
        for (number, (roles, expected)) in cases.into_iter().enumerate() {
            let user = app.user(&format!("user{number}")).await;
            put_roles(&root, &user, roles).await.is(200);
            let user = if roles == ["user"] { user } else { user.refreshed(&app).await };
            for (permission, expected) in PERMISSIONS.into_iter().zip(expected) {
                let status = user.get(&format!("/{}/x", permission.replace(':', "-"))).await.status;
                assert_eq!(status, if expected { 200 } else { 403 }, "{roles:?} {permission} at the gateway");
                assert_eq!(may(&user, permission, None).await, expected, "{roles:?} {permission} asked by themselves");
                assert_eq!(may(&root, permission, Some(&user)).await, expected, "{roles:?} {permission} asked by root");
            }
        }
    }

    async fn roles_are_looked_after_from_the_command_line(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let ann = app.user("ann").await;
        let json = async |words: &[&str]| {
            let words = [words, &["--json"]].concat();
            serde_json::from_str::<Value>(&app.cli_ok(&words).await).unwrap()
        };
        let made = json(&["roles", "create", "author", "--description", "Writes", "--permission", "quiz:author", "--include", "user"]).await;
        assert_eq!((&made["permissions"], &made["includes"]), (&json!(["quiz:author"]), &json!(["user"])));
        let given = json(&["users", "grant", &ann.email, "author"]).await;
        assert_eq!(given["roles"], json!(["author", "user"]));
        ann.get("/api/v1/auth/me").await.is_problem(401, "unauthenticated");
        let ann = ann.refreshed(&app).await;
        assert!(may(&ann, "quiz:author", None).await);
        let changed = json(&["roles", "change", "author", "--add", "quiz:play", "--remove", "quiz:author", "--exclude", "user"]).await;
        assert_eq!((&changed["permissions"], &changed["includes"]), (&json!(["quiz:play"]), &json!([])));
        assert!(may(&ann, "quiz:play", None).await && !may(&ann, "quiz:author", None).await, "at once in the running server");
        let names: Vec<Value> = json(&["roles", "list"]).await.as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
        assert_eq!(names, ["admin", "author", "support", "user"]);
        let shown = app.cli_ok(&["roles", "show", "author"]).await;
        assert!(shown.contains("comes to:    quiz:play") && shown.contains("accounts:    1"), "{shown}");
        for words in [
            &["roles", "create", "author"][..],
            &["roles", "create", "x", "--permission", "*"],
            &["roles", "create", "x", "--include", "admin"],
            &["roles", "change", "author", "--remove", "quiz:author"],
            &["roles", "change", "nobodys", "--add", "a:b"],
            &["roles", "delete", "author"],
            &["users", "grant", &ann.email, "nobodys"],
            &["users", "revoke", &ann.email, "user"],
            &["users", "revoke", &ann.email, "support"],
        ] {
            assert!(!app.cli(words).await.status.success(), "{words:?}");
        }
        json(&["users", "revoke", &ann.email, "author"]).await;
        json(&["roles", "delete", "author"]).await;
        root.get("/api/v1/roles/author").await.is_problem(404, "not_found");
    }
}

on_both! {
    async fn i7_a_definition_beyond_the_bounds_is_refused_at_a_bounded_cost(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let names = |count: usize, area: &str| (0..count).map(|number| format!("{area}{number}")).collect::<Vec<String>>();
        // Roles that include each other twenty at a time, so that to follow every way of every one would take for ever.
        let mut below: Vec<String> = Vec::new();
        for layer in 0..6 {
            let mut made = Vec::new();
            for number in 0..20 {
                let name = format!("l{layer}-{number}");
                let role = json!({"name": name, "permissions": [format!("quiz:p{layer}-{number}")], "includes": below});
                root.post("/api/v1/roles", role).await.is(201);
                made.push(name);
            }
            below = made;
        }
        let begun = Instant::now();
        root.post("/api/v1/roles", json!({"name": "top", "includes": below})).await.is(201);
        let top = root.get("/api/v1/roles/top").await.is(200).json();
        assert_eq!(top["effective_permissions"].as_array().unwrap().len(), 6 * 20);
        for (role, code) in [
            (json!({"name": "x", "permissions": names(201, "quiz:a")}), "invalid_input"),
            (json!({"name": "x", "includes": below.iter().cloned().chain(["support".to_owned()]).collect::<Vec<String>>()}), "invalid_input"),
            (json!({"name": "x", "permissions": [format!("quiz:{}", "a".repeat(10_000))]}), "invalid_input"),
            (json!({"name": "x", "description": "a".repeat(10_000)}), "invalid_input"),
        ] {
            root.post("/api/v1/roles", role).await.is_problem(422, code);
        }
        root.patch("/api/v1/roles/l0-0", json!({"includes": ["top"]})).await.is_problem(422, "role_circle");
        let huge = json!({"name": "x", "permissions": names(20_000, "quiz:a")});
        root.post("/api/v1/roles", huge).await.is_problem(413, "body_too_large");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        root.get("/api/v1/roles/x").await.is_problem(404, "not_found");
    }
}

/// Only what roles come to cannot be asked: the feed goes on, and old definitions do not count for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_a_gateway_alone_that_does_not_hear_of_roles_closes_what_asks_for_them() {
    let upstream = Upstream::start("app").await;
    let config = format!(
        "[services]\nrefuse_after_seconds = 8\n\n{}[[gateway.routes]]\nname = \"any\"\npath = \"/any/\"\nupstreams = [\"{}\"]\n",
        route("reads", &upstream.url, "users:read"),
        upstream.url
    );
    let Apart { services, door } = Setup::new(Database::Postgres).start_apart(&config).await;
    let root = User::administrator(&services, "root").await;
    root.makes_role("reader", &["users:read"]).await;
    let ann = with_role(&services, &root, "ann", "reader").await.at(&door);
    let (reads, any) = (async || ann.get("/reads/x").await.status, async || ann.get("/any/x").await.status);
    until(200, reads).await;
    services.look().await.execute("ALTER TABLE role_revision RENAME TO away").await;
    let begun = Instant::now();
    while reads().await == 200 {
        assert!(begun.elapsed() < PATIENCE, "old definitions count for ever");
        assert_eq!(any().await, 200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(6), "closed after {:?} already", begun.elapsed());
    ann.get("/reads/x").await.is_problem(503, "not_ready");
    assert_eq!(any().await, 200, "the feed is heard, and this route asks for no permission");
    services.look().await.execute("ALTER TABLE away RENAME TO role_revision").await;
    let reopened = Instant::now();
    while reads().await != 200 {
        assert!(reopened.elapsed() < PATIENCE, "it stays closed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two processes on one PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn z7_another_process_follows_a_change_of_roles() {
    let app = Setup::new(Database::Postgres).prepare().await;
    let url = app.url.clone();
    let app = app.with_env("USHER_PUBLIC_URL", &url);
    app.start().await;
    let other = app.beside("auth,users").await;
    let root = User::administrator(&app, "root").await;
    root.makes_role("reader", &["users:read"]).await;
    let ann = with_role(&app, &root, "ann", "reader").await;
    let there = ann.at(&other);
    let path = format!("/api/v1/users/{}", root.id);
    let asked = async || there.get(&path).await.status;
    println!("granted after {:?}", until(200, asked).await);
    patch(&root, "reader", json!({"permissions": []})).await.is(200);
    ann.get(&path).await.is_problem(403, "forbidden");
    println!("taken after {:?}", until(403, asked).await);
    patch(&root, "reader", json!({"permissions": ["users:read"]})).await.is(200);
    until(200, asked).await;
    other.sigterm();
    other.wait_for_exit_within(Duration::from_secs(40));
}
