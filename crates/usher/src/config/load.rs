//! Reading the configuration, and remembering where each value came from.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use toml::{Table, Value};

use super::Config;

/// What the command line can set.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--private-listen`
    pub private_listen: Option<String>,
}

/// Where each key that is not at its default came from.
pub type Sources = BTreeMap<String, String>;

/// Keys whose values are never shown.
const SECRET: [&str; 6] = [
    "secrets.master_key",
    "database.url",
    "gateway.identity_key",
    "services.token",
    "mail.url",
    "blobs.secret_access_key",
];
/// Environment variables begin with this; `__` stands for a dot.
const PREFIX: &str = "USHER_";

/// Reads file, environment and flags, each over the one before.
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<(Config, Sources)> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some(value.into_string().map(|value| (name.clone(), value)).map_err(|_| anyhow!("{name} is not UTF-8")))
    });
    load_from(file, ours.collect::<Result<Vec<_>>>()?.into_iter(), flags)
}

fn load_from(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &Flags,
) -> Result<(Config, Sources)> {
    let defaults = Table::try_from(Config::default())?;
    let known = flatten(&defaults);
    let mut values = known.clone();
    let mut sources = Sources::new();

    if let Some(file) = file {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let table: Table = toml::from_str(&text).map_err(|error| not_toml(file, &text, &error))?;
        refuse_if_others_can_read_secrets(file, &table)?;
        for (key, value) in flatten(&table) {
            let place = format!("file {}", file.display());
            set(&known, &mut values, &mut sources, &key, value, place)?;
        }
    }
    for (name, text) in environment {
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        let value =
            known.get(&key).map_or_else(|| Ok(Value::String(text.clone())), |like| parse(like, &text, &name))?;
        set(&known, &mut values, &mut sources, &key, value, format!("environment {name}"))?;
    }
    let data = flags.data.as_ref().map(|path| path.display().to_string());
    for (key, flag, value) in [
        ("data_dir", "--data", data),
        ("listen", "--listen", flags.listen.clone()),
        ("private_listen", "--private-listen", flags.private_listen.clone()),
    ] {
        if let Some(value) = value {
            set(&known, &mut values, &mut sources, key, Value::String(value), format!("flag {flag}"))?;
        }
    }
    let config = serde_path_to_error::deserialize(Value::Table(unflatten(values))).map_err(|error| {
        let key = error.path().to_string();
        let place = sources.get(&key).cloned().unwrap_or_default();
        anyhow!("`{key}` ({place}) has the wrong type: {}", error.into_inner().message())
    })?;
    Ok((config, sources))
}

/// Where the mistake is. The line itself is not shown: it could hold a secret.
fn not_toml(file: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().and_then(|span| text.get(..span.start)).map_or(0, |before| before.lines().count().max(1));
    anyhow!("{} is not TOML, near line {line}: {}", file.display(), error.message())
}

/// A file with a secret in it is for its owner alone, as `master.key` is.
fn refuse_if_others_can_read_secrets(file: &Path, table: &Table) -> Result<()> {
    let values = flatten(table);
    let is_set = |key: &&&str| values.get(**key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let Some(key) = SECRET.iter().find(is_set) else { return Ok(()) };
    let mode = std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "{file} holds `{key}` and can be read by others (mode {:o}): run `chmod 600 {file}`",
            mode & 0o777,
            file = file.display()
        );
    }
    Ok(())
}

fn set(
    known: &BTreeMap<String, Value>,
    values: &mut BTreeMap<String, Value>,
    sources: &mut Sources,
    key: &str,
    value: Value,
    source: String,
) -> Result<()> {
    if !known.contains_key(key) && !is_in_a_free_table(known, key) {
        bail!("there is no key `{key}` ({source}): did you mean `{}`?", nearest(known, key));
    }
    values.insert(key.to_owned(), value);
    sources.insert(key.to_owned(), source);
    Ok(())
}

/// Whether a key is an operator's own, in a table that is empty by default.
fn is_in_a_free_table(known: &BTreeMap<String, Value>, key: &str) -> bool {
    let table = key.rsplit_once('.').and_then(|(table, _)| known.get(table));
    table.is_some_and(|value| matches!(value, Value::Table(_)))
}

fn nearest<'k>(known: &'k BTreeMap<String, Value>, key: &str) -> &'k str {
    let score = |candidate: &str| {
        let last = |key: &str| key.rsplit('.').next().map(str::to_owned).unwrap_or_default();
        let whole = strsim::jaro_winkler(candidate, key);
        // Many keys end with the same word, so that word alone does not decide.
        2.0 * whole.max(strsim::jaro_winkler(&last(candidate), &last(key))) + whole
    };
    known.keys().max_by(|a, b| score(a).total_cmp(&score(b))).map_or("", String::as_str)
}

/// Reads an environment variable as what its key's default is.
fn parse(like: &Value, text: &str, name: &str) -> Result<Value> {
    let wrong = |kind: &str| anyhow!("{name} has to be {kind}, and is not");
    Ok(match like {
        Value::Integer(_) => Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number"))?),
        Value::Boolean(_) => Value::Boolean(text.trim().parse().map_err(|_| wrong("`true` or `false`"))?),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    })
}

/// `{a: {b: 1}}` as `a.b = 1`.
fn flatten(table: &Table) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                flat.extend(flatten(inner).into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            _ => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat
}

