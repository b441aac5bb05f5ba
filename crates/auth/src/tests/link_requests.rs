//! What somebody asked for by naming an address, until it is answered.

use kernel::UserId;
use storage::{execute, fetch_all};
use users::link::Purpose;

use super::links::{address, answer, forward, kinds, newest};
use super::{World, client, new_account, on_both, registered};

#[derive(sqlx::FromRow)]
struct Asked {
    sealed: Vec<u8>,
}

async fn waiting(world: &World) -> Vec<Asked> {
    let mut read = world.auth.db().read().await.unwrap();
    fetch_all!(&mut read, "SELECT sealed FROM link_requests ORDER BY id LIMIT 10").unwrap()
}

async fn ask_for_a_password(world: &World, email: &str) {
    crate::request_password_reset(&world.auth, &address(email)).await.unwrap();
}

on_both! {
    async fn what_is_asked_for_by_mail_is_kept_sealed_and_goes_when_it_is_answered(world: World) {
        let before = kinds(&world).await.len();
        ask_for_a_password(&world, "ann@example.com").await;
        let kept = waiting(&world).await;
        assert_eq!(kept.len(), 1);
        assert!(!String::from_utf8_lossy(&kept[0].sealed).contains("ann"));
        answer(&world).await;
        assert!(waiting(&world).await.is_empty());
        assert_eq!(kinds(&world).await.len(), before, "nobody has the address, and nothing says that somebody asked");
        let nobody = UserId::new(world.clock.now());
        assert!(crate::verify_email_by_code(&world.auth, nobody, "000000").await.is_err());
        registered(&world.auth, new_account("ann@example.com"), &client()).await.unwrap();
    }

    async fn nobody_waits_for_what_cannot_be_answered(world: World) {
        for email in ["ann@example.com", "bob@example.com"] {
            registered(&world.auth, new_account(email), &client()).await.unwrap();
        }
        ask_for_a_password(&world, "ann@example.com").await;
        answer(&world).await;
        forward(&world, 61);
        // From now on the database refuses a second link for anybody who has one, as it would refuse a row that is broken.
        let mut tx = world.auth.db().begin().await.unwrap();
        execute!(&mut tx, "CREATE UNIQUE INDEX poison ON links (user_id, purpose)").unwrap();
        tx.commit().await.unwrap();
        ask_for_a_password(&world, "ann@example.com").await;
        ask_for_a_password(&world, "bob@example.com").await;
        let auth = world.auth.clone();
        let answering = tokio::spawn(async move { crate::answer_link_requests(&auth).await });
        for _ in 0..500 {
            if newest(&world, "bob@example.com", Purpose::ResetPassword).await.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(newest(&world, "bob@example.com", Purpose::ResetPassword).await.is_some(), "Bob waits for Ann");
        assert_eq!(waiting(&world).await.len(), 1, "Ann is tried again");
        forward(&world, 3_601);
        for _ in 0..500 {
            if waiting(&world).await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(waiting(&world).await.is_empty(), "and given up in the end");
        answering.abort();
    }
}
