//! T and R of assurance.md: one-time links, codes, and what they do.

use std::time::Duration;

use users::link::Purpose;
use users::{Account, Authority, EmailAddress, Reason, StatusChange};

use super::{PASSWORD, World, client, new_account, on_both};
use crate::{
    CodeError, Keep, LinkError, Registered, ResetPasswordError, SignInError, VerifyEmailError, check_password_reset,
    check_verification, credential, link, link_request,
};

const NEW: &str = "slow comets over granite";
const OTHER: &str = "nine dry herons paint 52 doors";

#[derive(sqlx::FromRow)]
struct Tried {
    failures: i64,
}

pub(super) async fn account(world: &World, email: &str) -> Account {
    let mut read = world.auth.db().read().await.unwrap();
    users::account::find_by_email(&mut read, &address(email)).await.unwrap().unwrap()
}

pub(super) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// What a mail would have: the token of the newest link, and its code.
pub(super) async fn newest(world: &World, email: &str, purpose: Purpose) -> Option<(String, String)> {
    let account = account(world, email).await;
    let mut read = world.auth.db().read().await.unwrap();
    let link = link::newest(&mut read, account.id, purpose, world.clock.now()).await.unwrap()?;
    let other = link::open_other(&world.auth, &mut read, &link).await.unwrap();
    let bond = link::bond(&link, purpose, &account, other.as_deref());
    let links = &world.auth.users().links;
    Some((links.token(&bond), links.code(&bond)))
}

async fn token(world: &World, email: &str, purpose: Purpose) -> String {
    newest(world, email, purpose).await.unwrap().0
}

/// Answers what was asked for by naming an address.
pub(super) async fn answer(world: &World) {
    let mut passed = link_request::FIRST;
    while link_request::answer_next(&world.auth, &mut passed).await.unwrap() {}
}

async fn reset_token(world: &World, email: &str) -> String {
    crate::request_password_reset(&world.auth, &address(email)).await.unwrap();
    answer(world).await;
    token(world, email, Purpose::ResetPassword).await
}

/// A link to sign in with, for somebody whose address is vouched for.
async fn sign_in_token(world: &World, email: &str) -> String {
    let user = account(world, email).await.id;
    let vouched = users::AccountChange { email_verified: Some(true), ..users::AccountChange::default() };
    users::update_account(world.auth.users(), Authority::Operator, user, &vouched, None).await.unwrap();
    crate::request_sign_in_link(&world.auth, &address(email), None).await.unwrap();
    answer(world).await;
    token(world, email, Purpose::SignIn).await
}

async fn change_token(world: &World, who: &crate::SignedIn, email: &str) -> String {
    let (user, session) = (who.account.id, who.session.id);
    crate::request_email_change(&world.auth, user, session, PASSWORD, &address(email)).await.unwrap();
    token(world, who.account.email.as_str(), Purpose::ChangeEmail).await
}

/// Has somebody invited by whoever is at the console.
async fn invite(world: &World, email: &str) {
    let account = users::NewAccount { email: address(email), email_verified: false, name: None, locale: None };
    let new = users::NewProfile { account, roles: None, profile: users::ProfileChange::default() };
    crate::invite(&world.auth, Authority::Operator, &new).await.unwrap();
}

/// Signs somebody up where the address has to be verified first.
async fn sign_up(world: &World, email: &str, password: &str, browser: Option<&str>) {
    let new = crate::NewAccount { password: password.into(), ..new_account(email) };
    let asked = crate::register(&world.auth, new, &client(), browser).await.unwrap();
    assert!(matches!(asked, Registered::ByMail));
    answer(world).await;
}

pub(super) async fn kinds(world: &World) -> Vec<String> {
    let mut read = world.auth.db().read().await.unwrap();
    let rows = storage::ledger::after(&mut read, -1, 1_000).await.unwrap();
    rows.into_iter()
        .map(|(_, body)| serde_json::from_str::<kernel::Event>(&body).unwrap().kind.as_str().to_owned())
        .collect()
}

pub(super) fn forward(world: &World, seconds: u64) {
    world.clock.advance(Duration::from_secs(seconds));
}

