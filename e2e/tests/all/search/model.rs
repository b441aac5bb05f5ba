//! Three thousand accounts, and what a list of them has to be, worked out without a database.

use std::cmp::Ordering;

use e2e::Database;
use serde_json::Value;

/// Names beside how they are compared: worked out by hand, so that the program's folding is judged, not repeated.
const NAMES: [(Option<&str>, &str); 24] = [
    (Some("Zoë Ångström"), "zoë ångström"),
    (Some("ZOË ÅNGSTRÖM"), "zoë ångström"),
    (Some("Zoe Angstrom"), "zoe angstrom"),
    (Some("Ａｎｎ Lee"), "ann lee"),
    (Some("ann lee"), "ann lee"),
    (Some("Hannah Annand"), "hannah annand"),
    (Some("100% Bob_Smith"), "100% bob_smith"),
    (Some("100 percent Bob Smith"), "100 percent bob smith"),
    (Some("back\\slash O'Brien"), "back\\slash o'brien"),
    (Some("\"quoted\" -- ; DROP"), "\"quoted\" -- ; drop"),
    (Some("ﬁona ﬂynn"), "fiona flynn"),
    (Some("Ⅷ Henry"), "viii henry"),
    (Some("王小明"), "王小明"),
    (Some("王"), "王"),
    (Some("Ǆemal"), "džemal"),
    (Some("Жанна Д'Арк"), "жанна д'арк"),
    (Some("ΜΑΡΊΑ"), "μαρία"),
    (Some("محمد"), "محمد"),
    (Some("👩\u{200d}🚀 Sally"), "👩\u{200d}🚀 sally"),
    (Some("=1+1"), "=1+1"),
    (Some("x"), "x"),
    (Some("~tilde"), "~tilde"),
    (Some("Maria José de la Cruz y Santos"), "maria josé de la cruz y santos"),
    (None, ""),
];
const DOMAINS: [&str; 4] = ["example.com", "mail.example.org", "xn--bcher-kva.example", "big-corp.example.net"];
const COUNT: u64 = 3_000;
/// 2024-01-01T00:00:00Z, in microseconds.
const BEGINNING: i64 = 1_704_067_200_000_000;
const HOUR: i64 = 3_600_000_000;

struct Account {
    id: String,
    email: String,
    name: Option<String>,
    folded: Option<String>,
    status: &'static str,
    verified: bool,
    created: i64,
    last_login: Option<i64>,
    roles: Vec<&'static str>,
}

pub(super) struct Model(Vec<Account>);

/// A filter, as it is asked for and as it is true of an account.
pub(super) struct Wanted {
    pub(super) pairs: Vec<(&'static str, &'static str)>,
}

/// Numbers that look random and are the same every time (splitmix64).
fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn account(number: u64) -> Account {
    let chance = |salt: u64, of: u64| scattered(number * 16 + salt) % of;
    let (name, folded) = NAMES[usize::try_from(chance(1, 24)).unwrap()];
    let domain = DOMAINS[usize::try_from(chance(2, 4)).unwrap()];
    let id = uuid::Uuid::from_u64_pair(scattered(number), scattered(number + 1_000_000));
    Account {
        id: id.to_string(),
        email: format!(
            "{}.{number}@{domain}",
            ["ann", "bob", "qz", "o'neil", "a_b"][usize::try_from(chance(3, 5)).unwrap()]
        ),
        name: name.map(str::to_owned),
        folded: name.map(|_| folded.to_owned()),
        status: match chance(4, 40) {
            0 => "deleted",
            1 | 2 => "suspended",
            _ => "active",
        },
        verified: chance(5, 3) > 0,
        created: BEGINNING + i64::try_from(chance(6, 400)).unwrap() * HOUR,
        last_login: (chance(7, 3) > 0).then(|| BEGINNING + i64::try_from(chance(8, 900)).unwrap() * HOUR),
        roles: match chance(9, 100) {
            0 => vec!["rare:role", "user"],
            1..30 => vec!["player", "user"],
            _ => vec!["user"],
        },
    }
}

impl Wanted {
    pub(super) fn all() -> Vec<Self> {
        let made = |pairs: &[(&'static str, &'static str)]| Self { pairs: pairs.to_vec() };
        let mut all = vec![made(&[])];
        for q in [
            "ann",
            "ANN L",
            "nn",
            "a",
            "z",
            "qz",
            "Zoë",
            "zoe",
            "ÅNG",
            "100%",
            "%",
            "_",
            "_s",
            "\\",
            "'",
            "\"",
            "--",
            "王",
            "王小",
            "王小明",
            "fi",
            "fiona",
            "VIII",
            "ж",
            "жан",
            "μαρία",
            "محمد",
            "🚀",
            "=1+1",
            "x",
            "example",
            "example.com",
            "bücher",
            "qz.7@big-corp.example.net",
            "@mail",
            ".12",
            "maria josé de la cruz y santos",
            "a*",
            "nobody at all",
            "n@",
            "com",
            "ann.1",
        ] {
            all.push(made(&[("q", q)]));
        }
        for (name, value) in [
            ("role", "player"),
            ("role", "rare:role"),
            ("role", "admin"),
            ("role", "unheard-of"),
            ("status", "active"),
            ("status", "suspended"),
            ("status", "deleted"),
            ("verified", "true"),
            ("verified", "false"),
            ("created_after", "2024-01-10T05:00:00Z"),
            ("created_before", "2024-01-02T00:00:00+01:00"),
            ("last_login_after", "2024-02-05T00:00:00Z"),
        ] {
            all.push(made(&[(name, value)]));
            all.push(made(&[(name, value), ("q", "ann")]));
        }
        all.push(made(&[("role", "rare:role"), ("verified", "false"), ("status", "active")]));
        all.push(made(&[("role", "player"), ("q", "o'"), ("status", "suspended")]));
        all.push(made(&[
            ("created_after", "2024-01-05T00:00:00Z"),
            ("created_before", "2024-01-06T00:00:00Z"),
            ("verified", "true"),
        ]));
        all.push(made(&[
            ("last_login_after", "2024-02-01T00:00:00Z"),
            ("q", "z"),
            ("role", "user"),
            ("verified", "false"),
        ]));
        all
    }

