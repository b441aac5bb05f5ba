//! S6 to S11 of assurance.md: cookies, forged forms, other origins, headers and return addresses.

use std::collections::BTreeMap;

use e2e::{Answer, PASSWORD, Setup, TestApp, on_both};
use reqwest::Method;
use reqwest::header::SET_COOKIE;

/// A browser's jar, as far as these tests need one.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

fn csrf_of(page: &Answer) -> String {
    let at = page.body.find("name=\"csrf\" value=\"").expect("a form token") + 19;
    page.body[at..].split('"').next().unwrap().to_owned()
}

/// Shows a page and answers its form token.
async fn open(app: &TestApp, jar: &mut Jar, path: &str) -> (Answer, String) {
    let page = Answer::of(app.request(Method::GET, path).header("cookie", jar.line())).await.is(200);
    jar.keep(&page);
    let csrf = csrf_of(&page);
    (page, csrf)
}

/// Sends a form as the page of `origin` would.
async fn submit(app: &TestApp, jar: &mut Jar, origin: &str, path: &str, form: &[(&str, &str)]) -> Answer {
    let request = app.request(Method::POST, path).header("cookie", jar.line()).header("origin", origin).form(form);
    let answer = Answer::of(request).await;
    jar.keep(&answer);
    answer
}

async fn sign_up(app: &TestApp, origin: &str, email: &str, next: &str) -> (Jar, Answer) {
    let mut jar = Jar::default();
    let (_, csrf) = open(app, &mut jar, "/sign-up").await;
    app.logs.never(email);
    let form = [("csrf", csrf.as_str()), ("name", "Ann"), ("email", email), ("password", PASSWORD), ("next", next)];
    let answer = submit(app, &mut jar, origin, "/sign-up", &form).await;
    (jar, answer.is(303))
}

const HTTPS: &str = "https://accounts.example.com";