fn unflatten(flat: BTreeMap<String, Value>) -> Table {
    let mut root = Table::new();
    for (key, value) in flat {
        let mut table = &mut root;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.to_owned(), value);
                break;
            }
            let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            match inner {
                Value::Table(inner) => table = inner,
                _ => break,
            }
        }
    }
    root
}

/// One key, for showing.
#[derive(Debug, serde::Serialize)]
pub struct Shown {
    key: String,
    value: String,
    source: String,
}

impl Shown {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Key, value and source.
    pub fn into_parts(self) -> (String, String, String) {
        (self.key, self.value, self.source)
    }
}

/// Every key with its value, secrets masked, and where it came from.
pub fn show(config: &Config, sources: &Sources) -> Vec<Shown> {
    let values = Table::try_from(config.clone()).map(|table| flatten(&table)).unwrap_or_default();
    values
        .into_iter()
        .map(|(key, value)| {
            let source = sources.get(&key).cloned().unwrap_or_else(|| "default".into());
            let is_empty = value.as_str().is_some_and(str::is_empty);
            let masked = SECRET.contains(&key.as_str()) && !is_empty;
            Shown { value: if masked { "\"…\"".into() } else { value.to_string() }, key, source }
        })
        .collect()
}

/// As a table for people.
pub fn shown_as_text(shown: &[Shown]) -> String {
    let width = |of: fn(&Shown) -> &str| shown.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (keys, values) = (width(|row| &row.key), width(|row| &row.value));
    shown.iter().fold(String::new(), |text, row| {
        text + &format!(
            "{:keys$}  {:values$}  {}
",
            row.key, row.value, row.source
        )
    })
}

/// As JSON.
pub fn shown_as_json(shown: &[Shown]) -> String {
    serde_json::to_string_pretty(shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<(Config, Sources)> {
        let file = std::env::temp_dir().join(format!("usher-config-{}-{:p}.toml", std::process::id(), &raw const text));
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded =
            load_from(Some(&file), environment, &Flags { listen: Some("127.0.0.1:1".into()), ..Flags::default() });
        std::fs::remove_file(file).unwrap();
        loaded
    }

    #[test]
    fn flags_go_over_the_environment_over_the_file_over_the_defaults() {
        let text = "listen = '127.0.0.1:3'\n[tokens]\naccess_seconds = 60\nrefresh_seconds = 70\n";
        let environment = [
            ("USHER_LISTEN", "127.0.0.1:2"),
            ("USHER_TOKENS__REFRESH_SECONDS", "80"),
            ("USHER_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ];
        let (config, sources) = load_text(text, &environment).unwrap();
        assert_eq!(config.listen, "127.0.0.1:1");
        assert_eq!((config.tokens.access_seconds, config.tokens.refresh_seconds), (60, 80));
        assert_eq!(config.trusted_proxies, ["10.0.0.0/8", "::1"]);
        assert_eq!(config.auth.lockout.failures, 5);
        assert_eq!(sources["listen"], "flag --listen");
        assert_eq!(sources["tokens.refresh_seconds"], "environment USHER_TOKENS__REFRESH_SECONDS");
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_nearest() {
        let error = load_text("[auth.lockout]\nfailure = 3\n", &[]).err().unwrap().to_string();
        assert!(
            error.contains("auth.lockout.failure`") && error.contains("did you mean `auth.lockout.failures`"),
            "{error}"
        );
        let error = load_text("[foo]\n", &[]).err().unwrap().to_string();
        assert!(error.contains("`foo`"), "{error}");
        let error = load_text("", &[("USHER_DATABSE__URL", "x")]).err().unwrap().to_string();
        assert!(error.contains("USHER_DATABSE__URL") && error.contains("did you mean `database.url`"), "{error}");
    }

    #[test]
    fn wrong_types_name_the_key() {
        let error = load_text("[tokens]\naccess_seconds = 'soon'\n", &[]).err().unwrap().to_string();
        assert!(error.contains("`tokens.access_seconds`"), "{error}");
        let error = load_text("", &[("USHER_LIMITS__ENABLED", "maybe")]).err().unwrap().to_string();
        assert!(error.contains("USHER_LIMITS__ENABLED"), "{error}");
    }

    #[test]
    fn k1_a_file_with_a_secret_is_for_its_owner_alone_and_never_quoted() {
        let file = std::env::temp_dir().join(format!("usher-secret-{}.toml", std::process::id()));
        for (text, mode, good) in [
            ("[secrets]\nmaster_key = 'hunter2'\n", 0o600, true),
            ("[secrets]\nmaster_key = 'hunter2'\n", 0o640, false),
            ("[secrets]\nmaster_key = 'hunter2\n", 0o600, false),
            ("listen = '127.0.0.1:1'\n", 0o644, true),
        ] {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let loaded = load_from(Some(&file), std::iter::empty(), &Flags::default());
            assert_eq!(loaded.is_ok(), good, "{text}");
            let said = loaded.err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(!said.contains("hunter2"), "{said}");
        }
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn secrets_are_masked() {
        let (config, sources) = load_text("[database]\nurl = 'postgres://u:hunter2@h/d'\n", &[]).unwrap();
        let text = shown_as_text(&show(&config, &sources));
        assert!(!text.contains("hunter2") && text.contains("database.url"), "{text}");
        assert!(text.contains("secrets.master_key"));
    }
}
