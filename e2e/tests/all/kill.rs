//! F1 and F2 of assurance.md: the program is killed at random moments of register, login and
//! refresh. What was acknowledged is there afterwards; what was not is not half there; no session
//! has two lineages; and nobody is called a thief for asking again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use e2e::{Answer, PASSWORD, Setup, TestApp, User, on_both};
use reqwest::Method;
use serde_json::json;

/// How often the program is killed on each database.
const KILLS: usize = 60;

/// Numbers that look random and can be had again from the seed that is printed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What the clients were told, and so may rely on.
#[derive(Default)]
struct Told {
    /// Accounts whose sign-up was answered 201.
    registered: Vec<User>,
    /// Sessions whose sign-in was answered 200.
    signed_in: Vec<User>,
    /// Refreshes that were answered.
    refreshes: usize,
}

impl Told {
    /// Whether the kills came so fast that they proved little.
    fn is_too_little(&self) -> bool {
        self.registered.len() < 30 || self.signed_in.len() < 30 || self.refreshes < KILLS
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (up, into) = (self.registered.len(), self.signed_in.len());
        write!(f, "{up} sign-ups, {into} sign-ins and {} refreshes were answered", self.refreshes)
    }
}

/// The program under fire.
struct Target {
    app: TestApp,
    /// How many sign-ups and sign-ins were answered.
    answered: AtomicU64,
}

/// Tries a call; nothing when the program died under it or had no room.
async fn attempt(target: &Target, path: &str, body: serde_json::Value) -> Option<Answer> {
    let answer = Answer::try_of(target.app.request(Method::POST, path).json(&body)).await.ok()?;
    // Refreshes are so quick that they would hide how few of the others there are.
    if !path.ends_with("/refresh") {
        target.answered.fetch_add(1, Ordering::Relaxed);
    }
    (answer.status != 503).then_some(answer)
}

/// Lets this many calls be answered, however busy the machine is; but no longer than some seconds.
async fn wait_for_answers(target: &Target, more: u64) {
    let goal = target.answered.load(Ordering::Relaxed) + more;
    for _ in 0..2_000 {
        if target.answered.load(Ordering::Relaxed) >= goal {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Signs people up until the program dies.
async fn sign_up(target: Arc<Target>, round: usize, who: usize) -> Vec<User> {
    let mut told = Vec::new();
    for number in 0.. {
        let email = format!("user-{round}-{who}-{number}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let Some(answer) = attempt(&target, "/api/v1/auth/register", body).await else { break };
        told.push(User::from_answer(&target.app, &email, PASSWORD, &answer.is(201)));
    }
    told
}

/// Signs somebody in until the program dies.
async fn sign_in(target: Arc<Target>, email: String) -> Vec<User> {
    let mut told = Vec::new();
    loop {
        let body = json!({"email": email, "password": PASSWORD});
        let Some(answer) = attempt(&target, "/api/v1/auth/login", body).await else { return told };
        told.push(User::from_answer(&target.app, &email, PASSWORD, &answer.is(200)));
    }
}

/// Refreshes a session until the program dies. The newest pair that was answered is what goes on;
/// the first refresh after a kill asks again with a token that may have been used already.
async fn refresh(target: Arc<Target>, mut user: User) -> (User, usize) {
    let mut times = 0;
    loop {
        let body = json!({"refresh_token": user.refresh_token});
        let Some(answer) = attempt(&target, "/api/v1/auth/refresh", body).await else { return (user, times) };
        user = User::from_answer(&target.app, &user.email, PASSWORD, &answer.is(200));
        times += 1;
    }
}

async fn check_everything(app: &TestApp, told: &Told, refreshing: &[User]) {
    let mut view = app.look().await;
    let emails = view.texts("SELECT email FROM users").await;
    for user in &told.registered {
        assert!(emails.contains(&user.email), "{} was told 201 and is gone", user.email);
    }
    let accounts = view.texts("SELECT kind FROM ledger WHERE kind = 'account.registered'").await.len();
    assert_eq!(accounts, emails.len(), "one account, one event");
    let halves = "SELECT u.email FROM users u LEFT JOIN passwords p ON p.user_id = u.id WHERE p.user_id IS NULL";
    assert!(view.texts(halves).await.is_empty(), "an account without its password");
    assert_gap_free(&view.texts("SELECT CAST(l.idx AS TEXT) AS number FROM ledger l ORDER BY l.idx").await);
    let alarm = "SELECT kind FROM ledger WHERE kind = 'session.refresh_token_reused'";
    assert!(view.texts(alarm).await.is_empty(), "somebody who asked again was called a thief");

    for user in told.registered.iter().rev().take(20) {
        app.login(&user.email, PASSWORD).await.is(200);
    }
    for user in told.registered.iter().chain(&told.signed_in).chain(refreshing) {
        assert!(user.is_signed_in().await, "an acknowledged session is gone");
    }
    for user in refreshing {
        check_one_lineage(app, user).await;
    }
}

/// From one token, both the client and somebody who copied it ask: they get the same successor.
async fn check_one_lineage(app: &TestApp, user: &User) {
    let (first, second) = (user.refreshed(app).await, user.refreshed(app).await);
    assert_eq!(first.refresh_token, second.refresh_token, "the lineage forked");
    let next = first.refreshed(app).await;
    assert!(next.is_signed_in().await);
}

fn assert_gap_free(indices: &[String]) {
    for (expected, found) in indices.iter().enumerate() {
        assert_eq!(*found, expected.to_string(), "the ledger has a gap");
    }
}

on_both! {
    async fn f1_f2_kill_9_loses_nothing_and_accuses_nobody(setup: Setup) {
        // An attempt that dies half-way stays counted; locking is tested elsewhere.
        let target = Arc::new(Target { app: setup.env("USHER_AUTH__LOCKOUT__FAILURES", "100").start().await, answered: AtomicU64::new(0) });
        let app = &target.app;
        let seed = u64::from(std::process::id()) ^ 0x5eed_0f1e_dead_beef;
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let owner = app.user("owner").await;
        let mut refreshing = vec![app.user("turner").await, app.user("spinner").await];
        let mut told = Told::default();
        let mut kills = 0;
        // On a busy machine little is answered between two kills: then there are more of them.
        while kills < KILLS || (told.is_too_little() && kills < 4 * KILLS) {
            let up: Vec<_> = (0..2).map(|who| tokio::spawn(sign_up(target.clone(), kills, who))).collect();
            let signing_in = tokio::spawn(sign_in(target.clone(), owner.email.clone()));
            let turning: Vec<_> = refreshing.drain(..).map(|user| tokio::spawn(refresh(target.clone(), user))).collect();
            wait_for_answers(&target, dice.roll(5)).await;
            tokio::time::sleep(Duration::from_millis(dice.roll(40))).await;
            app.kill9();
            kills += 1;
            for one in up {
                told.registered.extend(one.await.unwrap());
            }
            told.signed_in.extend(signing_in.await.unwrap());
            for one in turning {
                let (user, times) = one.await.unwrap();
                refreshing.push(user);
                told.refreshes += times;
            }
            app.start().await;
        }
        println!("{kills} kills; {told:?}");
        assert!(!told.is_too_little());
        // An account may have a hundred sessions; the oldest of the owner's made room.
        let gone = told.signed_in.len().saturating_sub(60);
        told.signed_in.drain(..gone);
        app.settle().await;
        check_everything(app, &told, &refreshing).await;
    }
}
