//! What administrators do to accounts, and what it leaves of tokens.

use std::time::Duration;

use kernel::{Caller, UserId};
use users::{
    Authority, ChangeRolesError, ChangeStatusError, Officer, Reason, Roles, SignOutEverywhereError, Status,
    StatusChange, SuspensionEnd, Users,
};

use super::{PASSWORD, World, new_account, on_both};

const SUSPEND: StatusChange = StatusChange::Suspend { until: None };

async fn account(world: &World, id: UserId) -> users::Account {
    users::account::find(&mut world.auth.db().read().await.unwrap(), id).await.unwrap().unwrap()
}

/// What somebody with these roles in their token may do.
fn authority(user: UserId, roles: &[&str], world: &World) -> Option<Authority> {
    let caller = Caller {
        user,
        session: kernel::SessionId::new(world.clock.now()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        scope: String::new(),
        auth_time: world.clock.now(),
        amr: Vec::new(),
        expires_at: world.clock.now(),
    };
    Officer::prove(&world.auth.users().roles, &caller, users::may::ROLES_GRANT).map(Authority::Officer)
}

async fn administrator(world: &World, email: &str) -> (UserId, Authority) {
    let id = crate::create_administrator(&world.auth, new_account(email)).await.unwrap().id;
    (id, authority(id, &["admin", "user"], world).unwrap())
}

fn roles(names: &[&str]) -> Roles {
    Roles::parse(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>()).unwrap()
}

async fn make_roles(users: &Users, names: &[&str]) {
    for name in names {
        let new = users::NewRole {
            name: users::RoleName::parse(name).unwrap(),
            description: users::RoleDescription::default(),
            permissions: users::OwnPermissions::default(),
            includes: users::Includes::default(),
        };
        users::create_role(users, Authority::Operator, &new).await.unwrap();
    }
}

async fn change(users: &Users, by: Authority, user: UserId, change: StatusChange) -> Result<(), ChangeStatusError> {
    users::change_status(users, by, user, change, &Reason::default()).await
}

/// How many administrators there are that could still do something.
async fn left(world: &World, ids: &[UserId]) -> usize {
    let mut left = 0;
    for id in ids {
        let account = account(world, *id).await;
        left += usize::from(account.status == Status::Active && account.roles.iter().any(|role| role == "admin"));
    }
    left
}

on_both! {
    async fn one_administrator_is_left_after_fifty_parallel_tries(world: World) {
        for round in 0..4 {
            let mut ids = Vec::new();
            for number in 0..3 {
                ids.push(administrator(&world, &format!("root{round}{number}@example.com")).await.0);
            }
            if round > 0 {
                // The one who was left by the round before is out of the way.
                let before = format!("root{}", round - 1);
                for number in 0..3 {
                    let email = users::EmailAddress::parse(&format!("{before}{number}@example.com")).unwrap();
                    let found = users::account::find_by_email(&mut world.auth.db().read().await.unwrap(), &email).await;
                    drop(change(world.auth.users(), Authority::Operator, found.unwrap().unwrap().id, SUSPEND).await);
                }
            }
            let tries = (0..50).map(|number: usize| {
                let (users, target) = (world.auth.users().clone(), ids[number % ids.len()]);
                tokio::spawn(async move {
                    match number % 4 {
                        0 | 1 => change(&users, Authority::Operator, target, SUSPEND).await.is_ok(),
                        2 => change(&users, Authority::Operator, target, StatusChange::Delete).await.is_ok(),
                        _ => {
                            let none = roles(&[]);
                            users::change_roles(&users, Authority::Operator, target, &none, None).await.is_ok()
                        }
                    }
                })
            });
            for one in tries.collect::<Vec<_>>() {
                one.await.unwrap();
            }
            assert_eq!(left(&world, &ids).await, 1, "everybody was tried, and one had to stay");
        }
    }

    async fn two_administrators_who_suspend_each_other_do_not_both_succeed(world: World) {
        let (ann, by_ann) = administrator(&world, "ann@example.com").await;
        let (bob, by_bob) = administrator(&world, "bob@example.com").await;
        for _ in 0..10 {
            let (first, second) = (world.auth.users().clone(), world.auth.users().clone());
            let one = tokio::spawn(async move { change(&first, by_ann, bob, SUSPEND).await });
            let other = tokio::spawn(async move { change(&second, by_bob, ann, SUSPEND).await });
            let (one, other) = (one.await.unwrap(), other.await.unwrap());
            assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
            let refused = one.err().or(other.err()).unwrap();
            assert!(
                matches!(refused, ChangeStatusError::LastAdministrator | ChangeStatusError::Forbidden),
                "{refused:?}"
            );
            for id in [ann, bob] {
                drop(change(world.auth.users(), Authority::Operator, id, StatusChange::Reinstate).await);
            }
        }
    }

    async fn a_token_that_says_administrator_is_not_enough_when_the_account_says_no(world: World) {
        let (ann, by_ann) = administrator(&world, "ann@example.com").await;
        let bob = world.register("bob@example.com").await.account.id;
        let users = world.auth.users();
        assert!(authority(bob, &["user", "administrator"], &world).is_none());
        administrator(&world, "root@example.com").await;

        users::change_roles(users, Authority::Operator, ann, &roles(&[]), None).await.unwrap();
        assert!(matches!(change(users, by_ann, bob, SUSPEND).await, Err(ChangeStatusError::Forbidden)));
        let grant = users::change_roles(users, by_ann, ann, &roles(&["admin"]), None).await;
        assert!(matches!(grant, Err(ChangeRolesError::Forbidden)));
        let out = users::sign_out_everywhere(users, by_ann, bob).await;
        assert!(matches!(out, Err(SignOutEverywhereError::Forbidden)));
        assert_eq!(account(&world, bob).await.status, Status::Active);
        assert_eq!(account(&world, ann).await.roles, ["user"]);

        users::change_roles(users, Authority::Operator, ann, &roles(&["admin"]), None).await.unwrap();
        change(users, by_ann, bob, SUSPEND).await.unwrap();
        change(users, Authority::Operator, ann, SUSPEND).await.unwrap();
        assert!(matches!(change(users, by_ann, bob, StatusChange::Reinstate).await, Err(ChangeStatusError::Forbidden)));
    }

    async fn administrators_do_not_suspend_or_delete_themselves(world: World) {
        let (ann, by_ann) = administrator(&world, "ann@example.com").await;
        let users = world.auth.users();
        let last = change(users, by_ann, ann, SUSPEND).await;
        assert!(matches!(last, Err(ChangeStatusError::LastAdministrator)), "{last:?}");
        administrator(&world, "bob@example.com").await;
        for slip in [SUSPEND, StatusChange::Delete] {
            let refused = change(users, by_ann, ann, slip).await;
            assert!(matches!(refused, Err(ChangeStatusError::OwnAccount)), "{refused:?}");
        }
        assert_eq!(account(&world, ann).await.status, Status::Active);
        // To resign is no slip.
        users::change_roles(users, by_ann, ann, &roles(&[]), None).await.unwrap();
        assert_eq!(account(&world, ann).await.roles, ["user"]);
    }

    async fn wrong_and_unknown_accounts_are_told_apart(world: World) {
        let users = world.auth.users();
        let nobody = UserId::new(world.clock.now());
        let bob = world.register("bob@example.com").await.account.id;
        for wanted in [SUSPEND, StatusChange::Reinstate, StatusChange::Delete, StatusChange::Restore] {
            let unknown = change(users, Authority::Operator, nobody, wanted).await;
            assert!(matches!(unknown, Err(ChangeStatusError::NotFound)), "{unknown:?}");
        }
        let unknown = users::change_roles(users, Authority::Operator, nobody, &roles(&[]), None).await;
        assert!(matches!(unknown, Err(ChangeRolesError::NotFound)));
        let unknown = users::sign_out_everywhere(users, Authority::Operator, nobody).await;
        assert!(matches!(unknown, Err(SignOutEverywhereError::NotFound)));
        let active = change(users, Authority::Operator, bob, StatusChange::Reinstate).await;
        assert!(matches!(active, Err(ChangeStatusError::NotIn(Status::Suspended))), "{active:?}");
    }

    async fn s5_signing_somebody_out_ends_everything_and_the_account_stays(world: World) {
        let ann = world.register("ann@example.com").await;
        let phone = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
        let bob = world.register("bob@example.com").await;
        users::sign_out_everywhere(world.auth.users(), Authority::Operator, ann.account.id).await.unwrap();
        for gone in [&ann, &phone] {
            assert!(!world.accepts(gone));
            assert!(crate::refresh(&world.auth, &gone.refresh_token).await.is_err());
        }
        assert!(crate::session::list(&world.auth, ann.account.id, None, 10).await.unwrap().is_empty());
        assert!(world.accepts(&bob));
        assert!(world.accepts(&world.sign_in("ann@example.com", PASSWORD).await.unwrap()));
    }

    async fn other_roles_end_the_tokens_and_not_the_sessions(world: World) {
        let ann = world.register("ann@example.com").await;
        let (id, users) = (ann.account.id, world.auth.users());
        let before = account(&world, id).await;
        let stale = users::change_roles(users, Authority::Operator, id, &roles(&["x"]), Some(before.version + 1)).await;
        assert!(matches!(stale, Err(ChangeRolesError::Stale)));
        let same = users::change_roles(users, Authority::Operator, id, &roles(&["user"]), None).await.unwrap();
        assert_eq!(same.version, before.version);
        assert!(world.accepts(&ann), "nothing was changed, so nothing ends");

        let wanted = roles(&["player", "quiz:editor"]);
        let unknown = users::change_roles(users, Authority::Operator, id, &wanted, None).await;
        assert!(matches!(&unknown, Err(ChangeRolesError::UnknownRole(name)) if name == "player"), "{unknown:?}");
        assert!(world.accepts(&ann), "nothing was changed, so nothing ends");
        make_roles(users, &["player", "quiz:editor"]).await;
        let changed = users::change_roles(users, Authority::Operator, id, &wanted, Some(before.version)).await.unwrap();
        assert_eq!(changed.roles, ["player", "quiz:editor", "user"]);
        assert_eq!(changed.version, before.version + 1);
        assert!(!world.accepts(&ann), "the old token still says the old roles");
        let next = crate::refresh(&world.auth, &ann.refresh_token).await.unwrap();
        let claims = world.verifier.check(&next.access_token, world.clock.now().unix_seconds()).unwrap();
        assert_eq!(claims.roles, ["player", "quiz:editor", "user"]);

        users::change_roles(users, Authority::Operator, id, &roles(&["player"]), None).await.unwrap();
        assert!(!world.accepts(&next));
        let last = crate::refresh(&world.auth, &next.refresh_token).await.unwrap();
        assert_eq!(last.account.roles, ["player", "user"]);
        assert!(world.accepts(&last));
    }

    async fn there_are_no_more_roles_than_can_be_held_in_memory(world: World) {
        let users = world.auth.users();
        let now = world.clock.now();
        let mut begun = world.auth.db().begin().await.unwrap();
        let tx = &mut begun;
        for number in 3..users::role_record::MAX_ROLES {
            let name = format!("role{number}");
            storage::execute!(
                tx,
                "INSERT INTO roles (name, description, built_in, version, created_at, updated_at)
                 VALUES ($1, '', $2, 1, $3, $3)",
                name,
                false,
                now
            )
            .unwrap();
        }
        begun.commit().await.unwrap();
        let new = users::NewRole {
            name: users::RoleName::parse("one-more").unwrap(),
            description: users::RoleDescription::default(),
            permissions: users::OwnPermissions::default(),
            includes: users::Includes::default(),
        };
        let refused = users::create_role(users, Authority::Operator, &new).await;
        assert!(matches!(refused, Err(users::CreateRoleError::TooMany)), "{refused:?}");
        let gone = users::RoleName::parse("role7").unwrap();
        users::delete_role(users, Authority::Operator, &gone, None).await.unwrap();
        users::create_role(users, Authority::Operator, &new).await.unwrap();
        assert!(users.roles.now().contains("one-more") && !users.roles.now().contains("role7"));
        // A page at a time, each once and in order.
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = users::roles::list(users, after.as_deref(), 200).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            seen.extend(page.into_iter().map(|role| role.name));
        }
        assert_eq!(seen.len(), 500);
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
    }

    async fn a_suspension_with_an_end_ends_by_itself_and_not_before(world: World) {
        let ann = world.register("ann@example.com").await;
        let (id, users) = (ann.account.id, world.auth.users());
        let until = |seconds: i64| {
            let now = world.clock.now();
            StatusChange::Suspend { until: Some(SuspensionEnd::parse(now.plus_seconds(seconds), now).unwrap()) }
        };
        change(users, Authority::Operator, id, until(60)).await.unwrap();
        world.clock.advance(Duration::from_secs(59));
        assert!(!users::lift_expired_suspensions(users).await.unwrap());
        assert_eq!(account(&world, id).await.status, Status::Suspended);
        world.clock.advance(Duration::from_secs(1));
        users::lift_expired_suspensions(users).await.unwrap();
        assert_eq!(account(&world, id).await.status, Status::Active);
        assert!(crate::refresh(&world.auth, &ann.refresh_token).await.is_err(), "what was ended stays ended");
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_ok());

        // An end that was set for an earlier suspension does not end a later one.
        change(users, Authority::Operator, id, until(60)).await.unwrap();
        change(users, Authority::Operator, id, StatusChange::Reinstate).await.unwrap();
        change(users, Authority::Operator, id, SUSPEND).await.unwrap();
        world.clock.advance(Duration::from_secs(3600));
        users::lift_expired_suspensions(users).await.unwrap();
        assert_eq!(account(&world, id).await.status, Status::Suspended);
    }

    async fn many_suspensions_are_lifted_in_rounds_by_several_processes(world: World) {
        let mut ids = Vec::new();
        for number in 0..120 {
            let email = users::EmailAddress::parse(&format!("u{number}@example.com")).unwrap();
            let new = users::NewAccount { email, email_verified: false, name: None, locale: None };
            let mut tx = world.auth.db().begin().await.unwrap();
            let made = users::account::insert(&mut tx, &new, &["user"], world.clock.now()).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            let now = world.clock.now();
            let until = Some(SuspensionEnd::parse(now.plus_seconds(60), now).unwrap());
            change(world.auth.users(), Authority::Operator, made.id, StatusChange::Suspend { until }).await.unwrap();
            ids.push((made.id, account(&world, made.id).await.version));
        }
        world.clock.advance(Duration::from_secs(61));
        let sweeps = (0..3).map(|_| {
            let users = world.auth.users().clone();
            tokio::spawn(async move { while users::lift_expired_suspensions(&users).await.unwrap() {} })
        });
        for sweep in sweeps.collect::<Vec<_>>() {
            sweep.await.unwrap();
        }
        for (id, version) in ids {
            let account = account(&world, id).await;
            assert_eq!((account.status, account.version), (Status::Active, version + 1), "lifted once");
        }
    }
}
