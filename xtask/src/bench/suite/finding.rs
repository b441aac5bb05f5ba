//! Looking for accounts among a thousand and among very many, and reading one's own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kernel::UserId;
use serde_json::json;
use storage::{Db, Dialect, Settings, execute, fetch_one};
use xtask::postgres::Server;

use super::client::{Connection, get, post};
use super::clients::Same;
use super::load::{Bounds, Measured, closed_loop};
use super::machine::{LOAD_CORE, MEASURED_CORE, Quiet, pin};
use super::program::{Options, Program};
use super::seed::{self, PASSWORD};
use super::table::{Goal, Table, thousands};
use super::work::{Best, CLIENTS};
use super::{Plan, say, visitor};

/// Accounts in the small database.
const FEW: usize = 1_000;
/// What is looked for, and what it is called.
const LOOKS: [(&str, &str); 11] = [
    ("the newest", ""),
    ("by name", "&sort=name"),
    ("a role that one in 2,000 has", "&role=support&sort=email"),
    ("unverified, by name", "&verified=false&sort=name"),
    ("seen lately, by name", "&last_login_after=2025-12-20T00:00:00Z&sort=name"),
    ("three letters that many have", "&q=ann"),
    ("a name that few have, by name", "&q=brz%C4%99cz&sort=name"),
    ("one address", "&q=p777%40"),
    ("two letters", "&q=qu&sort=email"),
    ("one letter", "&q=x&sort=last_login_at"),
    ("what nobody has", "&q=nobodyatall"),
];
const ADMINISTRATOR: &str = "root@bench.example";
/// How long a million accounts may take to become searchable.
const PATIENCE: Duration = Duration::from_mins(10);

/// 29 and 31 of them, so that they come in every combination.
const FIRST_NAMES: &str = "Mary Hannah Zoë Jürgen Annika José Lucía François Chiara Жанна Ольга さくら محمد Ayşe Priya Ngozi \
                           Siti Xavier Quentin Olivia Liam Grace Theodore Björn Íñigo João Éloïse Jiří James";
const FAMILY_NAMES: &str = "Smith O'Brien Fitzgerald Knox Vaughan Müller Schröder Ångström Sørensen García Núñez Fernández \
                            Gonçalves Lefèvre Rossi Esposito Popescu Иванова Wójcik Dvořák 佐藤 العلي Yıldırım Okonkwo \
                            Subramaniam Thompson Whitlock Lindqvist Zimmermann Abernathy Ramírez";

/// How many accounts one statement writes: PostgreSQL's statements end after five seconds.
const PIECE: i64 = 20_000;

/// A program with people in it, and its administrator's token.
struct House {
    program: Program,
    token: String,
    /// Ends after the program.
    _server: Option<Server>,
}

/// Each look among few and among very many, on both databases; then a page and one's own account.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let mut small = House::open(&folder.join("few"), FEW, None).await?;
    let mut large = House::open(&folder.join("very-many"), plan.very_many, None).await?;
    looks(plan, quiet, table, "", &mut small, &mut large).await?;
    page_of_one(plan, quiet, &mut large, table).await?;
    own_account(plan, quiet, &mut small, table).await?;
    drop((small, large));
    let mut small = House::open(&folder.join("few-postgres"), FEW, Some(server()?)).await?;
    let mut large = House::open(&folder.join("very-many-postgres"), plan.very_many, Some(server()?)).await?;
    looks(plan, quiet, table, ", PostgreSQL", &mut small, &mut large).await
}

/// PostgreSQL, on the core of what is measured.
fn server() -> Result<Server> {
    pin(MEASURED_CORE)?;
    let server = Server::start();
    pin(LOAD_CORE)?;
    server
}

async fn looks(
    plan: Plan,
    quiet: &mut Quiet,
    table: &mut Table,
    on: &str,
    small: &mut House,
    large: &mut House,
) -> Result<()> {
    for (name, query) in LOOKS {
        say(&format!("look for {name}{on}"));
        let (few, many) = (small.look(plan, quiet, query).await?, large.look(plan, quiet, query).await?);
        table.load(&format!("list: {name}, {} accounts{on}", thousands(FEW)), &few, &[]);
        let ratio = many.p99.as_secs_f64() / few.p99.as_secs_f64().max(1e-6);
        let goals = [
            Goal::below(many.p99.as_secs_f64() * 1e3, 20.0, "ms at p99"),
            Goal::at_most(ratio, 2.0, &format!("the p99 of {}", thousands(FEW))),
        ];
        table.load(&format!("list: {name}, {} accounts{on}", thousands(plan.very_many)), &many, &goals);
    }
    Ok(())
}