/// Whether using this token for this purpose does anything.
async fn works(world: &World, purpose: Purpose, token: &str) -> bool {
    match purpose {
        Purpose::VerifyEmail => crate::verify_email(&world.auth, token, Keep::Everything).await.is_ok(),
        Purpose::ResetPassword => crate::reset_password(&world.auth, token, NEW).await.is_ok(),
        Purpose::ChangeEmail => crate::confirm_email_change(&world.auth, token).await.is_ok(),
        Purpose::Invitation => crate::accept_invitation(&world.auth, token, NEW, None, &client()).await.is_ok(),
        Purpose::SignIn => crate::sign_in_by_link(&world.auth, token, None, &client()).await.is_ok(),
    }
}

on_both! {
    async fn t2_a_hundred_at_once_are_one_and_later_ones_none(world: World) {
        let ann = world.register("ann@example.com").await;
        let tokens = [
            (Purpose::ChangeEmail, change_token(&world, &ann, "ann.lee@example.com").await),
            (Purpose::VerifyEmail, token(&world, "ann@example.com", Purpose::VerifyEmail).await),
            (Purpose::ResetPassword, reset_token(&world, "ann@example.com").await),
        ];
        // Each link is looked at alone: using one of them ends others.
        for (purpose, token) in [&tokens[1], &tokens[2]] {
            let all: Vec<_> = (0..100)
                .map(|_| {
                    let (auth, token, purpose) = (world.auth.clone(), token.clone(), *purpose);
                    tokio::spawn(async move {
                        match purpose {
                            Purpose::VerifyEmail => crate::verify_email(&auth, &token, Keep::Everything).await.is_ok(),
                            _ => crate::reset_password(&auth, &token, NEW).await.is_ok(),
                        }
                    })
                })
                .collect();
            let mut good = 0;
            for one in all {
                good += usize::from(one.await.unwrap());
            }
            assert_eq!(good, 1, "{purpose:?}");
            assert!(!works(&world, *purpose, token).await);
        }
        assert!(!works(&world, Purpose::ChangeEmail, &tokens[0].1).await, "the reset ended the session that had asked");
    }

    async fn t3_a_link_ends_at_its_second(world: World) {
        let ann = world.register("ann@example.com").await;
        let verify = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        let (reset, change) = (reset_token(&world, "ann@example.com").await, change_token(&world, &ann, "x@example.com").await);
        forward(&world, 3_599);
        assert!(check_password_reset(&world.auth, &reset).await.is_ok());
        assert!(crate::check_email_change(&world.auth, &change).await.is_ok());
        forward(&world, 1);
        assert!(!works(&world, Purpose::ResetPassword, &reset).await);
        assert!(!works(&world, Purpose::ChangeEmail, &change).await);
        forward(&world, 23 * 3_600 - 1);
        assert!(check_verification(&world.auth, &verify, None, None).await.is_ok());
        forward(&world, 1);
        assert!(!works(&world, Purpose::VerifyEmail, &verify).await);
    }

    async fn t3_a_link_that_lets_somebody_in_ends_at_its_second(world: World) {
        world.register("ann@example.com").await;
        let signs_in = sign_in_token(&world, "ann@example.com").await;
        forward(&world, 599);
        assert!(crate::check_sign_in_link(&world.auth, &signs_in, None).await.is_ok());
        forward(&world, 1);
        assert!(!works(&world, Purpose::SignIn, &signs_in).await);
        invite(&world, "noor@example.com").await;
        let invited = token(&world, "noor@example.com", Purpose::Invitation).await;
        forward(&world, 7 * 86_400 - 1);
        assert!(crate::check_invitation(&world.auth, &invited).await.is_ok());
        forward(&world, 1);
        assert!(!works(&world, Purpose::Invitation, &invited).await);
    }

    async fn t4_a_link_does_what_it_is_for_and_nothing_else(world: World) {
        for purpose in Purpose::ALL {
            for used_as in Purpose::ALL {
                let name = format!("{}-{}@example.com", purpose.as_str(), used_as.as_str());
                if *purpose == Purpose::Invitation {
                    invite(&world, &name).await;
                } else {
                    world.register(&name).await;
                }
                let made = match purpose {
                    Purpose::ResetPassword => reset_token(&world, &name).await,
                    Purpose::ChangeEmail => {
                        let who = world.sign_in(&name, PASSWORD).await.unwrap();
                        change_token(&world, &who, &format!("new-{name}")).await
                    }
                    Purpose::VerifyEmail | Purpose::Invitation => token(&world, &name, *purpose).await,
                    Purpose::SignIn => sign_in_token(&world, &name).await,
                };
                assert_eq!(works(&world, *used_as, &made).await, purpose == used_as, "{purpose:?} as {used_as:?}");
                // What was refused is not used up.
                assert_eq!(works(&world, *purpose, &made).await, purpose != used_as, "{purpose:?} after {used_as:?}");
            }
        }
        // Nor is it anybody else's: the address that it was made for is another one now.
        let bob = world.register("bob@example.com").await;
        let reset = reset_token(&world, "bob@example.com").await;
        let change = users::AccountChange { email: Some(address("bob2@example.com")), ..users::AccountChange::default() };
        users::update_account(world.auth.users(), Authority::Operator, bob.account.id, &change, None).await.unwrap();
        assert!(!works(&world, Purpose::ResetPassword, &reset).await);
    }

    async fn t6_a_reset_ends_everything_and_signs_nobody_in(world: World) {
        let ann = world.register("ann@example.com").await;
        let other = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        let older = reset_token(&world, "ann@example.com").await;
        forward(&world, 61);
        let newer = reset_token(&world, "ann@example.com").await;
        assert!(matches!(check_password_reset(&world.auth, &older).await, Err(LinkError::InvalidToken)), "an older link");
        for _ in 0..5 {
            assert!(world.sign_in("ann@example.com", "wrong").await.is_err());
        }
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err(), "locked");
        let verifying = token(&world, "ann@example.com", Purpose::VerifyEmail).await;

        let weak = crate::reset_password(&world.auth, &newer, "ann@example.com").await;
        assert!(matches!(weak, Err(ResetPasswordError::WeakPassword(_))), "{weak:?}");
        crate::reset_password(&world.auth, &newer, NEW).await.unwrap();
        assert!(!world.accepts(&ann) && !world.accepts(&other));
        for session in [&ann, &other] {
            assert!(crate::refresh(&world.auth, &session.refresh_token).await.is_err());
        }
        assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(SignInError::InvalidCredentials)));
        world.sign_in("ann@example.com", NEW).await.unwrap();
        assert!(!works(&world, Purpose::ResetPassword, &newer).await && !works(&world, Purpose::VerifyEmail, &verifying).await);
        assert!(!account(&world, "ann@example.com").await.email_verified, "t9: only the step for it verifies");
        if !world.auth.db().is_shared() {
            assert!(kinds(&world).await.ends_with(&["password.reset".into(), "sign_in.failed".into(), "session.started".into()]));
        }
    }

    async fn t9_only_the_step_for_it_verifies_an_address(world: World) {
        let ann = world.register("ann@example.com").await;
        let verify = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        for _ in 0..2 {
            check_verification(&world.auth, &verify, None, None).await.unwrap();
        }
        let unverified = async || !account(&world, "ann@example.com").await.email_verified;
        assert!(unverified().await, "to look at the link changes nothing");
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        crate::change_password(&world.auth, ann.account.id, ann.session.id, PASSWORD, NEW).await.unwrap();
        assert!(unverified().await);
        crate::verify_email(&world.auth, &verify, Keep::Everything).await.unwrap();
        assert!(!unverified().await);
        assert!(world.accepts(&ann), "whoever signed up goes on");
        world.sign_in("ann@example.com", NEW).await.unwrap();
        assert!(!works(&world, Purpose::VerifyEmail, &verify).await);
    }

    async fn t10_who_may_not_use_an_account_uses_no_link_of_it(world: World) {
        let reason = Reason::default();
        for (name, change) in [("suspended", StatusChange::Suspend { until: None }), ("deleted", StatusChange::Delete)] {
            let email = format!("{name}@example.com");
            let who = world.register(&email).await;
            let verify = token(&world, &email, Purpose::VerifyEmail).await;
            let (reset, changed) = (reset_token(&world, &email).await, change_token(&world, &who, &format!("new-{email}")).await);
            let (_, code) = newest(&world, &email, Purpose::VerifyEmail).await.unwrap();
            users::change_status(world.auth.users(), Authority::Operator, who.account.id, change, &reason).await.unwrap();
            for (purpose, token) in
                [(Purpose::VerifyEmail, verify), (Purpose::ResetPassword, reset), (Purpose::ChangeEmail, changed)]
            {
                assert!(!works(&world, purpose, &token).await, "{name}: {purpose:?}");
            }
            let tried = crate::verify_email_by_code(&world.auth, who.account.id, &code).await;
            assert!(matches!(tried, Err(CodeError::InvalidCode)));
            // And none is made for it.
            let before = kinds(&world).await.len();
            forward(&world, 61);
            crate::request_password_reset(&world.auth, &address(&email)).await.unwrap();
            crate::request_verification(&world.auth, &address(&email), None).await.unwrap();
            answer(&world).await;
            assert_eq!(kinds(&world).await.len(), before);
        }
    }

    async fn l10_a_code_works_for_ten_minutes_and_five_tries_whoever_tries(world: World) {
        let ann = world.register("ann@example.com").await;
        let code = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap().1;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let user = ann.account.id;
        let all: Vec<_> = (0..200)
            .map(|_| {
                let auth = world.auth.clone();
                tokio::spawn(async move { crate::verify_email_by_code(&auth, user, wrong).await.is_err() })
            })
            .collect();
        for one in all {
            assert!(one.await.unwrap());
        }
        let mut read = world.auth.db().read().await.unwrap();
        let tried: Tried =
            storage::fetch_one!(&mut read, "SELECT failures FROM links WHERE user_id = $1", user).unwrap();
        drop(read);
        assert_eq!(tried.failures, 5, "two hundred at once are five comparisons");
        assert!(crate::verify_email_by_code(&world.auth, user, &code).await.is_err(), "the right one comes too late");

        forward(&world, 61);
        crate::request_verification(&world.auth, &address("ann@example.com"), None).await.unwrap();
        answer(&world).await;
        let (token, fresh) = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap();
        forward(&world, 600);
        assert!(crate::verify_email_by_code(&world.auth, user, &fresh).await.is_err(), "ten minutes are over");
        assert!(check_verification(&world.auth, &token, None, None).await.is_ok(), "the link beside it still works");
        forward(&world, 61);
        crate::request_verification(&world.auth, &address("ann@example.com"), None).await.unwrap();
        answer(&world).await;
        let fresh = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap().1;
        crate::verify_email_by_code(&world.auth, user, &format!(" {} {}", &fresh[..3], &fresh[3..])).await.unwrap();
        assert!(account(&world, "ann@example.com").await.email_verified);
        assert!(crate::verify_email_by_code(&world.auth, user, &fresh).await.is_err(), "once");
    }

    async fn l11_one_mail_a_minute_and_five_an_hour_are_asked_for(world: World) {
        world.register("ann@example.com").await;
        let mut made = 0;
        let mut before = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        for _ in 0..118 {
            crate::request_verification(&world.auth, &address("ANN@example.com"), None).await.unwrap();
            answer(&world).await;
            let now = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
            made += usize::from(now != before);
            before = now;
            forward(&world, 30);
        }
        assert_eq!(made, 4, "the one of the sign-up was the first");
        forward(&world, 120);
        crate::request_verification(&world.auth, &address("ann@example.com"), None).await.unwrap();
        answer(&world).await;
        assert_ne!(token(&world, "ann@example.com", Purpose::VerifyEmail).await, before, "an hour later there are more");
    }

    async fn r6_without_a_verified_address_nobody_uses_an_account(world: World) {
        let world = world.requiring_verified_email().await;
        sign_up(&world, "ann@example.com", PASSWORD, None).await;
        assert!(matches!(world.sign_in("ann@example.com", PASSWORD).await, Err(SignInError::InvalidCredentials)));
        let link = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        crate::verify_email(&world.auth, &link, Keep::Everything).await.unwrap();
        let ann = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        // Another address from an administrator is not verified: what was begun does not go on.
        let change = users::AccountChange { email_verified: Some(false), ..users::AccountChange::default() };
        users::update_account(world.auth.users(), Authority::Operator, ann.account.id, &change, None).await.unwrap();
        assert!(crate::refresh(&world.auth, &ann.refresh_token).await.is_err());
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
        // A new password does not let them in either, but brings the mail that does.
        forward(&world, 61);
        let reset = reset_token(&world, "ann@example.com").await;
        crate::reset_password(&world.auth, &reset, NEW).await.unwrap();
        assert!(world.sign_in("ann@example.com", NEW).await.is_err());
        let link = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        crate::verify_email(&world.auth, &link, Keep::Everything).await.unwrap();
        world.sign_in("ann@example.com", NEW).await.unwrap();
        // Whoever makes an administrator vouches for the address.
        crate::create_administrator(&world.auth, new_account("root@example.com")).await.unwrap();
        world.sign_in("root@example.com", PASSWORD).await.unwrap();
    }

    async fn r6_who_signed_up_with_the_address_before_its_owner_gets_nothing(world: World) {
        let world = world.requiring_verified_email().await;
        sign_up(&world, "ann@example.com", PASSWORD, Some("the thief's browser")).await;
        let thiefs = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        forward(&world, 61);
        sign_up(&world, "ann@example.com", NEW, Some("ann's browser")).await;
        let anns = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        assert_ne!(anns, thiefs);
        // Behind the thief's link, in any browser but the thief's, the thief's password is asked for.
        assert!(!check_verification(&world.auth, &thiefs, None, Some("ann's browser")).await.unwrap().is_known);
        let wrong = crate::verify_email_with_password(&world.auth, &thiefs, NEW).await;
        assert!(matches!(wrong, Err(VerifyEmailError::WrongPassword)), "{wrong:?}");
        assert!(check_verification(&world.auth, &anns, None, Some("ann's browser")).await.unwrap().is_known);
        assert!(!check_verification(&world.auth, &anns, None, None).await.unwrap().is_known);
        // Nor does the thief's browser enter a code for ann's mail.
        let code = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap().1;
        let there = crate::verify_email_by_code_here(&world.auth, &address("ann@example.com"), "the thief's browser", &code).await;
        assert!(matches!(there, Err(CodeError::InvalidCode)), "{there:?}");
        crate::verify_email_with_password(&world.auth, &anns, NEW).await.unwrap();
        world.sign_in("ann@example.com", NEW).await.unwrap();
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
        assert!(!works(&world, Purpose::VerifyEmail, &thiefs).await, "the links of before are dead");
    }

    async fn r6_a_mail_that_is_sent_again_makes_no_browser_known(world: World) {
        let world = world.requiring_verified_email().await;
        sign_up(&world, "ann@example.com", PASSWORD, Some("the thief's browser")).await;
        forward(&world, 61);
        crate::request_verification(&world.auth, &address("ann@example.com"), Some("ann's browser")).await.unwrap();
        answer(&world).await;
        let (link, code) = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap();
        assert!(!check_verification(&world.auth, &link, None, Some("ann's browser")).await.unwrap().is_known);
        assert!(!check_verification(&world.auth, &link, None, Some("the thief's browser")).await.unwrap().is_known);
        for browser in ["ann's browser", "the thief's browser"] {
            let here = crate::verify_email_by_code_here(&world.auth, &address("ann@example.com"), browser, &code).await;
            assert!(here.is_err(), "{browser}");
        }
        // Who did sign up keeps what they chose.
        crate::verify_email_with_password(&world.auth, &link, PASSWORD).await.unwrap();
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    }

    async fn another_password_ends_the_links_that_would_undo_it(world: World) {
        let ann = world.register("ann@example.com").await;
        let reset = reset_token(&world, "ann@example.com").await;
        crate::change_password(&world.auth, ann.account.id, ann.session.id, PASSWORD, OTHER).await.unwrap();
        assert!(!works(&world, Purpose::ResetPassword, &reset).await);
    }

    async fn r6_whoever_reads_the_mail_takes_over_what_a_stranger_began(world: World) {
        let thief = world.register("ann@example.com").await;
        let change = change_token(&world, &thief, "thief@example.com").await;
        let link = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        assert!(check_verification(&world.auth, &link, Some(thief.account.id), None).await.unwrap().is_known);
        assert!(!check_verification(&world.auth, &link, None, None).await.unwrap().is_known);
        crate::verify_email(&world.auth, &link, Keep::Nothing).await.unwrap();
        assert!(!world.accepts(&thief) && crate::refresh(&world.auth, &thief.refresh_token).await.is_err());
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
        assert!(!works(&world, Purpose::ChangeEmail, &change).await);
        let mut read = world.auth.db().read().await.unwrap();
        assert!(credential::find(&mut read, thief.account.id).await.unwrap().is_none());
        drop(read);
        let reset = reset_token(&world, "ann@example.com").await;
        crate::reset_password(&world.auth, &reset, OTHER).await.unwrap();
        world.sign_in("ann@example.com", OTHER).await.unwrap();
    }

    async fn a_code_is_entered_in_the_browser_that_signed_up(world: World) {
        let world = world.requiring_verified_email().await;
        sign_up(&world, "ann@example.com", PASSWORD, Some("hers")).await;
        let code = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap().1;
        let here = address("ann@example.com");
        assert!(crate::verify_email_by_code_here(&world.auth, &here, "another", &code).await.is_err());
        assert!(crate::verify_email_by_code_here(&world.auth, &address("nobody@example.com"), "hers", &code).await.is_err());
        // The mail once more brings a code for the same browser, and what was chosen comes along.
        forward(&world, 61);
        crate::request_verification(&world.auth, &here, Some("hers")).await.unwrap();
        answer(&world).await;
        let code = newest(&world, "ann@example.com", Purpose::VerifyEmail).await.unwrap().1;
        crate::verify_email_by_code_here(&world.auth, &here, "hers", &code).await.unwrap();
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    }

    async fn r6_a_mail_that_the_owner_asks_for_brings_no_password_of_a_stranger(world: World) {
        let world = world.requiring_verified_email().await;
        sign_up(&world, "ann@example.com", PASSWORD, Some("hers")).await;
        forward(&world, 61);
        sign_up(&world, "ann@example.com", NEW, Some("the thief's")).await;
        for (browser, comes_in) in [(None, None), (Some("hers"), Some(PASSWORD))] {
            forward(&world, 61);
            crate::request_verification(&world.auth, &address("ann@example.com"), browser).await.unwrap();
            answer(&world).await;
            let account = account(&world, "ann@example.com").await;
            let mut read = world.auth.db().read().await.unwrap();
            let newest = link::newest(&mut read, account.id, Purpose::VerifyEmail, world.clock.now()).await.unwrap();
            assert_eq!(newest.unwrap().password_hash.is_some(), comes_in.is_some(), "{browser:?}");
        }
        let link = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        crate::verify_email(&world.auth, &link, Keep::Everything).await.unwrap();
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert!(world.sign_in("ann@example.com", NEW).await.is_err());
    }

    async fn r1_a_verified_address_is_told_that_somebody_signed_up_and_keeps_its_password(world: World) {
        let world = world.requiring_verified_email().await;
        sign_up(&world, "ann@example.com", PASSWORD, None).await;
        let link = token(&world, "ann@example.com", Purpose::VerifyEmail).await;
        crate::verify_email(&world.auth, &link, Keep::Everything).await.unwrap();
        forward(&world, 61);
        sign_up(&world, "Ann@Example.com", NEW, None).await;
        assert!(newest(&world, "ann@example.com", Purpose::VerifyEmail).await.is_none());
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert!(world.sign_in("ann@example.com", NEW).await.is_err());
        if !world.auth.db().is_shared() {
            assert!(kinds(&world).await.iter().any(|kind| kind == "registration.repeated"));
        }
    }
}
