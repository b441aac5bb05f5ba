//! The console: who sees what, and what it takes to do something to somebody.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use kernel::UserId;
use users::{Authority, EmailAddress, Roles};

use super::accounts::attributes;
use super::pictures::{PIXEL, upload};
use super::site::{Browser, ORIGIN, PASSWORD, Site};
use crate::ListenerRow;

/// Gives the account with this address these roles; its id.
async fn appoint(site: &Site, email: &str, roles: &[&str]) -> UserId {
    let roles = Roles::parse(&roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>()).unwrap();
    let mut read = site.auth.db().read().await.unwrap();
    let address = EmailAddress::parse(email).unwrap();
    let id = users::account::find_by_email(&mut read, &address).await.unwrap().unwrap().id;
    drop(read);
    users::change_roles(site.auth.users(), Authority::Operator, id, &roles, None).await.unwrap();
    id
}

pub async fn person<'a>(site: &'a Site, name: &str, roles: &[&str]) -> (Browser<'a>, UserId) {
    let email = format!("{name}@okafor.example");
    let browser = site.signed_up(&email).await;
    let id = appoint(site, &email, roles).await;
    (browser, id)
}

#[tokio::test]
async fn z1_the_console_is_for_those_who_may() {
    let site = Site::new().await;
    let (mut plain, id) = person(&site, "amara", &[]).await;
    let address = format!("/admin/users/{id}");
    let mut nobody = site.browser();
    for path in ["/admin", address.as_str()] {
        let answer = nobody.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(
            answer.location().starts_with("/sign-in?next=%2Fadmin")
                || answer.location().starts_with("/sign-in?next=/admin")
        );
        let refused = plain.get(path).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "forbidden"), "{path}");
    }
    for path in ["roles", "sessions", "security", "do/ban"] {
        assert_eq!(plain.get(&format!("{address}/{path}")).await.code(), "forbidden");
    }
    let forged = plain.post(&format!("{address}/do/ban"), &[("reason", "x")]).await;
    assert_eq!(forged.code(), "forbidden", "of somebody who may not send it, nothing is read");
}

#[tokio::test]
async fn z1_the_account_page_leads_to_the_console_those_who_may() {
    let site = Site::new().await;
    let (mut plain, _) = person(&site, "amara", &[]).await;
    assert!(!plain.get("/account").await.text.contains("/admin"));
    let (mut support, _) = person(&site, "aoife", &["support"]).await;
    assert_eq!(support.get("/account").await.text.matches("href=\"/admin\"").count(), 2, "in the bar, in the menu");
}

