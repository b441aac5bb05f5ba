//! Pictures of people: what is taken, where it is shown, and what happens when the store is away.

use std::time::{Duration, Instant};

use e2e::{Answer, PASSWORD, PATIENCE, S3, Setup, TestApp, User, grey_jpeg, on_both, picture, png, with_store_at};
use reqwest::Method;
use serde_json::json;

const FOREVER: &str = "public, max-age=31536000, immutable";
/// A picture that nobody has.
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

async fn put(user: &User, image: Vec<u8>) -> Answer {
    Answer::of(user.request(Method::PUT, "/api/v1/users/me/avatar").body(image)).await
}

/// What is at one of the program's addresses.
async fn look(app: &TestApp, url: &str) -> Answer {
    app.get(url.strip_prefix(&app.url).unwrap_or(url)).await
}

/// Waits until a picture is there: the store of the tests answers a little before it has written a file.
async fn is_shown(app: &TestApp, url: &str) {
    let begun = Instant::now();
    while look(app, url).await.header("content-type") != "image/webp" {
        assert!(begun.elapsed() < PATIENCE, "no picture at {url}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How much memory the program has, in KiB.
fn memory(app: &TestApp) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

on_both! {
    async fn a_picture_is_kept_in_three_sizes_and_may_be_kept_for_ever(app: TestApp) {
        let ann = app.user("ann").await;
        let me = ann.get("/api/v1/users/me").await.is(200).json();
        let drawing = me["avatar_url"].as_str().unwrap().to_owned();
        let shown = look(&app, &drawing).await.is(200);
        assert_eq!(shown.header("content-type"), "image/svg+xml");
        assert_eq!(shown.header("cache-control"), FOREVER);

        let first = ann.puts_picture(png(300, 200, |x, _| [(x % 256).to_le_bytes()[0], 40, 90])).await;
        assert_eq!(ann.get("/api/v1/users/me").await.is(200).json()["avatar_url"], first.as_str());
        for size in ["64", "256", "512"] {
            let url = first.replace("256", size);
            let shown = look(&app, &url).await.is(200);
            assert!(shown.body.starts_with("RIFF") && shown.body.contains("WEBPVP8"), "{size}");
            assert_eq!(shown.header("content-type"), "image/webp");
            assert_eq!(shown.header("cache-control"), FOREVER);
            assert_eq!(shown.header("x-content-type-options"), "nosniff");
            assert!(shown.header("content-security-policy").ends_with("sandbox"));
            assert_eq!(shown.header("cross-origin-resource-policy"), "cross-origin");
            let path = url.strip_prefix(&app.url).unwrap();
            let again = app.request(Method::GET, path).header("if-none-match", shown.header("etag"));
            assert_eq!(Answer::of(again).await.is(304).body, "");
        }
        let second = ann.puts_picture(picture()).await;
        assert_ne!(second, first);
        // What somebody else put there is an address; sending one's own back changes nothing.
        ann.patch("/api/v1/users/me", json!({"avatar_url": second, "bio": "Still me"})).await.is(200);
        assert_eq!(ann.get("/api/v1/users/me").await.json()["avatar_url"], second.as_str());
        // Old ones are looked for at the start, too.
        app.restart().await;
        let begun = Instant::now();
        while look(&app, &first).await.status != 404 {
            assert!(begun.elapsed() < PATIENCE, "the first picture stays");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        look(&app, &second).await.is(200);
        let ann = app.again(&ann).await;
        assert_eq!(ann.delete("/api/v1/users/me/avatar").await.is(200).json()["avatar_url"], drawing.as_str());
        assert_eq!(ann.delete("/api/v1/users/me/avatar").await.is(200).json()["avatar_url"], drawing.as_str());
        app.settle().await;
        assert_eq!(app.look().await.texts("SELECT kind FROM ledger WHERE kind = 'avatar.changed'").await.len(), 3);
    }

    async fn i4_only_pictures_are_at_the_addresses_of_pictures(app: TestApp) {
        let ann = app.user("ann").await;
        let own = ann.puts_picture(picture()).await;
        let own = own.strip_prefix(&app.url).unwrap().strip_suffix("/256.webp").unwrap();
        for path in [
            format!("/avatars/{NOBODY}/256.webp"),
            format!("{own}/128.webp"),
            format!("{own}/256.png"),
            format!("{own}/256"),
            format!("{own}/../../master.key"),
            "/avatars/master.key/256.webp".into(),
            "/avatars/..%2f..%2fmaster.key/64.webp".into(),
            "/avatars/initials/7/AO.svg".into(),
            "/avatars/initials/1/AOX.svg".into(),
            "/avatars/initials/1/%3Cb.svg".into(),
            "/avatars/".into(),
        ] {
            let answer = app.get(&path).await;
            assert!(matches!(answer.status, 400 | 404), "{path} is answered {}", answer.status);
            assert!(!answer.header("cache-control").contains("immutable"), "{path}");
        }
    }

    async fn an_officer_takes_a_picture_away_from_whom_they_may_touch(app: TestApp) {
        let (root, ann) = (User::administrator(&app, "root").await, app.user("ann").await);
        let (bob, url) = (app.user("bob").await, root.puts_picture(picture()).await);
        ann.puts_picture(picture()).await;
        root.post(&format!("/api/v1/users/{}/roles", bob.id), json!({})).await;
        let roles = root.request(Method::PUT, &format!("/api/v1/users/{}/roles", bob.id));
        Answer::of(roles.json(&json!({"roles": ["support"]}))).await.is(200);
        let bob = app.again(&bob).await;
        let path = |user: &User| format!("/api/v1/users/{}/avatar", user.id);
        bob.delete(&path(&root)).await.is_problem(403, "forbidden");
        assert_eq!(root.get("/api/v1/users/me").await.json()["avatar_url"], url.as_str());
        let now = bob.delete(&path(&ann)).await.is(200).json();
        assert!(now["avatar_url"].as_str().unwrap().contains("/avatars/initials/"));
        ann.delete(&path(&bob)).await.is_problem(403, "forbidden");
        bob.delete(&format!("/api/v1/users/{NOBODY}/avatar")).await.is_problem(404, "not_found");
    }

    async fn i3_what_is_no_picture_is_refused_and_memory_is_given_back(app: TestApp) {
        let ann = app.user("ann").await;
        let url = ann.puts_picture(grey_jpeg(3000, 2000)).await;
        let before = memory(&app);
        for (image, status, code) in [
            (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(), 415, "unsupported_image"),
            (Vec::new(), 415, "unsupported_image"),
            (picture()[..60].to_vec(), 422, "broken_image"),
            ([picture(), b"PK\x03\x04".to_vec()].concat(), 422, "broken_image"),
            ([grey_jpeg(8, 8), b"<html>".to_vec()].concat(), 422, "broken_image"),
            (grey_jpeg(1, 65_535), 413, "image_too_large"),
            (grey_jpeg(5_001, 5_000), 413, "image_too_large"),
            (vec![b'x'; 5 * 1024 * 1024 + 1], 413, "body_too_large"),
        ] {
            put(&ann, image).await.is_problem(status, code);
        }
        let large = put(&ann, grey_jpeg(3_000, 3_000)).await.is(200);
        assert_ne!(large.json()["avatar_url"], url.as_str());
        let begun = Instant::now();
        while memory(&app) > before + before / 10 + 16 * 1024 {
            assert!(begun.elapsed() < PATIENCE, "{before} KiB before, {} KiB after", memory(&app));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn pictures_are_kept_in_a_bucket_and_nothing_else_fails_with_it(setup: Setup) {
        let s3 = S3::start().await;
        let app = s3.keeps_files_of(setup).start().await;
        let ann = app.user("ann").await;
        let url = ann.puts_picture(png(64, 64, |x, y| [x.to_le_bytes()[0], y.to_le_bytes()[0], 0])).await;
        is_shown(&app, &url).await;
        let picture_folder = url.rsplit('/').nth(1).unwrap();
        assert!(s3.folder().join("files/usher/avatars").join(picture_folder).is_dir(), "it is in the bucket");
        assert!(!app.data.join("blobs").exists(), "and in no folder");
        ann.delete("/api/v1/users/me/avatar").await.is(200);
        let url = ann.puts_picture(picture()).await;
        is_shown(&app, &url).await;
        drop(s3);

        // F26: what is in the cache is shown, for the rest there is a figure that nobody keeps.
        assert_eq!(look(&app, &url).await.is(200).header("content-type"), "image/webp");
        let figure = look(&app, &url.replace("256", "64")).await.is(200);
        assert_eq!((figure.header("content-type"), figure.header("cache-control")), ("image/svg+xml", "no-store"));
        let refused = put(&ann, picture()).await.is_problem(503, "storage_unavailable");
        assert_eq!(refused.header("retry-after"), "5");
        assert_eq!(ann.get("/api/v1/users/me").await.is(200).json()["avatar_url"], url.as_str());
        app.login(&ann.email, PASSWORD).await.is(200);
        app.get("/health/ready").await.is(200);
    }

    async fn f26_a_store_that_never_answers_costs_five_seconds_and_nothing_else(setup: Setup) {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = with_store_at(setup, &format!("http://{}", silent.local_addr().unwrap())).start().await;
        let ann = app.user("ann").await;
        let asked = tokio::spawn({
            let ann = ann.clone();
            async move { put(&ann, picture()).await }
        });
        app.login(&ann.email, PASSWORD).await.is(200);
        app.get("/health/ready").await.is(200);
        let refused = asked.await.unwrap().is_problem(503, "storage_unavailable");
        assert!(refused.took < Duration::from_secs(8), "{:?}", refused.took);
        assert!(ann.get("/api/v1/users/me").await.json()["avatar_url"].as_str().unwrap().contains("/initials/"));
        // The files that may be there are not forgotten.
        assert_eq!(app.look().await.texts("SELECT users.status FROM pictures JOIN users ON users.id = user_id WHERE delete_after IS NOT NULL").await.len(), 1);
    }
}
