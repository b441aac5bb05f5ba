//! P of assurance.md: which passwords are allowed, how they are kept, what a thief of the database has.

use std::path::Path;
use std::time::Duration;

use e2e::{PASSWORD, Setup, TestApp, on_both};
use serde_json::json;

/// 1,024 bytes that no list has and that no two words repeat.
fn long_password(bytes: usize) -> String {
    let mut text = String::new();
    let mut number = 7_u64;
    while text.len() < bytes {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'a' + u8::try_from((number >> 33) % 26).unwrap()));
    }
    text
}

on_both! {
    async fn p1_eight_characters_are_the_least(app: TestApp) {
        app.register("ann@example.com", "zQ9!\u{e9}\u{6f22}b").await.is_problem(422, "weak_password");
        app.register("ann@example.com", "zQ9!\u{e9}\u{6f22}bX").await.is(201);
    }

    async fn p1_the_nist_preset_asks_for_fifteen(setup: Setup) {
        let app = setup.env("USHER_AUTH__ASSURANCE", "nist-800-63b-4").start().await;
        app.register("ann@example.com", "tz4;Qwm~vk92Bn").await.is_problem(422, "weak_password");
        app.register("ann@example.com", "tz4;Qwm~vk92Bn!").await.is(201);
    }

    async fn p2_no_truncation(app: TestApp) {
        for length in [64, 72, 73, 128, 1024] {
            let email = format!("ann{length}@example.com");
            let password = long_password(length);
            app.register(&email, &password).await.is(201);
            app.login(&email, &password).await.is(200);
            let last = if password.ends_with('x') { "y" } else { "x" };
            let other = format!("{}{last}", &password[..length - 1]);
            app.login(&email, &other).await.is_problem(401, "invalid_credentials");
            app.login(&email, &password[..length - 1]).await.is_problem(401, "invalid_credentials");
        }
    }

    async fn p3_longer_ones_cost_no_hash(app: TestApp) {
        app.user("ann").await;
        let before = app.metrics().await.hashes();
        let answer = app.register("bob@example.com", &long_password(1025)).await.is_problem(422, "weak_password");
        assert_eq!(answer.json()["errors"][0]["field"], "password");
        // Signing in with one is answered like any other wrong password; it cannot be anybody's.
        let refused = app.login("ann@example.com", &long_password(1025)).await;
        assert!((400..500).contains(&refused.status), "{}", refused.body);
        let long_new = json!({"email": "ann@example.com", "password": long_password(65 * 1024)});
        app.post("/api/v1/auth/login", long_new).await.is_problem(413, "body_too_large");
        assert_eq!(app.metrics().await.hashes(), before);
    }

    async fn p4_both_spellings_of_a_character_are_one_password(app: TestApp) {
        // RFC 8265 OpaqueString: composed and decomposed are the same, upper and lower case are not.
        app.register("ann@example.com", "caf\u{e9} \u{1f9a6} tangle 44").await.is(201);
        app.login("ann@example.com", "cafe\u{301} \u{1f9a6} tangle 44").await.is(200);
        app.login("ann@example.com", "CAF\u{c9} \u{1f9a6} tangle 44").await.is(401);
    }

    async fn p5_no_classes_of_characters_are_asked_for(app: TestApp) {
        for (number, password) in ["willow tangent orchard", "0497116385220619", "ЖЕЛТЫЙ ЗОНТ НАД МОРЕМ", "!?;,.)(]%&=+{@"].iter().enumerate() {
            app.register(&format!("ann{number}@example.com"), password).await.is(201);
        }
        let answer = app.register("bob@example.com", "password").await.is(422).body.to_lowercase();
        for word in ["uppercase", "upper-case", "digit", "symbol", "special character"] {
            assert!(!answer.contains(word), "{answer}");
        }
    }

    async fn p6_listed_and_personal_passwords_are_refused(app: TestApp) {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/auth/data/common-passwords.txt");
        let list = std::fs::read_to_string(list).unwrap();
        let listed: Vec<&str> = list.lines().filter(|line| line.chars().count() >= 8).collect();
        assert!(list.lines().count() >= 100_000);
        for (number, password) in listed.iter().step_by(listed.len() / 200).enumerate() {
            let answer = app.register(&format!("ann{number}@example.com"), password).await;
            assert_eq!(answer.status, 422, "{password} was accepted");
        }
        for personal in ["ann.wetherby", "wetherby1", "Wetherby2026", "usherusher", "usher-1234"] {
            let body = json!({"email": "ann.wetherby@example.com", "password": personal, "name": "Ann Wetherby"});
            let answer = app.post("/api/v1/auth/register", body).await.is_problem(422, "weak_password");
            assert!(!answer.json()["errors"][0]["message"].as_str().unwrap().is_empty());
        }
        assert_eq!(app.metrics().await.hashes(), 0, "a refused password is not hashed");
    }

    async fn p8_every_stored_hash_is_argon2id_and_strong(app: TestApp) {
        let ann = app.user("ann").await;
        app.user("bob").await;
        let new = "nine dry herons paint 52 doors";
        ann.post("/api/v1/auth/change-password", json!({"current_password": PASSWORD, "new_password": new})).await.is(204);
        let hashes = app.look().await.texts("SELECT hash FROM passwords").await;
        assert_eq!(hashes.len(), 2);
        for hash in &hashes {
            assert_strong(hash);
        }
        assert_ne!(hashes[0].rsplit('$').nth(1), hashes[1].rsplit('$').nth(1), "each has its own salt");
    }

    async fn p8_weaker_parameters_are_refused_at_the_start(setup: Setup) {
        let app = setup.env("USHER_PASSWORDS__ARGON2__MEMORY_KIB", "4096").prepare().await;
        let output = app.cli(&["serve"]).await;
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("memory_kib"));
    }

    async fn p11_a_stolen_database_verifies_nothing_without_the_key(app: TestApp) {
        let users = ["ann", "bob", "cat"];
        for name in users {
            app.user(name).await;
        }
        let key = std::fs::read(app.data.join("master.key")).unwrap();
        app.kill9();
        assert!(!everything_under(&app.data, &["master.key"]).windows(key.len()).any(|bytes| bytes == key));
        std::fs::rename(app.data.join("master.key"), app.data.join("old.key")).unwrap();
        // Without its key the program either says so and stops, or makes a new one and verifies nobody.
        app.spawn();
        let mut answered = false;
        for _ in 0..500 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if app.exited().is_some() {
                break;
            }
            let ready = app.request(reqwest::Method::GET, "/health/ready").send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                answered = true;
                break;
            }
        }
        if answered {
            for name in users {
                let answer = app.login(&format!("{name}@example.com"), PASSWORD).await;
                assert_eq!(answer.status, 401, "{}", answer.body);
            }
            app.kill9();
        } else {
            let status = app.wait_for_exit_within(Duration::from_secs(5));
            assert!(!status.success());
        }
        std::fs::rename(app.data.join("old.key"), app.data.join("master.key")).unwrap();
        app.start().await;
        app.login("ann@example.com", PASSWORD).await.is(200);
    }

    async fn p11_a_short_or_readable_key_file_is_refused(setup: Setup) {
        use std::os::unix::fs::PermissionsExt as _;
        let app = setup.start().await;
        let key = app.data.join("master.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        app.kill9();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let output = app.cli(&["serve"]).await;
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("chmod"), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&key, "c2hvcnQ=").unwrap();
        assert!(!app.cli(&["serve"]).await.status.success());
    }

    async fn p14_nobody_sets_the_password_of_another(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        for body in [json!({"password": "nine dry herons paint 52 doors"}), json!({"hash": "x"})] {
            bob.patch("/api/v1/users/me", body).await.is_problem(400, "unknown_field");
        }
        let body = json!({"user_id": ann.id, "current_password": PASSWORD, "new_password": "nine dry herons paint 52 doors"});
        bob.post("/api/v1/auth/change-password", body).await.is_problem(400, "unknown_field");
        app.login(&ann.email, PASSWORD).await.is(200);
    }
}

/// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, at least as strong as one of the accepted sets.
fn assert_strong(hash: &str) {
    let parts: Vec<&str> = hash.split('$').collect();
    assert_eq!(parts[1..3], ["argon2id", "v=19"], "{hash}");
    let number = |name: &str| -> u32 {
        parts[3].split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).unwrap().parse().unwrap()
    };
    let (memory, passes) = (number("m"), number("t"));
    let accepted = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
    assert!(accepted.iter().any(|&(m, t)| memory >= m && passes >= t), "{hash}");
    assert!(parts[4].len() >= 22, "16 bytes of salt: {hash}");
}

/// The bytes of every file under a folder but those of these names.
fn everything_under(folder: &Path, but: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(everything_under(&path, but));
        } else if path.is_file() && !but.iter().any(|name| path.ends_with(name)) {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}