on_both! {
    async fn whoever_has_a_picture_is_told_so_without_a_look_at_the_store(app: TestApp) {
        const NOBODY: &str = "01890000-0000-7000-8000-000000000000";
        let tagged = async |path: &str, tag: &str| {
            Answer::of(app.request(Method::GET, path).header("If-None-Match", tag)).await
        };
        // There is no such picture, so the store would say 404.
        let path = format!("/avatars/{NOBODY}/256.webp");
        let tag = format!("\"{NOBODY}-256\"");
        for tag in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
            let answer = tagged(&path, &tag).await.is(304);
            assert!(answer.body.is_empty() && answer.header("cache-control").contains("immutable"));
        }
        for (path, tag) in [(&path, "\"x\""), (&format!("/avatars/{NOBODY}/128.webp"), &*format!("\"{NOBODY}-128\""))] {
            tagged(path, tag).await.is_problem(404, "not_found");
        }
    }

    async fn s6_every_cookie_is_for_this_host_over_https_only(setup: Setup) {
        let app = setup.env("USHER_PUBLIC_URL", HTTPS).start().await;
        let form = app.get("/sign-in").await.is(200);
        let (mut jar, signed_in) = sign_up(&app, HTTPS, "ann@example.com", "").await;
        let (_, csrf) = open(&app, &mut jar, "/account").await;
        let out = submit(&app, &mut jar, HTTPS, "/sign-out", &[("csrf", &csrf)]).await.is(303);
        let mut names = Vec::new();
        for answer in [&form, &signed_in, &out] {
            for cookie in answer.headers.get_all(SET_COOKIE) {
                let cookie = cookie.to_str().unwrap();
                assert!(cookie.starts_with("__Host-"), "{cookie}");
                for part in ["; Secure", "; HttpOnly", "; Path=/"] {
                    assert!(cookie.contains(part), "{part} is missing in {cookie}");
                }
                assert!(cookie.contains("; SameSite=Lax") || cookie.contains("; SameSite=Strict"), "{cookie}");
                assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
                assert!(cookie.len() <= 4096);
                names.push(cookie.split('=').next().unwrap().to_owned());
            }
        }
        assert!(names.len() >= 4, "{names:?}");
    }

    async fn s7_a_session_from_before_a_sign_in_is_worth_nothing_after_it(app: TestApp) {
        let (mut jar, _) = sign_up(&app, &app.url, "ann@example.com", "").await;
        let before = Jar(jar.0.clone());
        open(&app, &mut jar, "/account").await;
        // Somebody signs in on the same browser again, as somebody else.
        let (_, csrf) = { let mut other = Jar::default(); let opened = open(&app, &mut other, "/sign-in").await; jar.0.extend(other.0); opened };
        app.user("bob").await;
        let form = [("csrf", csrf.as_str()), ("email", "bob@example.com"), ("password", PASSWORD)];
        submit(&app, &mut jar, &app.url, "/sign-in", &form).await.is(303);
        let old = Answer::of(app.request(Method::GET, "/account").header("cookie", before.line())).await.is(303);
        assert!(old.header("location").starts_with("/sign-in"), "the old session still works");
        let (page, _) = open(&app, &mut jar, "/account").await;
        assert!(page.body.contains("bob@example.com"));
    }

    async fn s8_forged_forms_change_nothing(app: TestApp) {
        let (mut jar, _) = sign_up(&app, &app.url, "ann@example.com", "").await;
        let (page, csrf) = open(&app, &mut jar, "/account").await;
        assert!(page.header("content-type").starts_with("text/html"));
        let (mut stranger, _) = sign_up(&app, &app.url, "eve@example.com", "").await;
        let (_, strange_csrf) = open(&app, &mut stranger, "/account").await;
        let new = "nine dry herons paint 52 doors";
        for (path, mut form) in [
            ("/account/profile", vec![("name", "Mallory"), ("version", "1")]),
            ("/account/password", vec![("current", PASSWORD), ("new", new)]),
            ("/account/sessions/end-others", vec![]),
            ("/sign-out", vec![]),
        ] {
            let send = |headers: Vec<(&'static str, String)>, form: &[(&str, &str)]| {
                let mut request = app.request(Method::POST, path).header("cookie", jar.line()).form(form);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                Answer::of(request)
            };
            let ours = vec![("origin", app.url.clone())];
            send(ours.clone(), &form).await.is(403);
            form.push(("csrf", &strange_csrf));
            send(ours.clone(), &form).await.is(403);
            form.pop();
            form.push(("csrf", &csrf));
            for foreign in ["https://evil.io", "null", &format!("{}.evil.io", app.url), "http://localhost.evil.io"] {
                send(vec![("origin", foreign.to_owned())], &form).await.is(403);
            }
            for site in ["cross-site", "same-site", "none"] {
                send(vec![("origin", app.url.clone()), ("sec-fetch-site", site.to_owned())], &form).await.is(403);
            }
            send(vec![], &form).await.is(403);
            let text = app.request(Method::POST, path).header("cookie", jar.line()).header("origin", &app.url);
            let text = text.header("content-type", "text/plain").body(format!("csrf={csrf}"));
            Answer::of(text).await.is(403);
            let address = format!("{path}?csrf={csrf}&name=Mallory");
            for method in [Method::GET, Method::HEAD, Method::PUT] {
                let request = app.request(method, &address).header("cookie", jar.line()).header("origin", &app.url);
                let status = Answer::of(request).await.status;
                assert!([404, 405].contains(&status), "{address} was answered {status}");
            }
        }
        let (page, _) = open(&app, &mut jar, "/account").await;
        assert!(!page.body.contains("Mallory"), "a forged form changed the name");
        app.login("ann@example.com", PASSWORD).await.is(200);
        app.logs.never(new);
    }

    async fn s8_a_cookie_opens_no_api(app: TestApp) {
        let (jar, _) = sign_up(&app, &app.url, "ann@example.com", "").await;
        for (method, path) in [(Method::GET, "/api/v1/auth/me"), (Method::POST, "/api/v1/auth/logout"), (Method::DELETE, "/api/v1/auth/sessions")] {
            let request = app.request(method, path).header("cookie", jar.line()).header("origin", &app.url);
            Answer::of(request).await.is_problem(401, "unauthenticated");
        }
    }

    async fn s9_no_other_origin_reads_anything(app: TestApp) {
        let ann = app.user("ann").await;
        for origin in ["https://app.example.com.evil.io", "https://localhost.evil.io", "null", "https://evil.io"] {
            for path in ["/api/v1/auth/me", "/sign-in", "/api/v1/users/me", "/.well-known/openid-configuration"] {
                let answer = Answer::of(ann.request(Method::GET, path).header("origin", origin)).await;
                let allowed = answer.header("access-control-allow-origin");
                assert_ne!(allowed, origin, "{path}");
                assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{path} {origin}");
                let ask = app.request(Method::OPTIONS, path).header("origin", origin);
                let ask = ask.header("access-control-request-method", "POST").header("access-control-request-headers", "authorization");
                assert_ne!(Answer::of(ask).await.header("access-control-allow-origin"), origin, "{path}");
            }
        }
    }

    async fn s10_every_answer_is_guarded(setup: Setup) {
        let app = setup.env("USHER_PUBLIC_URL", HTTPS).start().await;
        let ann = app.user("ann").await;
        for path in ["/", "/sign-in", "/sign-up", "/account", "/docs", "/nowhere", "/api/v1/nowhere", "/api/v1/auth/me", "/health/live", "/.well-known/jwks.json", "/openapi.json", "/favicon.svg"] {
            let answer = ann.get(path).await;
            let header = |name: &str| answer.header(name).to_lowercase();
            let hsts = header("strict-transport-security");
            let age = hsts.split(';').find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u64>().ok());
            assert!(age.is_some_and(|age| age >= 31_536_000) && hsts.contains("includesubdomains"), "{path}: {hsts}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            let policy = header("content-security-policy");
            for part in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
                assert!(policy.contains(part) || policy.contains("default-src 'none'") && part.starts_with("object"), "{path}: no {part} in {policy}");
            }
            assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval") && !policy.contains('*'), "{path}: {policy}");
            assert!(["no-referrer", "same-origin", "strict-origin"].contains(&header("referrer-policy").as_str()), "{path}");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
            assert!(!header("cross-origin-resource-policy").is_empty(), "{path}");
            assert!(!answer.headers.contains_key("server") && !answer.headers.contains_key("x-powered-by"), "{path}");
        }
        for path in ["/api/v1/auth/me", "/api/v1/users/me", "/api/v1/auth/sessions"] {
            assert!(ann.get(path).await.is(200).header("cache-control").contains("no-store"), "{path}");
        }
        for path in ["/sign-in", "/sign-up", "/account"] {
            assert!(app.get(path).await.header("cache-control").contains("no-store"), "{path}");
        }
    }

    async fn s11_a_return_address_stays_on_this_site(app: TestApp) {
        let foreign = [
            "//evil.io", "/\\evil.io", "/%09/evil.io", "https:evil.io", "\\/evil.io", "javascript:alert(1)", "data:text/html,x",
            "@evil.io", "/\r\nSet-Cookie: a=b", "/\u{0}", "https://evil.io", "/\u{2044}evil.io", "//evil.io/..//", "/\t/evil.io", "///evil.io",
        ];
        for (number, next) in foreign.iter().enumerate() {
            let (_, answer) = if next.contains('\u{0}') { continue } else {
                sign_up(&app, &app.url, &format!("ann{number}@example.com"), next).await
            };
            assert_eq!(answer.header("location"), "/account", "{next:?} led away");
            assert!(!answer.headers.contains_key("a"));
        }
        let (_, answer) = sign_up(&app, &app.url, "ann@example.com", "/account?done=profile").await;
        assert_eq!(answer.header("location"), "/account?done=profile");
        let evil = app.get("/sign-in?next=//evil.io").await.is(200);
        assert!(!evil.body.contains("evil.io"), "the page repeats the address");
    }

    async fn s12_signing_out_clears_what_the_browser_kept(app: TestApp) {
        let (mut jar, _) = sign_up(&app, &app.url, "ann@example.com", "").await;
        let (_, csrf) = open(&app, &mut jar, "/account").await;
        let before = jar.line();
        let out = submit(&app, &mut jar, &app.url, "/sign-out", &[("csrf", &csrf)]).await.is(303);
        assert!(out.header("clear-site-data").contains("cache"));
        let again = Answer::of(app.request(Method::GET, "/account").header("cookie", before)).await.is(303);
        assert!(again.header("location").starts_with("/sign-in"));
    }
}
