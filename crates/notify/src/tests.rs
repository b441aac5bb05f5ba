//! Ledger to hand-over, on both databases, with a channel that does as a test says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kernel::{Clock, Event, Kind, MasterKeys, Timestamp, UserId};
use users::account::USER;
use users::{DisplayName, EmailAddress, NewAccount};

use super::*;
use crate::in_app::Wanted;

/// One Usher of a test's own.
pub(crate) struct World {
    pub(crate) notify: Notify,
    database: storage::Settings,
    pub(crate) master: MasterKeys,
    pub(crate) clock: Clock,
    /// Where a SQLite file is, for as long as the test lives.
    folder: Option<tempfile::TempDir>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        provider: Provider::Inbox,
        from: Sender::parse("no-reply@id.example.com", "Harbour").unwrap(),
        product: "Harbour".into(),
        origin: "https://id.example.com".into(),
        templates: None,
        language: "en".into(),
        push: push::PushSettings::default(),
        timezone: "UTC".into(),
        categories: Categories::default(),
        messages: Messages::default(),
    }
}

impl World {
    async fn sqlite() -> Self {
        Self::sqlite_with(settings()).await
    }

    async fn sqlite_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = storage::Settings::sqlite(folder.path().join("usher.db"), 4);
        Self { folder: Some(folder), ..Self::on(database, settings, Clock::system()).await }
    }

    async fn postgres() -> Self {
        Self::on(storage::Settings::postgres(new_database().await, 8), settings(), Clock::system()).await
    }

    pub(crate) async fn on(database: storage::Settings, settings: Settings, clock: Clock) -> Self {
        let master = MasterKeys::generate();
        let notify = open(&database, settings, &master, &clock).await;
        let db = notify.db().clone();
        tokio::spawn(async move { db.keep().await });
        Self { notify, database, master, clock, folder: None }
    }

    /// Another process on the same PostgreSQL.
    pub(crate) async fn another_node(&self) -> Notify {
        open(&self.database, settings(), &self.master, &self.clock).await
    }

    /// The same database, with these master keys.
    pub(crate) fn with_master(&self, master: &MasterKeys) -> Notify {
        Notify::new(self.notify.users().clone(), settings(), master).unwrap()
    }

    pub(crate) async fn user(&self, name: &str) -> UserId {
        let mut tx = self.notify.db().begin().await.unwrap();
        let new = NewAccount {
            email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
            email_verified: true,
            name: DisplayName::parse(name).ok(),
            locale: None,
        };
        let account = users::account::insert(&mut tx, &new, &[USER], self.clock.now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        account.id
    }

    pub(crate) async fn happens(&self, event: Event) {
        let mut tx = self.notify.db().begin().await.unwrap();
        tx.append(event);
        tx.commit().await.unwrap();
    }

    async fn password_changed(&self, user: UserId) {
        self.happens(Event::new(Kind::PasswordChanged, self.clock.now()).by(user)).await;
    }

    /// Waits until the ledger has so many entries, and reads them.
    async fn read(&self) {
        let notify = &self.notify;
        for _ in 0..3_000 {
            reader::step(notify, None).await.unwrap();
            let mut read = notify.db().read().await.unwrap();
            let waiting =
                if notify.db().is_shared() { storage::ledger::waiting(&mut read, 10).await.unwrap() } else { 0 };
            let newest = storage::ledger::newest(&mut read).await.unwrap();
            if waiting == 0 && delivery::position(&mut read).await.unwrap() >= newest {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the ledger was not read");
    }

    async fn rows(&self) -> Vec<Row> {
        storage::fetch_all!(
            &mut self.notify.db().read().await.unwrap(),
            "SELECT user_id, template, state, attempts, reason, message_id FROM deliveries ORDER BY id LIMIT 1000"
        )
        .unwrap()
    }

    /// Waits until all deliveries are at their end.
    async fn until(&self, is_so: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        let begun = Instant::now();
        loop {
            let rows = self.rows().await;
            if is_so(&rows) {
                return rows;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{rows:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[derive(Debug, Clone, sqlx::FromRow)]
struct Row {
    user_id: UserId,
    template: String,
    state: String,
    attempts: i64,
    reason: Option<String>,
    message_id: Option<String>,
}

async fn open(database: &storage::Settings, settings: Settings, master: &MasterKeys, clock: &Clock) -> Notify {
    let migrations = [storage::MIGRATIONS, users::MIGRATIONS, MIGRATIONS].concat();
    // All tests run at once: a connection may be waited for longer than a request would.
    let patient = storage::Settings { acquire_timeout: Duration::from_secs(30), ..database.clone() };
    let db = Db::open(&patient, &migrations, true).await.unwrap();
    let users = Users::open(db, clock.clone(), users::Settings::default(), master).await.unwrap();
    Notify::new(users, settings, master).unwrap()
}

/// A database of its own on the server that `cargo xtask test` started.
pub(crate) async fn new_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server =
        std::env::var("TEST_POSTGRES_URL").expect("run `cargo xtask test`: it starts a PostgreSQL for the tests");
    let name = format!("notify_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// What a recipient's mailbox does.
#[derive(Clone)]
enum Mailbox {
    Takes,
    Refuses(SendError),
    /// So many times, then it takes.
    RefusesFirst(u32, SendError),
    Hangs,
    Panics,
}

/// A channel that does as it is told, by the local part of the address.
#[derive(Clone, Default)]
struct Post(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    mailboxes: HashMap<String, Mailbox>,
    taken: Vec<(String, String, Instant)>,
    tries: HashMap<String, u32>,
}

impl Post {
    fn with(self, name: &str, mailbox: Mailbox) -> Self {
        self.0.lock().unwrap().mailboxes.insert(name.into(), mailbox);
        self
    }

    fn taken(&self) -> Vec<(String, String, Instant)> {
        self.0.lock().unwrap().taken.clone()
    }
}

impl Channel for Post {
    const PATIENCE: Duration = Duration::from_secs(8);

    fn name(&self) -> ChannelName {
        ChannelName::Email
    }

    async fn send(&self, message: &Rendered) -> Result<Receipt, SendError> {
        let name = message.address.split('@').next().unwrap().to_owned();
        let (mailbox, tries) = {
            let mut inner = self.0.lock().unwrap();
            let tries = inner.tries.entry(name.clone()).or_default();
            *tries += 1;
            let tries = *tries;
            (inner.mailboxes.get(&name).cloned().unwrap_or(Mailbox::Takes), tries)
        };
        match mailbox {
            Mailbox::Refuses(error) => return Err(error),
            Mailbox::RefusesFirst(times, error) if tries <= times => return Err(error),
            Mailbox::Takes | Mailbox::RefusesFirst(..) => {}
            Mailbox::Hangs => std::future::pending().await,
            Mailbox::Panics => panic!("as it was told"),
        }
        self.0.lock().unwrap().taken.push((name, message.message_id.clone(), Instant::now()));
        Ok(Receipt::default())
    }
}

fn work(notify: &Notify, post: &Post) -> tokio::task::JoinHandle<()> {
    let (notify, post) = (notify.clone(), post.clone());
    tokio::spawn(async move { worker::run(&notify, post).await })
}

macro_rules! on_both {
    ($(async fn $name:ident($world:ident: World) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn body($world: World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body(World::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                body(World::postgres().await).await;
            }
        }
    )+};
}

on_both! {
    async fn an_event_is_told_once_whoever_reads_it(world: World) {
        let ann = world.user("ann").await;
        world.password_changed(ann).await;
        world.read().await;
        // As after a crash between the reading and the note of how far it was.
        let mut tx = world.notify.db().begin().await.unwrap();
        storage::execute!(&mut tx, "UPDATE notify_position SET idx = -1").unwrap();
        tx.commit().await.unwrap();
        world.read().await;
        let post = Post::default();
        let working = work(&world.notify, &post);
        let rows = world.until(|rows| rows.iter().all(|row| row.state == "sent")).await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0].user_id, rows[0].template.as_str(), rows[0].attempts), (ann, "password-changed", 1));
        let taken = post.taken();
        assert_eq!(taken.len(), 1);
        assert_eq!(Some(&taken[0].1), rows[0].message_id.as_ref());
        world.notify.stop();
        working.await.unwrap();
    }

    async fn an_inbox_has_each_message_once_and_keeps_the_newest_thousand(world: World) {
        let (ann, bob) = (world.user("ann").await, world.user("bob").await);
        // What it begins with is what comes from now on.
        world.notify.sweep().await.unwrap();
        world.password_changed(bob).await;
        for _ in 0..1_100 {
            world.password_changed(ann).await;
        }
        world.read().await;
        // As after a crash between the reading and the note of how far it was.
        let mut tx = world.notify.db().begin().await.unwrap();
        storage::execute!(&mut tx, "UPDATE notify_position SET idx = -1").unwrap();
        tx.commit().await.unwrap();
        world.read().await;
        let unread = async |user| in_app::unread(&world.notify, user).await.unwrap();
        assert_eq!((unread(ann).await, unread(bob).await), (1_100, 1));
        let account = users::account::find(&mut world.notify.db().read().await.unwrap(), ann).await.unwrap().unwrap();
        let newest = async || in_app::list(&world.notify, &account, &Wanted::default(), None, 1).await.unwrap();
        let before = newest().await;
        while world.notify.sweep().await.unwrap() {}
        assert_eq!((unread(ann).await, unread(bob).await), (1_000, 1));
        assert_eq!(newest().await[0].id, before[0].id);
        // Half a year later, nothing is left.
        let long_ago = world.clock.now().plus_seconds(-(in_app::KEPT_DAYS + 1) * 86_400);
        let mut tx = world.notify.db().begin().await.unwrap();
        storage::execute!(&mut tx, "UPDATE notifications SET created_at = $1", long_ago).unwrap();
        tx.commit().await.unwrap();
        while world.notify.sweep().await.unwrap() {}
        assert_eq!((unread(ann).await, unread(bob).await), (0, 0));
    }

    async fn what_fails_is_tried_again_with_the_same_message_id_and_what_is_refused_is_not(world: World) {
        let (ann, bob, eve) = (world.user("ann").await, world.user("bob").await, world.user("eve").await);
        for user in [ann, bob, eve] {
            world.password_changed(user).await;
        }
        world.read().await;
        let post = Post::default()
            .with("ann", Mailbox::RefusesFirst(1, SendError::later("450 try later")))
            .with("bob", Mailbox::Refuses(SendError::never("550 no such mailbox")));
        let working = work(&world.notify, &post);
        let rows = world.until(|rows| rows.iter().all(|row| row.state == "sent" || row.state == "dead")).await;
        let of = |user| rows.iter().find(|row| row.user_id == user).unwrap();
        assert_eq!((of(ann).state.as_str(), of(ann).attempts), ("sent", 2));
        assert_eq!((of(eve).state.as_str(), of(eve).attempts), ("sent", 1));
        assert_eq!((of(bob).state.as_str(), of(bob).attempts), ("dead", 1));
        assert_eq!(of(bob).reason.as_deref(), Some("550 no such mailbox"));
        let ids: Vec<String> = post.taken().into_iter().map(|(_, id, _)| id).collect();
        assert!(ids.contains(of(ann).message_id.as_ref().unwrap()), "{ids:?}");
        world.notify.stop();
        working.await.unwrap();
    }

    async fn f11_poison_is_given_up_after_five_and_holds_nobody_up(world: World) {
        let (bad, good) = (world.user("bad").await, world.user("good").await);
        let post = Post::default().with("bad", Mailbox::Panics);
        let working = work(&world.notify, &post);
        let following = tokio::spawn({ let notify = world.notify.clone(); async move { notify.follow().await } });
        for _ in 0..30 {
            world.password_changed(bad).await;
        }
        let happened = Instant::now();
        world.password_changed(good).await;
        world.until(|rows| rows.iter().any(|row| row.user_id == good && row.state == "sent")).await;
        let (_, _, at) = post.taken().into_iter().find(|(name, ..)| name == "good").unwrap();
        assert!(at.duration_since(happened) < Duration::from_secs(5), "{:?}", at.duration_since(happened));
        // The waits between the five are not waited for here.
        while world.rows().await.iter().any(|row| row.state == "queued" || row.state == "failed") {
            let mut tx = world.notify.db().begin().await.unwrap();
            let now = world.clock.now();
            storage::execute!(&mut tx, "UPDATE deliveries SET next_at = $1 WHERE state = 'failed' AND leased_until IS NULL", now).unwrap();
            tx.commit().await.unwrap();
            world.notify.wake();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let rows = world.rows().await;
        for row in rows.iter().filter(|row| row.user_id == bad) {
            assert_eq!((row.state.as_str(), row.attempts), ("dead", 5), "{row:?}");
            assert_eq!(row.reason.as_deref(), Some("the program failed over it"));
        }
        following.abort();
        world.notify.stop();
        working.await.unwrap();
    }

    async fn f13_those_who_hang_hold_nobody_up(world: World) {
        let mut slow = Vec::new();
        for number in 0..60 {
            slow.push(world.user(&format!("slow{number}")).await);
        }
        let good = world.user("good").await;
        let mut post = Post::default();
        for number in 0..60 {
            post = post.with(&format!("slow{number}"), Mailbox::Hangs);
        }
        let following = tokio::spawn({ let notify = world.notify.clone(); async move { notify.follow().await } });
        let working = work(&world.notify, &post);
        for user in &slow {
            world.password_changed(*user).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let happened = Instant::now();
        world.password_changed(good).await;
        world.until(|rows| rows.iter().any(|row| row.user_id == good && row.state == "sent")).await;
        let (_, _, at) = post.taken().into_iter().find(|(name, ..)| name == "good").unwrap();
        assert!(at.duration_since(happened) < Duration::from_secs(5), "{:?}", at.duration_since(happened));
        let rows = world.until(|rows| rows.iter().filter(|row| row.state == "failed").count() == 60).await;
        assert!(rows.iter().all(|row| row.user_id == good || row.reason.as_deref() == Some("no end after 8 seconds")));
        following.abort();
        world.notify.stop();
        working.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_queue_and_hand_each_over_once() {
    let world = World::postgres().await;
    let other = world.another_node().await;
    let ann = world.user("ann").await;
    for _ in 0..200 {
        world.password_changed(ann).await;
    }
    world.read().await;
    let post = Post::default();
    let working = [work(&world.notify, &post), work(&other, &post)];
    world.until(|rows| rows.len() == 200 && rows.iter().all(|row| row.state == "sent")).await;
    let mut ids: Vec<String> = post.taken().into_iter().map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), 200);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    world.notify.stop();
    other.stop();
    for working in working {
        working.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_answers_the_queue_is_not_run_through() {
    let world = World::sqlite().await;
    let ann = world.user("ann").await;
    for _ in 0..200 {
        world.password_changed(ann).await;
    }
    world.read().await;
    let post = Post::default().with("ann", Mailbox::Refuses(SendError::away("connection refused")));
    let working = work(&world.notify, &post);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let rows = world.rows().await;
    let tried: i64 = rows.iter().map(|row| row.attempts).sum();
    assert!((1..=40).contains(&tried), "{tried} tries");
    assert!(rows.iter().all(|row| row.attempts <= 2 && row.state != "dead"), "{rows:?}");
    // As soon as somebody does, all of it goes.
    let post = post.with("ann", Mailbox::Takes);
    world.until(|rows| rows.iter().all(|row| row.state == "sent")).await;
    assert_eq!(post.taken().len(), 200);
    world.notify.stop();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_after_a_day_it_is_given_up_with_the_last_reason() {
    let clock = Clock::fixed(Timestamp::from_unix_seconds(1_795_000_000));
    let folder = tempfile::tempdir().unwrap();
    let database = storage::Settings::sqlite(folder.path().join("usher.db"), 4);
    let world = World::on(database, settings(), clock).await;
    let ann = world.user("ann").await;
    world.password_changed(ann).await;
    world.read().await;
    let post = Post::default().with("ann", Mailbox::Refuses(SendError::later("451 come back")));
    let working = work(&world.notify, &post);
    let begun = Instant::now();
    let rows = loop {
        let rows = world.rows().await;
        if rows[0].state == "dead" {
            break rows;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{rows:?}");
        world.clock.advance(Duration::from_secs(1_800));
        world.notify.wake();
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(rows[0].attempts > 10, "{rows:?}");
    assert_eq!(rows[0].reason.as_deref(), Some("given up after 24 hours; at last: 451 come back"));
    world.notify.stop();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_before_or_long_ago_is_told_to_nobody() {
    let world = World::sqlite().await;
    let ann = world.user("ann").await;
    let long_ago = world.clock.now().plus_seconds(-25 * 3_600);
    world.happens(Event::new(Kind::PasswordChanged, long_ago).by(ann)).await;
    world.read().await;
    let rows = world.rows().await;
    assert_eq!(rows[0].state, "dropped");
    assert!(rows[0].reason.as_deref().unwrap().contains("24 hours"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_development_inbox_keeps_what_would_be_sent_and_keeps_it_sealed() {
    let world = World::sqlite().await;
    let ann = world.user("ann").await;
    world.happens(Event::new(Kind::EmailVerified, world.clock.now()).by(ann).with("new", true)).await;
    world.read().await;
    let notify = world.notify.clone();
    let delivering = tokio::spawn(async move { notify.deliver().await });
    world.until(|rows| rows.iter().all(|row| row.state == "sent")).await;
    let mails = world.notify.development_mails(10).await.unwrap();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("ann <ann@example.com>", "Welcome to Harbour"));
    assert!(mail.text.contains("https://id.example.com/account"), "{}", mail.text);
    let id = world.rows().await[0].message_id.clone().unwrap();
    for header in [
        "From: Harbour <no-reply@id.example.com>",
        "To: ann <ann@example.com>",
        "Auto-Submitted: auto-generated",
        &format!("Message-ID: {id}"),
    ] {
        assert!(mail.source.lines().any(|line| line == header), "{header} in {}", mail.source);
    }
    world.notify.stop();
    delivering.await.unwrap();
    let file = world.folder.as_ref().unwrap().path().join("usher.db");
    world.notify.db().close().await;
    let bytes = std::fs::read(file).unwrap();
    assert!(!bytes.windows(18).any(|window| window == b"Welcome to Harbour"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_provider_nothing_is_sent_and_the_row_says_why() {
    let world = World::sqlite_with(Settings { provider: Provider::None, ..settings() }).await;
    let ann = world.user("ann").await;
    world.password_changed(ann).await;
    world.read().await;
    let rows = world.rows().await;
    assert_eq!((rows.len(), rows[0].state.as_str()), (1, "dropped"));
    assert!(rows[0].reason.as_deref().unwrap().contains("mail.url"));
    assert!(!world.notify.sends_mail() && !world.notify.has_development_inbox());
}
