//! Other addresses, deletion, coming back, erasure.

use kernel::{Event, UserId};
use users::{
    Account, Authority, Change, EmailAddress, PersonalChange, PhoneNumber, ProfileChange, Reason, Status, StatusChange,
};

use super::{PASSWORD, World, new_account, on_both};
use crate::{EraseError, LinkError, SignInError};

const DAY: i64 = 86_400;

async fn account(world: &World, id: UserId) -> Account {
    users::account::find(&mut world.auth.db().read().await.unwrap(), id).await.unwrap().unwrap()
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

async fn set_phone(world: &World, id: UserId) {
    let phone_number = Change::Set(PhoneNumber::parse("+49 151 1234567").unwrap());
    let personal = PersonalChange { phone_number, ..PersonalChange::default() };
    let change = ProfileChange { personal, ..ProfileChange::default() };
    users::update_profile(world.auth.users(), id, change, None).await.unwrap();
}

async fn events(world: &World) -> Vec<Event> {
    let mut read = world.auth.db().read().await.unwrap();
    let rows = storage::ledger::after(&mut read, -1, 1_000).await.unwrap();
    rows.into_iter().map(|(_, body)| serde_json::from_str(&body).unwrap()).collect()
}

async fn asked(world: &World, who: &crate::SignedIn, email: &str) -> String {
    let (user, session) = (who.account.id, who.session.id);
    crate::request_email_change(&world.auth, user, session, PASSWORD, &address(email)).await.unwrap();
    crate::pending_link(&world.auth, &account(world, user).await).await.unwrap().unwrap().token
}

async fn is_refused(world: &World, token: &str) -> bool {
    let confirmed = crate::confirm_email_change(&world.auth, token).await;
    matches!(confirmed, Err(LinkError::InvalidToken))
}

on_both! {
    async fn d7_deleted_accounts_come_back_for_30_days_and_are_erased_then(world: World) {
        let (ann, bob) = (world.register("ann@example.com").await, world.register("bob@example.com").await);
        let users = world.auth.users();
        set_phone(&world, ann.account.id).await;
        for person in [&ann, &bob] {
            users::delete_own_account(users, person.account.id).await.unwrap();
            assert!(!world.accepts(person));
        }
        assert!(account(&world, ann.account.id).await.deleted_at.is_some());
        world.clock.advance(std::time::Duration::from_secs((30 * DAY - 1).unsigned_abs()));
        assert!(!crate::erase_expired(&world.auth).await.unwrap());
        let reason = Reason::default();
        let back = |id| users::change_status(users, Authority::Operator, id, StatusChange::Restore, &reason);
        back(bob.account.id).await.unwrap();
        assert_eq!(account(&world, bob.account.id).await.deleted_at, None);
        world.clock.advance(std::time::Duration::from_secs(2));
        let late = back(ann.account.id).await.unwrap_err();
        assert!(matches!(late, users::ChangeStatusError::TooLate), "{late:?}");
        let before = events(&world).await.len();
        for _ in 0..3 {
            crate::erase_expired(&world.auth).await.unwrap();
        }
        let gone = account(&world, ann.account.id).await;
        assert!(gone.erased_at.is_some() && !gone.has_attributes && gone.roles.is_empty());
        assert!(!gone.email.as_str().contains("ann"));
        assert_eq!(account(&world, bob.account.id).await.status, Status::Active);
        if !world.auth.db().is_shared() {
            let after = events(&world).await;
            assert_eq!(after[before..].iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["account.erased"]);
        }
        assert!(matches!(back(ann.account.id).await, Err(users::ChangeStatusError::TooLate)));
        // The address is free again.
        world.register("ann@example.com").await;
    }

    async fn erasing_needs_another_administrator_and_leaves_nothing_to_sign_in_with(world: World) {
        let root = crate::create_administrator(&world.auth, new_account("root@example.com")).await.unwrap();
        let ann = world.register("ann@example.com").await;
        set_phone(&world, ann.account.id).await;
        let last = crate::erase(&world.auth, Authority::Operator, root.id).await;
        assert!(matches!(last, Err(EraseError::LastAdministrator)));
        let officer = users::Officer::of_account(&world.auth.users().roles, &root, "users:erase").unwrap();
        let own = crate::erase(&world.auth, Authority::Officer(officer), root.id).await;
        assert!(matches!(own, Err(EraseError::OwnAccount)));
        assert_eq!(account(&world, root.id).await.status, Status::Active);
        crate::erase(&world.auth, Authority::Officer(officer), ann.account.id).await.unwrap();
        crate::erase(&world.auth, Authority::Officer(officer), ann.account.id).await.unwrap();
        assert!(!world.accepts(&ann));
        let refused = world.sign_in("ann@example.com", PASSWORD).await;
        assert!(matches!(refused, Err(SignInError::InvalidCredentials)));
        let nobody = UserId::new(world.clock.now());
        assert!(matches!(crate::erase(&world.auth, Authority::Operator, nobody).await, Err(EraseError::NotFound)));
    }

    async fn people_are_found_by_their_exact_number_in_any_spelling_and_by_nothing_else(world: World) {
        use users::personal::{Lookup, UnsearchableAttribute, find_by_lookup};
        let (ann, bob) = (world.register("ann@example.com").await, world.register("bob@example.com").await);
        for person in [&ann, &bob] {
            set_phone(&world, person.account.id).await;
        }
        let users = world.auth.users();
        let find = async |number: &str, most: u32| {
            let lookup = Lookup::new(users, "phone_number", number).unwrap();
            find_by_lookup(&mut world.auth.db().read().await.unwrap(), &lookup, most).await.unwrap()
        };
        assert_eq!(find("+49 (151) 123-4567", 10).await, [ann.account.id, bob.account.id]);
        assert_eq!(find("+491511234567", 1).await, [ann.account.id]);
        assert!(find("+491511234568", 10).await.is_empty());
        crate::erase(&world.auth, Authority::Operator, ann.account.id).await.unwrap();
        assert_eq!(find("+491511234567", 10).await, [bob.account.id]);
        assert_eq!(Lookup::new(users, "phone_number", "151").unwrap_err(), UnsearchableAttribute::Value);
        assert_eq!(Lookup::new(users, "address", "Rue X").unwrap_err(), UnsearchableAttribute::Name);
    }

    async fn unlocking_forgets_the_failures_of_an_account_and_of_no_other(world: World) {
        let (ann, _) = (world.register("ann@example.com").await, world.register("bob@example.com").await);
        for email in ["ann@example.com", "bob@example.com"] {
            for _ in 0..5 {
                assert!(world.sign_in(email, "wrong").await.is_err());
            }
            assert!(world.sign_in(email, PASSWORD).await.is_err());
        }
        crate::unlock(&world.auth, Authority::Operator, ann.account.id).await.unwrap();
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        assert!(world.sign_in("bob@example.com", PASSWORD).await.is_err());
    }

    async fn r11_an_address_changes_by_its_newest_link_once_within_an_hour(world: World) {
        let ann = world.register("ann@example.com").await;
        let other = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        let older = asked(&world, &ann, "ann.old@example.com").await;
        let newer = asked(&world, &ann, "Ann.Lee@example.com").await;
        assert!(is_refused(&world, &older).await, "an older link");
        for wrong in ["", "AAAA", &newer[1..], &"A".repeat(500)] {
            assert!(is_refused(&world, wrong).await, "{wrong}");
        }
        for position in (0..newer.len()).step_by(7) {
            let mut edited = newer.clone().into_bytes();
            edited[position] = if edited[position] == b'A' { b'B' } else { b'A' };
            assert!(is_refused(&world, std::str::from_utf8(&edited).unwrap()).await);
        }
        assert_eq!(account(&world, ann.account.id).await.email.as_str(), "ann@example.com");
        crate::confirm_email_change(&world.auth, &newer).await.unwrap();
        let changed = account(&world, ann.account.id).await;
        assert_eq!(changed.email.as_str(), "Ann.Lee@example.com");
        assert!(changed.email_verified);
        assert!(is_refused(&world, &newer).await, "a used link");
        assert!(world.accepts(&ann) && !world.accepts(&other));
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
        world.sign_in("ann.lee@example.com", PASSWORD).await.unwrap();
        let late = asked(&world, &ann, "late@example.com").await;
        world.clock.advance(std::time::Duration::from_secs(3_601));
        assert!(is_refused(&world, &late).await, "an old link");
    }

    async fn r11_a_taken_address_is_found_out_when_the_link_is_opened(world: World) {
        let (ann, bob) = (world.register("ann@example.com").await, world.register("bob@example.com").await);
        let taken = asked(&world, &ann, "BOB@example.com").await;
        assert!(is_refused(&world, &taken).await);
        let (first, second) = (asked(&world, &ann, "new@example.com").await, asked(&world, &bob, "new@example.com").await);
        crate::confirm_email_change(&world.auth, &first).await.unwrap();
        assert!(is_refused(&world, &second).await);
        assert_eq!(account(&world, bob.account.id).await.email.as_str(), "bob@example.com");
        // A link that was asked for under another address is none any more.
        let before = asked(&world, &bob, "bob.new@example.com").await;
        let change = users::AccountChange { email: Some(address("bob2@example.com")), ..users::AccountChange::default() };
        users::update_account(world.auth.users(), Authority::Operator, bob.account.id, &change, None).await.unwrap();
        assert!(is_refused(&world, &before).await);
        assert!(!world.accepts(&bob), "another address from an administrator ends all sessions");
    }

    async fn r11_a_hundred_at_once_change_it_once(world: World) {
        let ann = world.register("ann@example.com").await;
        let token = asked(&world, &ann, "ann.lee@example.com").await;
        let all: Vec<_> = (0..100)
            .map(|_| {
                let (auth, token) = (world.auth.clone(), token.clone());
                tokio::spawn(async move { crate::confirm_email_change(&auth, &token).await.is_ok() })
            })
            .collect();
        let mut good = 0;
        for one in all {
            good += usize::from(one.await.unwrap());
        }
        assert_eq!(good, 1);
    }

    async fn what_ends_the_trust_in_a_session_ends_what_it_asked_for(world: World) {
        const NEW: &str = "slow comets over granite";
        let ann = world.register("ann@example.com").await;
        let user = ann.account.id;
        let other = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        let token = asked(&world, &ann, "thief@example.com").await;
        crate::change_password(&world.auth, user, other.session.id, PASSWORD, NEW).await.unwrap();
        assert!(is_refused(&world, &token).await, "another password ends the session that asked");

        crate::request_email_change(&world.auth, user, other.session.id, NEW, &address("two@example.com")).await.unwrap();
        let token = crate::pending_link(&world.auth, &account(&world, user).await).await.unwrap().unwrap().token;
        users::sign_out_everywhere(world.auth.users(), Authority::Operator, user).await.unwrap();
        assert!(is_refused(&world, &token).await);
        // Nor does a session that has ended ask for anything more.
        for session in [ann.session.id, other.session.id] {
            let asked = crate::request_email_change(&world.auth, user, session, NEW, &address("three@example.com")).await;
            assert!(matches!(asked, Err(crate::RequestEmailChangeError::Gone)), "{asked:?}");
            let changed = crate::change_password(&world.auth, user, session, NEW, PASSWORD).await;
            assert!(matches!(changed, Err(crate::ChangePasswordError::Gone)), "{changed:?}");
        }
        assert_eq!(account(&world, user).await.email.as_str(), "ann@example.com");
    }

    async fn nobody_vouches_for_their_own_address(world: World) {
        let root = crate::create_administrator(&world.auth, new_account("root@example.com")).await.unwrap();
        let by = users::Officer::of_account(&world.auth.users().roles, &root, users::may::USERS_WRITE).unwrap();
        let nothing = users::AccountChange::default;
        let email = users::AccountChange { email: Some(address("thief@example.com")), ..nothing() };
        let verified = users::AccountChange { email_verified: Some(!root.email_verified), ..nothing() };
        for change in [email, verified] {
            let refused =
                users::update_account(world.auth.users(), Authority::Officer(by), root.id, &change, None).await;
            assert!(matches!(refused, Err(users::UpdateAccountError::OwnAccount)), "{refused:?}");
        }
        assert_eq!(account(&world, root.id).await.version, root.version);
    }

    async fn asking_for_an_address_needs_the_password_and_locks_like_any_guess(world: World) {
        let ann = world.register("ann@example.com").await;
        let ask = async |password: &str| {
            let new = address("ann.lee@example.com");
            crate::request_email_change(&world.auth, ann.account.id, ann.session.id, password, &new).await
        };
        for _ in 0..5 {
            assert!(matches!(ask("wrong").await, Err(crate::RequestEmailChangeError::WrongPassword)));
        }
        assert!(matches!(ask(PASSWORD).await, Err(crate::RequestEmailChangeError::WrongPassword)), "locked");
        let account = account(&world, ann.account.id).await;
        assert!(crate::pending_link(&world.auth, &account).await.unwrap().is_none());
        world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    }
}