#[tokio::test]
async fn z3_whoever_has_fewer_rights_can_look_and_change_nothing() {
    let site = Site::new().await;
    let (_, admin) = person(&site, "jonas", &["admin"]).await;
    let (_, other) = person(&site, "amara", &[]).await;
    let (mut support, _) = person(&site, "aoife", &["support"]).await;
    let page = support.get(&format!("/admin/users/{admin}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("You can look, and change nothing") && !page.text.contains("/do/"));
    let csrf = page.hidden("csrf").to_owned();
    for deed in ["ban", "sign-out", "delete"] {
        assert_eq!(support.get(&format!("/admin/users/{admin}/do/{deed}")).await.code(), "forbidden");
        let fields = [("csrf", csrf.as_str()), ("reason", "x")];
        assert_eq!(support.post(&format!("/admin/users/{admin}/do/{deed}"), &fields).await.code(), "forbidden");
    }
    let fields = [("csrf", csrf.as_str()), ("role", "admin"), ("version", "1")];
    assert_eq!(support.post(&format!("/admin/users/{other}/roles"), &fields).await.code(), "forbidden");
    let page = support.get(&format!("/admin/users/{other}")).await;
    assert!(page.text.contains("/do/ban") && !page.text.contains("/do/delete"), "support may ban, and not delete");
    assert!(
        page.text.contains(">Users</a>") && !page.text.contains("Settings</a>"),
        "the navigation shows what they may"
    );
    assert!(!support.get(&format!("/admin/users/{other}/roles")).await.text.contains("Save roles"));
}

#[tokio::test]
async fn a_ban_asks_why_happens_and_is_lifted() {
    let site = Site::new().await;
    let (mut amara, id) = person(&site, "amara", &[]).await;
    let (mut jonas, own) = person(&site, "jonas", &["admin"]).await;
    let ban = format!("/admin/users/{id}/do/ban");
    let again = jonas.fill(&ban, &ban, &[("reason", " ")]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.title().starts_with("Error: Ban Amara Okafor"), "{}", again.title());
    assert!(amara.is_signed_in().await);
    let done = jonas.fill(&ban, &ban, &[("reason", "Chargebacks, case 8841"), ("until", "7")]).await;
    assert_eq!(
        (done.status, done.location()),
        (StatusCode::SEE_OTHER, format!("/admin/users/{id}?done=banned").as_str())
    );
    assert!(!amara.is_signed_in().await);
    let page = jonas.get(done.location()).await;
    assert!(page.text.contains("Banned.") && page.text.contains("/do/lift") && !page.text.contains("/do/ban"));
    let lift = format!("/admin/users/{id}/do/lift");
    assert_eq!(jonas.fill(&lift, &lift, &[("reason", "A mistake")]).await.status, StatusCode::SEE_OTHER);
    let own_page = jonas.get(&format!("/admin/users/{own}")).await;
    assert!(own_page.text.contains("/do/sign-out") && !own_page.text.contains("/do/ban"));
}

#[tokio::test]
async fn a_ban_shows_how_far_it_has_got_to_those_who_may_see_it() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let new = users::NewRole {
        name: users::RoleName::parse("reader").unwrap(),
        description: users::RoleDescription::parse("Reads accounts").unwrap(),
        permissions: users::OwnPermissions::parse(&["users:read".to_owned()]).unwrap(),
        includes: users::Includes::parse(&[]).unwrap(),
    };
    users::create_role(site.auth.users(), Authority::Operator, &new).await.unwrap();
    let (mut reader, _) = person(&site, "aoife", &["reader"]).await;
    let address = format!("/admin/users/{id}");
    let ban = format!("{address}/do/ban");
    assert_eq!(jonas.fill(&ban, &ban, &[("reason", "Spam")]).await.status, StatusCode::SEE_OTHER);
    assert!(!jonas.get(&address).await.text.contains("id=\"reach\""), "no service listens to a process without a feed");
    let entry = *site.auth.db().head().borrow();
    let applied = Arc::new(AtomicI64::new(entry - 1));
    let told = Arc::clone(&applied);
    site.surroundings.set_listeners(move || {
        let applied = Some((told.load(Ordering::SeqCst), 3));
        vec![ListenerRow { name: "<b>quiz</b>".to_owned(), connections: 1, applied }]
    });
    let page = jonas.get(&address).await.text;
    assert!(page.contains("The ban is on its way") && page.contains("role=\"status\">1 of 2</span>"), "{page}");
    assert!(page.contains("hx-trigger=\"every 2s\"") && page.contains("<bdi>&#60;b&#62;quiz&#60;/b&#62;</bdi>"));
    applied.store(entry, Ordering::SeqCst);
    let page = jonas.get(&address).await.text;
    assert!(page.contains("The ban is everywhere") && page.contains("2 of 2") && !page.contains("every 2s"), "{page}");
    applied.store(entry - 1, Ordering::SeqCst);
    site.clock.advance(std::time::Duration::from_secs(180));
    let page = jonas.get(&address).await.text;
    assert!(page.contains("The ban is on its way") && !page.contains("every 2s"), "an old one is not waited for");
    let page = reader.get(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("id=\"reach\""), "whoever may not read the ledger");
}

#[tokio::test]
async fn roles_are_given_and_a_stale_page_gives_none() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let address = format!("/admin/users/{id}/roles");
    let shown = jonas.get(&address).await;
    let version = shown.hidden("version").to_owned();
    let done = jonas.fill(&address, &address, &[("version", version.as_str()), ("role", "support")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let stale = jonas.fill(&address, &address, &[("version", version.as_str()), ("role", "admin")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(stale.text.contains("The account changed meanwhile"));
    let page = jonas.get(&address).await.text;
    assert!(page.contains("id=\"role-support\" checked") && !page.contains("id=\"role-admin\" checked"));
}

#[tokio::test]
async fn one_session_is_ended_from_the_list() {
    let site = Site::new().await;
    let (mut amara, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let address = format!("/admin/users/{id}/sessions");
    let page = jonas.get(&address).await;
    assert!(page.text.contains("Firefox on Linux"));
    let end = page.text.split(&format!("action=\"{address}/")).nth(1).unwrap().split('"').next().unwrap();
    let done = jonas.fill(&address, &format!("{address}/{end}"), &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!(!amara.is_signed_in().await);
    assert!(jonas.get(&address).await.text.contains("Signed in nowhere"));
}

#[tokio::test]
async fn people_have_the_picture_that_is_kept_here_and_others_their_initials() {
    let site = Site::new().await;
    let (mut amara, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    assert!(!jonas.get("/admin/users").await.text.contains("<img"));
    let token = amara.get("/account").await.hidden("csrf").to_owned();
    let pixel = STANDARD.decode(PIXEL).unwrap();
    let sent = upload(&mut amara, ORIGIN, &[("csrf", token.as_bytes()), ("picture", &pixel)]).await;
    assert_eq!(sent.location(), "/account?done=picture", "{}", sent.text);
    let list = jonas.get("/admin/users").await.text;
    assert_eq!(list.matches("<img src=\"/avatars/").count(), 1, "{list}");
    assert!(list.contains("/64.webp\" alt=\"\"") && list.contains(">AO</span>"));
    assert!(jonas.get(&format!("/admin/users/{id}")).await.text.contains("/256.webp\" alt=\"\""));
    let change = [("csrf", token.as_str()), ("version", "1")];
    amara.post("/account/picture/remove", &change).await;
    assert!(!jonas.get("/admin/users").await.text.contains("<img"));
}

#[tokio::test]
async fn how_an_account_is_kept_is_told_without_its_hash_and_a_lock_is_taken_off() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let (mut support, _) = person(&site, "aoife", &["support"]).await;
    let address = format!("/admin/users/{id}/security");
    let page = support.get(&address).await;
    assert_eq!((page.status, page.text.matches("<h1").count()), (StatusCode::OK, 1));
    assert!(page.text.contains("Hashed here, with Argon2id") && page.text.contains("Not locked"), "{}", page.text);
    assert!(page.text.contains("Last used"), "{}", page.text);
    assert!(page.text.contains("href=\"/admin/users/") && !page.text.contains("$argon2id"));
    let mut stranger = site.browser();
    for _ in 0..5 {
        let fields = [("email", "amara@okafor.example"), ("password", "wrong and wrong again")];
        stranger.fill("/sign-in", "/sign-in", &fields).await;
    }
    settle(&site).await;
    let page = jonas.get(&address).await.text;
    assert!(page.contains("For browsers that did not sign in here before") && !page.contains("Not locked"), "{page}");
    assert!(page.contains("A sign-in failed") && page.contains("Locked after wrong passwords"), "{page}");
    let unlock = format!("/admin/users/{id}/do/unlock");
    assert!(page.contains(&format!("href=\"{unlock}\" data-dialog")));
    assert_eq!(jonas.fill(&unlock, &unlock, &[]).await.status, StatusCode::SEE_OTHER);
    assert!(jonas.get(&address).await.text.contains("Not locked"));
    let made = jonas.fill("/admin/users/new", "/admin/users/new", &[("email", "noor@haddad.example")]).await;
    let made = made.location().split('?').next().unwrap().to_owned();
    assert!(jonas.get(&format!("{made}/security")).await.text.contains("No password"));
}

/// Numbers what has happened, and counts it.
async fn settle(site: &Site) {
    while users::statistics::count_events(site.auth.users()).await.unwrap() {}
}

#[tokio::test]
async fn the_overview_draws_what_was_counted_and_says_it_in_a_table() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let ban = format!("/admin/users/{id}/do/ban");
    assert_eq!(jonas.fill(&ban, &ban, &[("reason", "Spam")]).await.status, StatusCode::SEE_OTHER);
    settle(&site).await;
    let page = jonas.get("/admin/overview").await;
    assert_eq!((page.status, page.text.matches("<h1").count()), (StatusCode::OK, 1));
    assert!(page.text.contains("<dt>Sign-ups, last 24 hours</dt><dd>2</dd>"), "{}", page.text);
    assert!(page.text.contains("21 Sep 14:00: 2 sign-ups"), "the column of the hour says its number");
    assert!(page.text.contains("Show as a table") && page.text.contains("1 banned, 0 deleted"));
    assert!(page.text.contains(&format!("<a href=\"/admin/users/{id}/history\">Banned</a>")));
    let week = jonas.get("/admin/overview?range=7d").await.text;
    assert_eq!(week.matches(": 0 failed</title>").count(), 24 * 7);
    for forbidden in ["style=", "<style", "NaN", "inf"] {
        assert!(!week.contains(forbidden), "{forbidden}");
    }
    assert_eq!(jonas.get("/admin").await.location(), "/admin/overview");
}

#[tokio::test]
async fn f26_the_overview_says_in_time_what_is_down_and_does_not_go_down_with_it() {
    // It takes connections and never says anything.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let bucket = storage::BlobSettings::s3("s3://bucket", &endpoint, "", "id", "secret").unwrap();
    let settings = users::Settings { blobs: storage::Blobs::open(&bucket).unwrap(), ..users::Settings::default() };
    let site = Site::of(settings).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let started = std::time::Instant::now();
    let page = jonas.get("/admin/overview").await;
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(page.status, StatusCode::OK);
    let row = |name: &str| {
        let row = page.text.split(&format!("class=\"lead\">{name}</th>")).nth(1).unwrap_or_default();
        row.split("</tr>").next().unwrap().to_owned()
    };
    assert!(row("File store").contains("data-tone=\"danger\" data-shape=\"bar\">Down"), "{}", page.text);
    assert!(row("Database").contains("Healthy") && row("Gateway").contains("Elsewhere"));
    assert!(row("Jobs").contains("wait, 0 under way") && row("Password checks").contains("Healthy"));
    assert!(!page.text.contains("could not be"), "{}", page.text);
}

#[tokio::test]
async fn the_overview_counts_the_jobs_that_wait_and_the_services_that_listen() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let listener = |name: &str, connections| ListenerRow { name: name.to_owned(), connections, applied: None };
    site.surroundings.set_listeners(move || vec![listener("quiz", 2), listener("mail", 0)]);
    let (id, fields) = (id.to_string(), [("do", "sign_out"), ("start", "1")]);
    let begun = jonas.fill("/admin/users", "/admin/users/bulk", &[&fields[..], &[("id", id.as_str())]].concat()).await;
    assert!(begun.location().starts_with("/admin/jobs/"), "{}", begun.text);
    let page = jonas.get("/admin/overview").await.text;
    let jobs = page.split(">Jobs</th>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(jobs.contains("data-label=\"Now\">1</td>"), "{jobs}");
    let listens = page.split(">Services that listen</th>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(listens.contains("Failing") && listens.contains("1 of 2"), "{listens}");
}

#[tokio::test]
async fn the_history_says_who_did_what_and_why_and_the_header_of_a_banned_person_too() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, own) = person(&site, "jonas", &["admin"]).await;
    let ban = format!("/admin/users/{id}/do/ban");
    let fields = [("reason", "<i>Chargebacks</i> & more"), ("until", "7")];
    assert_eq!(jonas.fill(&ban, &ban, &fields).await.status, StatusCode::SEE_OTHER);
    let page = jonas.get(&format!("/admin/users/{id}/history")).await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in
        ["Reason: &#60;i&#62;Chargebacks", "Signed up", "Until 28 September 2026", &format!("/admin/users/{own}\"")]
    {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
    let shown = jonas.get(&format!("/admin/users/{id}")).await.text;
    assert!(shown.contains("Why they are banned") && shown.contains("&#60;i&#62;Chargebacks&#60;/i&#62; &#38; more"));
    assert_eq!(jonas.get(&format!("/admin/users/{id}/history?before=x")).await.status, StatusCode::NOT_FOUND);
    assert!(jonas.get(&format!("/admin/users/{id}/history?before=0")).await.text.contains("Nothing older"));
}

#[tokio::test]
async fn the_list_is_searched_narrowed_sorted_and_paged_by_its_address() {
    let site = Site::new().await;
    for at in 0..30 {
        person(&site, &format!("p{at:02}"), &[]).await;
    }
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    while users::search::fold_pending(site.auth.users()).await.unwrap() {}
    let page = jonas.get("/admin/users").await;
    assert_eq!((page.status, page.text.matches("rowheader").count()), (StatusCode::OK, 25), "{}", page.text);
    assert!(page.text.contains("31 people") && page.text.contains("aria-sort=\"descending\""));
    let second = jonas.get(&link(&page.text, "next").unwrap()).await.text;
    assert_eq!(second.matches("rowheader").count(), 6);
    assert!(second.contains("First</a>") && link(&second, "next").is_none());
    let found = jonas.get("/admin/users?q=p07%40&sort=name").await.text;
    assert!(
        found.contains("p07@okafor.example")
            && found.contains("1 person that match")
            && found.contains("aria-sort=\"ascending\"")
    );
    for order in ["name", "email", "created_at", "last_login_at"] {
        assert!(found.contains(&format!("q=p07%40&#38;sort={order}\"")), "{order}: also where columns are not shown");
    }
    let admins = jonas.get("/admin/users?role=admin&status=&verified=").await.text;
    assert!(admins.contains("Remove filter: Role admin") && admins.matches("rowheader").count() == 1);
    let dated = jonas.get("/admin/users?created_after=2026-09-22").await.text;
    assert!(dated.contains("No one matches") && dated.contains("Created since"));
}

/// Where a link of this relation leads.
fn link(page: &str, rel: &str) -> Option<String> {
    let before = page.split(&format!("\" rel=\"{rel}\"")).next().filter(|before| before.len() < page.len())?;
    Some(before.rsplit("href=\"").next()?.replace("&#38;", "&"))
}

#[tokio::test]
async fn a_list_is_gone_back_in_page_by_page_and_its_address_stays_short() {
    const PAGES: usize = 11;
    let site = Site::new().await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    for at in 0..(PAGES - 1) * 25 {
        let email = EmailAddress::parse(&format!("p{at:03}@okafor.example")).unwrap();
        let account = users::NewAccount { email, email_verified: false, name: None, locale: None };
        let new = users::NewProfile { account, roles: None, profile: users::ProfileChange::default() };
        users::create_account(site.auth.users(), Authority::Operator, &new).await.unwrap();
    }
    let people = |page: &str| -> Vec<String> {
        page.split("name=\"id\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let mut way = vec!["/admin/users?sort=email".to_owned()];
    let mut seen = Vec::new();
    while let Some(address) = way.last().cloned() {
        let page = jonas.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        assert!(address.len() < 1_600, "{} {address}", address.len());
        seen.push(people(&page.text));
        assert_eq!(link(&page.text, "prev").is_some(), way.len() > 1);
        match link(&page.text, "next") {
            Some(next) => way.push(next),
            None => break,
        }
    }
    assert_eq!((seen.len(), seen.concat().len()), (PAGES, (PAGES - 1) * 25 + 1));
    let mut here = way.last().cloned().unwrap();
    for at in (PAGES - 9..PAGES - 1).rev() {
        here = link(&jonas.get(&here).await.text, "prev").unwrap();
        assert_eq!(people(&jonas.get(&here).await.text), seen[at], "page {at}");
    }
    assert_eq!(link(&jonas.get(&here).await.text, "prev"), None, "so far back is not remembered");
    let third = jonas.get(&way[2]).await.text;
    let second = jonas.get(&link(&third, "prev").unwrap()).await.text;
    assert_eq!(link(&second, "prev").unwrap(), way[0], "before the second is the first, by its own address");
    for wrong in ["x", "first,x", "%00"] {
        let page = jonas.get(&format!("{}&back={wrong}", way[1].split("&back").next().unwrap())).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn a_list_that_finds_nobody_repeats_the_question_and_a_wrong_address_says_so() {
    let site = Site::new().await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let page = jonas.get("/admin/users?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E&status=deleted").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("No one matches “<bdi>&#60;script&#62;alert(1)") && page.text.contains("Clear the filters")
    );
    for wrong in ["sort=nobody", "status=gone", "cursor=x", "created_after=yesterday", "role=%00", "q=a&q=b"] {
        let page = jonas.get(&format!("/admin/users?{wrong}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(page.text.contains("This list cannot be shown"), "{wrong}");
    }
}

#[tokio::test]
async fn an_account_is_made_changed_and_erased_and_two_who_change_it_do_not_overwrite_each_other() {
    let site = Site::new().await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let (mut amara, _) = person(&site, "amara", &[]).await;
    assert_eq!(amara.get("/admin/users/new").await.code(), "forbidden");
    let wrong = jonas.fill("/admin/users/new", "/admin/users/new", &[("email", "x"), ("phone_number", "12")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.title().starts_with("Error: New account") && wrong.text.contains("value=\"x\""));
    let taken = jonas.fill("/admin/users/new", "/admin/users/new", &[("email", "amara@okafor.example")]).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    let fields = [("email", "Noor@haddad.example"), ("name", "Noor Haddad"), ("phone_number", "+43 1 2345678")];
    let made = jonas.fill("/admin/users/new", "/admin/users/new", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let address = made.location().split('?').next().unwrap().to_owned();
    let page = jonas.get(&address).await;
    assert!(page.text.contains("Noor Haddad") && page.text.contains("value=\"+4312345678\""), "{}", page.text);
    let version = page.hidden("version").to_owned();
    let change = [("version", version.as_str()), ("email", "Noor@haddad.example"), ("name", "Noor"), ("bio", "a\r\nb")];
    assert_eq!(jonas.fill(&address, &address, &change).await.status, StatusCode::SEE_OTHER);
    let stale = jonas.fill(&address, &address, &change).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(stale.text.contains("The account changed meanwhile"));
    let erase = format!("{address}/do/erase");
    let other = jonas.fill(&erase, &erase, &[("email", "amara@okafor.example")]).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = jonas.fill(&erase, &erase, &[("email", "Noor@haddad.example")]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER, "{}", gone.text);
    let page = jonas.get(&address).await.text;
    assert!(!page.contains("Noor") && !page.contains("/do/"), "{page}");
}

#[tokio::test]
async fn an_officer_writes_address_settings_and_the_attributes_that_are_theirs_to_write() {
    let site = Site::with(&attributes()).await;
    let (mut amara, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let theirs = [("attributes.shirt_size", "M"), ("attributes.team", "Blue")];
    assert_eq!(amara.fill("/account", "/account/profile", &theirs).await.status, StatusCode::SEE_OTHER);
    let address = format!("/admin/users/{id}");
    let page = jonas.get(&address).await.text;
    assert!(page.contains("id=\"attributes.plan\"") && page.contains("id=\"attributes.risk\""));
    assert!(page.contains(">\nBlue</textarea>"), "{page}");
    assert!(!page.contains("attributes.shirt_size") && page.contains("<dt>Shirt size</dt><dd><bdi>M</bdi></dd>"));
    let fields = [
        ("email", "amara@okafor.example"),
        ("name", "Amara"),
        ("address", "Rue X 1\r\n75001 Paris"),
        ("locale", "pt-br"),
        ("timezone", "africa/lagos"),
        ("preferences", "{\"tier\": 1.10}"),
        ("attributes.plan", "paid"),
        ("attributes.risk", "7"),
        ("attributes.shirt_size", "S"),
    ];
    let saved = jonas.fill(&address, &address, &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = jonas.get(&address).await.text;
    for shown in [
        ">\nRue X 1\n75001 Paris</textarea>",
        "value=\"pt-BR\"",
        "value=\"Africa/Lagos\"",
        ">\n{&#34;tier&#34;: 1.10}</textarea>",
        "<option value=\"paid\" selected>",
        "value=\"7\"",
        "<dt>Shirt size</dt><dd><bdi>M</bdi></dd>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let own = amara.get("/account").await.text;
    assert!(own.contains("<dt>Plan</dt><dd><bdi>paid</bdi></dd>") && !own.contains("Risk"), "{own}");
    let (mut reader, _) = person(&site, "aoife", &["support"]).await;
    let page = reader.get(&address).await.text;
    assert!(page.contains("<bdi>M</bdi>") && page.contains("{&#34;tier&#34;: 1.10}"), "support reads accounts");

    let made = [("email", "noor@haddad.example"), ("address", "Vienna"), ("attributes.plan", "free")];
    let made = jonas.fill("/admin/users/new", "/admin/users/new", &made).await;
    let page = jonas.get(made.location()).await.text;
    assert!(page.contains(">\nVienna</textarea>") && page.contains("<option value=\"free\" selected>"), "{page}");
}

#[tokio::test]
async fn many_are_chosen_asked_about_and_handed_to_a_job() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, _) = person(&site, "jonas", &["admin"]).await;
    let (mut support, _) = person(&site, "aoife", &["support"]).await;
    let id = id.to_string();
    let page = support.get("/admin/users").await.text;
    assert!(page.contains("value=\"suspend\"") && !page.contains("value=\"grant_role\""));
    let refused = support.fill("/admin/users", "/admin/users/bulk", &[("do", "grant_role"), ("id", &id)]).await;
    assert_eq!(refused.code(), "forbidden");
    let bulk = "/admin/users/bulk";
    let nobody = jonas.fill("/admin/users", bulk, &[("do", "suspend")]).await;
    assert_eq!(nobody.location(), "/admin/users?done=nobody");
    let question = jonas.fill("/admin/users", bulk, &[("do", "suspend"), ("id", &id)]).await;
    assert_eq!(question.status, StatusCode::OK);
    assert!(question.text.contains("Ban: 1 person") && question.text.contains(&format!("value=\"{id}\"")));
    let empty = jonas.fill("/admin/users", bulk, &[("do", "suspend"), ("id", &id), ("start", "1")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [("do", "suspend"), ("all", "1"), ("filter", "q=amara"), ("start", "1"), ("reason", "Spam")];
    let begun = jonas.fill("/admin/users", bulk, &fields).await;
    assert!(begun.location().starts_with("/admin/jobs/"), "{}", begun.text);
    let job = jonas.get(begun.location()).await.text;
    assert!(job.contains("Banning") && job.contains("Waits") && job.contains("http-equiv=\"refresh\""));
    assert_eq!(support.get(begun.location()).await.status, StatusCode::NOT_FOUND, "a job is its owner's");
    let cancel = format!("{}/cancel", begun.location());
    assert_eq!(jonas.fill(begun.location(), &cancel, &[]).await.status, StatusCode::SEE_OTHER);
    let job = jonas.get(begun.location()).await.text;
    assert!(job.contains("Stopped") && !job.contains("http-equiv"));
}

#[tokio::test]
async fn a_jobs_page_is_told_how_far_it_is_until_it_is_over_or_the_visitor_is_signed_out() {
    let site = Site::new().await;
    let (_, id) = person(&site, "amara", &[]).await;
    let (mut jonas, own) = person(&site, "jonas", &["admin"]).await;
    let (mut support, _) = person(&site, "aoife", &["support"]).await;
    let id = id.to_string();
    let fields = [("do", "sign_out"), ("start", "1"), ("id", id.as_str())];
    let begun = jonas.fill("/admin/users", "/admin/users/bulk", &fields).await.location().to_owned();
    let events = format!("{begun}/events");
    let page = jonas.get(&begun).await.text;
    assert!(
        page.contains(&format!("data-events=\"{events}\"")) && page.contains("<noscript><meta http-equiv"),
        "{page}"
    );
    assert_eq!(support.get(&events).await.status, StatusCode::NOT_FOUND, "a job is its owner's");
    assert_eq!(site.browser().get(&events).await.status, StatusCode::SEE_OTHER);

    let open = || Request::get(&events).body(Body::empty()).unwrap();
    let stream = jonas.begin(open()).await;
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut stream = stream.into_body().into_data_stream();
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.contains("event: progress\ndata: {") && first.contains("\"queued\""), "{first}");
    let mut other = site.browser();
    other.fill("/sign-in", "/sign-in", &[("email", "jonas@okafor.example"), ("password", PASSWORD)]).await;
    let mut left = other.begin(open()).await.into_body().into_data_stream();
    left.next().await.unwrap().unwrap();
    assert_eq!(jonas.fill("/account", "/account/sessions/end-others", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(jonas.fill(&begun, &format!("{begun}/cancel"), &[]).await.status, StatusCode::SEE_OTHER);
    assert!(left.next().await.is_none(), "whoever was signed out meanwhile is told nothing more");
    let last = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        last.contains("event: ended") && last.contains("\"cancelled\"") && last.contains(&own.to_string()),
        "{last}"
    );
    assert!(stream.next().await.is_none());
    assert!(!jonas.get(&begun).await.text.contains("data-events"));
}