/// The console's page of one person, made on the server for somebody who looks after them.
async fn page_of_one(plan: Plan, quiet: &mut Quiet, house: &mut House, table: &mut Table) -> Result<()> {
    let cookie = visitor::sign_in(house.program.port, ADMINISTRATOR, PASSWORD)?;
    let mut connection = Connection::open(house.program.port).await?;
    let found = get("/api/v1/users?limit=1&sort=name", Some(&house.token));
    let found = connection.call(&found).await?.json(200)?;
    let id = found["items"][0]["id"].as_str().context("there is nobody")?;
    let mut best = Best::none();
    for turn in 1..=plan.turns {
        say(&format!("the console's page of one person: turn {turn}"));
        quiet.wait().await?;
        let client = Same::with_cookie(house.program.port, &format!("/admin/users/{id}"), &cookie).await?;
        best.keep_quickest(closed_loop(vec![client], Bounds::seconds(plan.seconds), &mut house.program.cpu).await?.0);
    }
    let page = best.get()?;
    let goal = Goal::below(page.p99.as_secs_f64() * 1e3, 30.0, "ms at p99");
    table.load(&format!("the console's page of one person, {} accounts", thousands(plan.very_many)), &page, &[goal]);
    Ok(())
}

/// `users/me` beside `auth/me`, which looks nothing up.
async fn own_account(plan: Plan, quiet: &mut Quiet, house: &mut House, table: &mut Table) -> Result<()> {
    let (mut mine, mut who) = (Best::none(), Best::none());
    for turn in 1..=plan.turns {
        say(&format!("my account: turn {turn}"));
        for (best, path) in [(&mut who, "/api/v1/auth/me"), (&mut mine, "/api/v1/users/me")] {
            quiet.wait().await?;
            best.keep(house.load(path, CLIENTS, plan.seconds).await?);
        }
    }
    let (mine, who) = (mine.get()?, who.get()?);
    table.load("auth/me, 32 clients", &who, &[]);
    let share = Goal::above(mine.per_second / who.per_second * 100.0, 80.0, "% of auth/me");
    table.load("users/me, 32 clients", &mine, &[share]);
    Ok(())
}

impl House {
    async fn open(folder: &Path, accounts: usize, server: Option<Server>) -> Result<Self> {
        say(&format!("make {accounts} accounts with names"));
        std::fs::create_dir_all(folder)?;
        let database = server.as_ref().map(Server::url);
        let settings = match &database {
            None => Settings::sqlite(folder.join("usher.db"), 2).for_bulk(),
            Some(url) => Settings::postgres(url.clone(), 2),
        };
        let db = Db::open(&settings, &seed::migrations(), true).await?;
        write_people(&db, accounts).await?;
        db.close().await;
        drop(db);
        let program = Program::start_with(folder, Options { database, ..Options::default() })?;
        program.command(&["admin", "create", "--email", ADMINISTRATOR, "--password-stdin"], PASSWORD)?;
        let mut connection = Connection::open(program.port).await?;
        let body = json!({"email": ADMINISTRATOR, "password": PASSWORD});
        let answer = connection.call(&post("/api/v1/auth/login", &body)).await?.json(200)?;
        let token = answer["access_token"].as_str().context("no token")?.to_owned();
        let mut house = Self { program, token, _server: server };
        house.wait_until_searchable(accounts).await?;
        say("wait until it has come to rest");
        house.program.cpu.wait_until_idle_for(PATIENCE).await?;
        Ok(house)
    }

