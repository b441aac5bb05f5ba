//! Personal data at rest: sealed for one person and one attribute, and rewrapped when the master key is replaced.

use std::time::Duration;

use e2e::{Database, Setup, TestApp, User, on_both};
use serde_json::json;

const ME: &str = "/api/v1/users/me";
const PHONE: &str = "+4915199988777";
const ADDRESS: &str = "CANARY-Street 71, Canaryville";

const SCHEMA: &str =
    "[[users.attributes]]\nname = \"passport\"\ntype = \"string\"\nsearchable = true\nwrite = [\"self\"]\n";

/// Everything that the database keeps, as text.
async fn stored(app: &TestApp) -> String {
    match app.database {
        Database::Sqlite => {
            let files = std::fs::read_dir(&app.data).unwrap();
            let read = files.filter_map(|file| std::fs::read(file.unwrap().path()).ok());
            read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
        }
        Database::Postgres => {
            let mut view = app.look().await;
            let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
            let mut all = String::new();
            for table in view.texts(tables).await {
                let sql = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM \"{table}\" t");
                all += &view.texts(&sql).await.concat();
            }
            // Bytes are shown in hexadecimal.
            let hex = PHONE.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            assert!(!all.contains(&hex));
            all
        }
    }
}

on_both! {
    async fn d3_what_is_personal_is_nowhere_in_plain(setup: Setup) {
        let app = setup.config(SCHEMA).start().await;
        for secret in [PHONE, ADDRESS, "CANARY-P4SS"] {
            app.logs.never(secret);
        }
        let ann = app.user("ann").await;
        let body = json!({"phone_number": PHONE, "address": ADDRESS, "attributes": {"passport": "CANARY-P4SS"}, "bio": "not sealed 8231"});
        ann.patch(ME, body).await.is(200);
        app.sigterm();
        app.wait_for_exit_within(Duration::from_secs(30));
        let kept = stored(&app).await;
        assert!(kept.contains("not sealed 8231"), "this test would see what is in plain");
        for secret in [PHONE, "15199988777", "CANARY-Street", "CANARY-P4SS"] {
            assert!(!kept.contains(secret), "{secret} is in the database");
        }
    }

    async fn d1_swapped_ciphertexts_never_open(app: TestApp) {
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        ann.patch(ME, json!({"phone_number": PHONE, "address": ADDRESS})).await.is(200);
        bob.patch(ME, json!({"phone_number": "+4930123456789"})).await.is(200);
        app.kill9();
        let mut view = app.look().await;
        // Bob's number becomes a copy of Ann's, as whoever can write to the database could make it.
        let of = |name: &str| format!("(SELECT user_id FROM user_attributes WHERE name = '{name}' AND user_id IN (SELECT id FROM users WHERE email = '{{}}'))");
        let (anns, bobs) = (of("phone_number").replace("{}", "ann@example.com"), of("phone_number").replace("{}", "bob@example.com"));
        let swap = format!(
            "UPDATE user_attributes SET sealed = (SELECT sealed FROM user_attributes WHERE name = 'phone_number' AND user_id = {anns})
             WHERE name = 'phone_number' AND user_id = {bobs}"
        );
        assert_eq!(view.execute(&swap).await, 1);
        // And Ann's address becomes a copy of her number.
        let swap = format!(
            "UPDATE user_attributes SET sealed = (SELECT sealed FROM user_attributes WHERE name = 'phone_number' AND user_id = {anns})
             WHERE name = 'address'"
        );
        assert_eq!(view.execute(&swap).await, 1);
        drop(view);
        app.start().await;
        for user in [&ann, &bob] {
            let answer = user.get(ME).await.is_problem(500, "internal_error");
            assert!(!answer.body.contains("4915199988777"), "{}", answer.body);
        }
        // Whoever it belongs to can write it anew.
        bob.patch(ME, json!({"phone_number": "+4930123456789"})).await.is(200);
        assert_eq!(bob.get(ME).await.is(200).json()["phone_number"], "+4930123456789");
    }

    async fn d15_rewrapping_goes_on_after_a_kill_and_then_the_old_master_key_can_go(app: TestApp) {
        let root = User::administrator(&app, "root").await;
        let root_name = root.clone();
        for batch in 0..40 {
            let made = (0..25).map(|number| {
                let (root, number) = (root_name.clone(), batch * 25 + number);
                async move {
                    let body = json!({"email": format!("p{number}@example.com"), "phone_number": format!("+49151{number:07}")});
                    root.post("/api/v1/users", body).await.is(201);
                }
            });
            for one in made.map(tokio::spawn).collect::<Vec<_>>() {
                one.await.unwrap();
            }
        }
        let file = app.data.join("master.key");
        let old = std::fs::read_to_string(&file).unwrap();
        let new = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=\n";
        app.kill9();
        std::fs::write(&file, format!("{new}{old}")).unwrap();
        app.start().await;
        let remaining = "SELECT CAST(COUNT(*) AS TEXT) FROM user_keys
                         WHERE wrapped_by <> (SELECT wrapped_by FROM user_keys ORDER BY created_at DESC, user_id DESC LIMIT 1)";
        let fresh = root.post("/api/v1/users", json!({"email": "fresh@example.com", "phone_number": "+4930111111111"})).await;
        // Tokens of before are good: signing keys open with either.
        fresh.is(201);
        let mut command = app.command(&["keys", "rewrap"]);
        let mut running = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
        app.kill9();
        running.wait().unwrap();
        let left = app.look().await.texts(remaining).await[0].parse::<u32>().unwrap();
        println!("{left} of 1000 keys were left when the program was killed");
        app.start().await;
        let done: serde_json::Value = serde_json::from_str(&app.cli_ok(&["keys", "rewrap", "--json"]).await).unwrap();
        assert_eq!((&done["failed"], &done["people"]), (&json!(0), &json!(left)));
        assert_eq!(done["passwords"], 1, "the administrator's, who has not signed in since");
        let again: serde_json::Value = serde_json::from_str(&app.cli_ok(&["keys", "rewrap", "--json"]).await).unwrap();
        assert_eq!((&again["people"], &again["keys"]), (&json!(0), &json!(0)));
        assert_eq!(app.look().await.texts(remaining).await, ["0"]);
        // Signing in hashes the password anew.
        app.login(&root.email, &root.password).await.is(200);
        app.kill9();
        std::fs::write(&file, new).unwrap();
        app.start().await;
        let root = app.again(&root).await;
        for number in [0, 1, 499, 998, 999] {
            let shown = app.cli_ok(&["users", "show", &format!("p{number}@example.com"), "--json"]).await;
            assert!(shown.contains(&format!("+49151{number:07}")), "{shown}");
        }
        assert!(root.is_signed_in().await);
    }
}