    fn fits(&self, account: &Account) -> bool {
        let moment = |text: &str| {
            let parsed = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
            parsed.unix_timestamp() * 1_000_000
        };
        let of_status = self.pairs.iter().any(|(name, _)| *name == "status") || account.status != "deleted";
        of_status
            && self.pairs.iter().all(|(name, value)| match *name {
                "q" => {
                    let text = folded_query(value);
                    account.email.contains(&text) || account.folded.as_ref().is_some_and(|name| name.contains(&text))
                }
                "role" => account.roles.contains(value),
                "status" => account.status == *value,
                "verified" => account.verified.to_string() == *value,
                "created_after" => account.created >= moment(value),
                "created_before" => account.created < moment(value),
                "last_login_after" => account.last_login.is_some_and(|at| at >= moment(value)),
                other => panic!("{other}"),
            })
    }
}

/// What is looked for, as it is compared: nothing that is typed here needs more.
fn folded_query(text: &str) -> String {
    text.to_lowercase()
}

/// What lacks something comes last.
fn last<T: Ord>(one: Option<&T>, other: Option<&T>) -> Ordering {
    one.is_none().cmp(&other.is_none()).then_with(|| one.cmp(&other))
}

impl Model {
    pub(super) fn make() -> Self {
        Self((0..COUNT).map(account).collect())
    }

    /// Adds an account that the program itself has made.
    pub(super) fn add(&mut self, account: &Value) {
        let moment = |value: &Value| {
            let parsed = time::OffsetDateTime::parse(value.as_str()?, &time::format_description::well_known::Rfc3339);
            i64::try_from(parsed.unwrap().unix_timestamp_nanos() / 1_000).ok()
        };
        self.0.push(Account {
            id: account["id"].as_str().unwrap().to_owned(),
            email: account["email"].as_str().unwrap().to_owned(),
            name: None,
            folded: None,
            status: "active",
            verified: account["email_verified"].as_bool().unwrap(),
            created: moment(&account["created_at"]).unwrap(),
            last_login: moment(&account["last_login_at"]),
            roles: vec!["admin", "user"],
        });
    }

    /// The ids that a list has to show, in its order.
    pub(super) fn list(&self, wanted: &Wanted, sort: &str) -> Vec<String> {
        let mut found: Vec<&Account> = self.0.iter().filter(|account| wanted.fits(account)).collect();
        found.sort_by(|one, other| {
            let by_key = match sort {
                "created_at" | "-created_at" => one.created.cmp(&other.created),
                "email" => one.email.cmp(&other.email),
                "name" => last(one.folded.as_ref(), other.folded.as_ref()),
                "last_login_at" => last(one.last_login.as_ref(), other.last_login.as_ref()),
                other => panic!("{other}"),
            };
            by_key.then_with(|| one.id.cmp(&other.id))
        });
        if sort == "-created_at" {
            found.reverse();
        }
        found.into_iter().map(|account| account.id.clone()).collect()
    }

    /// What writes the accounts, past the program and without what they are searched by.
    pub(super) fn statements(&self, database: Database) -> Vec<String> {
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let id = |id: &str| match database {
            Database::Sqlite => format!("x'{}'", id.replace('-', "")),
            Database::Postgres => format!("CAST('{id}' AS UUID)"),
        };
        let moment = |micros: i64| match database {
            Database::Sqlite => micros.to_string(),
            Database::Postgres => format!("to_timestamp({})", micros / 1_000_000),
        };
        let boolean = |boolean: bool| if boolean { "true" } else { "false" };
        let rows: Vec<String> = self
            .0
            .iter()
            .map(|account| {
                format!(
                    "({}, {}, {}, {}, {}, '{}', 1, 1, 1, {}, {}, {})",
                    id(&account.id),
                    text(&account.email),
                    text(&account.email),
                    boolean(account.verified),
                    account.name.as_deref().map_or("NULL".to_owned(), text),
                    account.status,
                    moment(account.created),
                    moment(account.created),
                    account.last_login.map_or("NULL".to_owned(), moment)
                )
            })
            .collect();
        let roles: Vec<String> = self
            .0
            .iter()
            .flat_map(|account| account.roles.iter().map(move |role| (account, *role)))
            .map(|(account, role)| format!("({}, '{role}', {})", id(&account.id), moment(account.created)))
            .collect();
        let users = rows.chunks(500).map(|rows| {
            format!(
                "INSERT INTO users (id, email, email_canonical, email_verified, name, status, epoch, sessions_from,
                                    version, created_at, updated_at, last_login_at) VALUES {}",
                rows.join(", ")
            )
        });
        let roles = roles
            .chunks(500)
            .map(|rows| format!("INSERT INTO user_roles (user_id, role, granted_at) VALUES {}", rows.join(", ")));
        users.chain(roles).collect()
    }
}