    /// The upkeep takes accounts in from the lowest id to the highest: the last one is the last.
    async fn wait_until_searchable(&self, accounts: usize) -> Result<()> {
        let begun = tokio::time::Instant::now();
        let path = format!("/api/v1/users?q=p{accounts}%40");
        let request = get(&path, Some(&self.token));
        loop {
            let mut connection = Connection::open(self.program.port).await?;
            let page = connection.call(&request).await?.json(200)?;
            if page["items"].as_array().is_some_and(|items| items.len() == 1) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("the accounts did not become searchable within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn look(&mut self, plan: Plan, quiet: &mut Quiet, query: &str) -> Result<Measured> {
        let path = format!("/api/v1/users?limit=20{query}");
        let mut best = Best::none();
        for _ in 0..plan.turns {
            quiet.wait().await?;
            best.keep_quickest(self.load(&path, 1, plan.seconds).await?);
        }
        best.get()
    }

    async fn load(&mut self, path: &str, clients: usize, seconds: f64) -> Result<Measured> {
        let mut asking = Vec::new();
        for _ in 0..clients {
            asking.push(Same::new(self.program.port, path, Some(&self.token)).await?);
        }
        Ok(closed_loop(asking, Bounds::seconds(seconds), &mut self.program.cpu).await?.0)
    }
}

/// Accounts with names of many kinds, roles, statuses and moments, written by the database itself; on both the same.
async fn write_people(db: &Db, accounts: usize) -> Result<()> {
    let accounts = i64::try_from(accounts)?;
    for from in (1..=accounts).step_by(usize::try_from(PIECE)?) {
        let to = (from + PIECE - 1).min(accounts);
        let mut tx = db.begin().await?;
        match db.dialect() {
            Dialect::Sqlite => {
                let [first, family] =
                    [FIRST_NAMES, FAMILY_NAMES].map(|names| json!(names.split(' ').collect::<Vec<_>>()).to_string());
                execute!(&mut tx, PEOPLE_SQLITE, from, to, first, family)?;
            }
            Dialect::Postgres => {
                execute!(&mut tx, PEOPLE_POSTGRES, from, to, FIRST_NAMES, FAMILY_NAMES)?;
            }
        }
        let (first, end) = (first_id(from)?, first_id(to + 1)?);
        execute!(
            &mut tx,
            "INSERT INTO user_roles (user_id, role, granted_at)
             SELECT id, 'user', created_at FROM users WHERE id >= $1 AND id < $2",
            first,
            end
        )?;
        execute!(
            &mut tx,
            "INSERT INTO user_roles (user_id, role, granted_at)
             SELECT id, 'support', created_at FROM users WHERE id >= $1 AND id < $2
                 AND (email LIKE '%0000@%' OR email LIKE '%2000@%' OR email LIKE '%4000@%' OR email LIKE '%6000@%'
                      OR email LIKE '%8000@%')",
            first,
            end
        )?;
        tx.commit().await?;
    }
    let (written,): (i64,) = fetch_one!(&mut db.read().await?, "SELECT COUNT(*) FROM users")?;
    if written < accounts {
        bail!("{written} accounts instead of {accounts}");
    }
    Ok(())
}

/// The lowest id that an account of this number can have: they came 150 seconds apart (RFC 9562 §5.7).
fn first_id(number: i64) -> Result<UserId> {
    let time = u64::try_from(1_600_000_000_000 + number * 150_000)?.to_be_bytes();
    let mut id = [0; 16];
    id[..6].copy_from_slice(&time[2..]);
    Ok(UserId::from_bytes(id))
}

/// The accounts from one number to another, with first and family names.
const PEOPLE_SQLITE: &str =
    "WITH RECURSIVE numbers (n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $2)
     INSERT INTO users (id, email, email_canonical, email_verified, name, status, epoch, sessions_from, version,
                        created_at, updated_at, last_login_at)
     SELECT unhex(printf('%012x7%03x8%03x%012x', 1600000000000 + n * 150000, n % 4096, n % 4000, n)),
            'p' || n || '@mail' || (n % 7) || '.example', 'p' || n || '@mail' || (n % 7) || '.example', n % 20 <> 0,
            CASE WHEN n % 50 = 0 THEN NULL WHEN n % 100000 = 7 THEN 'Grzegorz Brzęczyszczykiewicz'
                 ELSE json_extract($3, '$[' || (n * 7919 % 29) || ']') || ' ' || json_extract($4, '$[' || (n * 104729 % 31) || ']')
            END,
            CASE n % 200 WHEN 1 THEN 'deleted' WHEN 2 THEN 'suspended' ELSE 'active' END, 1, 1, 1,
            (1600000000000 + n * 150000) * 1000, (1600000000000 + n * 150000) * 1000,
            CASE WHEN n % 5 = 0 THEN NULL ELSE 1600000000000000 + n * 7919 % 1000003 * 160000000 END
     FROM numbers";
const PEOPLE_POSTGRES: &str =
    "INSERT INTO users (id, email, email_canonical, email_verified, name, status, epoch, sessions_from, version,
                        created_at, updated_at, last_login_at)
     SELECT CAST(lpad(to_hex(1600000000000 + n * 150000), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8'
                     || lpad(to_hex(n % 4000), 3, '0') || lpad(to_hex(n), 12, '0') AS uuid),
            'p' || n || '@mail' || (n % 7) || '.example', 'p' || n || '@mail' || (n % 7) || '.example', n % 20 <> 0,
            CASE WHEN n % 50 = 0 THEN NULL WHEN n % 100000 = 7 THEN 'Grzegorz Brzęczyszczykiewicz'
                 ELSE split_part($3, ' ', CAST(n * 7919 % 29 + 1 AS integer)) || ' '
                      || split_part($4, ' ', CAST(n * 104729 % 31 + 1 AS integer))
            END,
            CASE n % 200 WHEN 1 THEN 'deleted' WHEN 2 THEN 'suspended' ELSE 'active' END, 1, 1, 1,
            to_timestamp((1600000000000 + n * 150000) / 1000), to_timestamp((1600000000000 + n * 150000) / 1000),
            CASE WHEN n % 5 = 0 THEN NULL ELSE to_timestamp(1600000000 + n * 7919 % 1000003 * 160) END
     FROM generate_series($1, $2) AS numbers (n)";
