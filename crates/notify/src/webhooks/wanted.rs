//! What a webhook is called, and which events it wants.

use kernel::Kind;

/// How many kinds a webhook can name.
const MOST_KINDS: usize = 100;

/// What a webhook is called: 1 to 64 of `a-z 0-9 - _ .`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookName(String);

/// Not a webhook's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Use 1 to 64 of a-z, 0-9, -, _ and . for the name.")]
pub struct InvalidWebhookName;

impl WebhookName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookName> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidWebhookName) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which kinds of events a webhook wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WantedKinds {
    /// All that there are and will be.
    #[default]
    All,
    /// These: `account.locked`, or all of an area, `account.*`.
    These(Vec<String>),
}

/// Not kinds of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKinds {
    /// There is no such kind.
    #[error("`{0}` is not a kind of event. Use names like account.locked, or account.* for all of an area.")]
    Unknown(String),
    /// More than 100.
    #[error("Name at most 100 kinds of events.")]
    TooMany,
}

impl WantedKinds {
    /// Reads names; none are all. One that stands twice counts once.
    pub fn parse(names: &[String]) -> Result<Self, InvalidKinds> {
        if names.is_empty() {
            return Ok(Self::All);
        }
        if names.len() > MOST_KINDS {
            return Err(InvalidKinds::TooMany);
        }
        let mut these: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            if !Kind::ALL.iter().any(|kind| matches(name, kind.as_str())) {
                return Err(InvalidKinds::Unknown(name.chars().filter(|c| !c.is_control()).take(64).collect()));
            }
            if !these.contains(name) {
                these.push(name.clone());
            }
        }
        Ok(Self::These(these))
    }

    /// Whether an event of this kind is wanted.
    pub fn include(&self, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|name| matches(name, kind)),
        }
    }

    /// Their names; nothing for all.
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::These(names) => Some(names),
        }
    }

    pub(super) fn stored(&self) -> Option<String> {
        // A list of texts can always be written as JSON.
        self.names().map(|names| serde_json::to_string(names).unwrap_or_default())
    }

    /// A list that cannot be read asks for nothing: nobody is told what they have not asked for.
    pub(super) fn from_stored(text: Option<&str>) -> Self {
        text.map_or(Self::All, |text| Self::These(serde_json::from_str(text).unwrap_or_default()))
    }
}

/// Whether a kind is meant by this name.
fn matches(name: &str, kind: &str) -> bool {
    match name.strip_suffix(".*") {
        Some(area) => kind.strip_prefix(area).is_some_and(|rest| rest.starts_with('.')),
        None => name == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_one_by_one_or_by_area() {
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let some = WantedKinds::parse(&names(&["account.*", "role.created", "role.created"])).unwrap();
        assert_eq!(some.names().unwrap(), ["account.*", "role.created"]);
        assert!(some.include("account.locked") && some.include("account.of_tomorrow") && some.include("role.created"));
        assert!(!some.include("accounts.imported") && !some.include("role.deleted") && !some.include("account"));
        assert_eq!(WantedKinds::from_stored(some.stored().as_deref()), some);
        assert!(WantedKinds::All.include("anything.at_all"));
        assert!(!WantedKinds::from_stored(Some("?")).include("account.locked"));
        for wrong in ["*", "account", ".*", "account.lock", "of.tomorrow", "of.*", ""] {
            assert!(matches!(WantedKinds::parse(&names(&[wrong])), Err(InvalidKinds::Unknown(_))), "{wrong}");
        }
        assert_eq!(WantedKinds::parse(&[]), Ok(WantedKinds::All));
        assert_eq!(WantedKinds::parse(&vec!["account.*".to_owned(); 101]), Err(InvalidKinds::TooMany));
    }
}
