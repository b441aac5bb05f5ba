//! What a job does, and to which accounts.

use kernel::id::SendId;
use kernel::{FieldError, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::export::Format;
use crate::search::{Filter, RawFilter};
use crate::{Reason, Roles, SuspensionEnd, Users, may};

/// How many accounts can be named one by one.
pub const MAX_IDS: usize = 1_000;

/// What is done to each account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It gets this role, if it has not got it.
    GrantRole(String),
    /// It loses this role, if it has it.
    TakeRole(String),
    /// It is suspended.
    Suspend {
        /// Why.
        reason: Reason,
        /// When that ends by itself.
        until: Option<SuspensionEnd>,
    },
    /// All its sessions and tokens end.
    SignOut,
    /// It is deleted.
    Delete {
        /// Why.
        reason: Reason,
    },
    /// It is written to a file.
    Export {
        /// In which form.
        format: Format,
    },
    /// Its owner is told something. Only `notify` begins this.
    Notify {
        /// What.
        send: SendId,
        /// The name of the message.
        template: String,
    },
}

/// An action as somebody typed it: its name, and the fields that belong to some of them.
#[derive(Clone, Debug, Default)]
pub struct RawAction {
    /// `grant_role`, `take_role`, `suspend`, `sign_out`, `delete` or `export`.
    pub action: String,
    /// For `grant_role` and `take_role`.
    pub role: Option<String>,
    /// For `suspend`, which needs one, and `delete`.
    pub reason: Option<String>,
    /// For `suspend`.
    pub until: Option<Timestamp>,
    /// For `export`: `csv`, unless said, or `jsonl`.
    pub format: Option<String>,
}

/// An action as it is kept.
#[derive(Default, Serialize, Deserialize)]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<SendId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
}

impl Action {
    /// Reads what somebody typed; all that is wrong with it, if something is.
    pub fn parse(raw: &RawAction, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let action = Self::read(raw, now, &mut errors);
        let used: &[&str] = match raw.action.as_str() {
            "grant_role" | "take_role" => &["role"],
            "suspend" => &["reason", "until"],
            "delete" => &["reason"],
            "export" => &["format"],
            _ => &[],
        };
        let given = [
            ("role", raw.role.is_some()),
            ("reason", raw.reason.is_some()),
            ("until", raw.until.is_some()),
            ("format", raw.format.is_some()),
        ];
        for (field, _) in given.iter().filter(|(field, given)| *given && !used.contains(field)) {
            errors.push(FieldError::new(*field, "not_for_this_action", "Leave it out: this action does not use it."));
        }
        match action {
            Some(action) if errors.is_empty() => Ok(action),
            _ => Err(errors),
        }
    }

    fn read(raw: &RawAction, now: Timestamp, errors: &mut Vec<FieldError>) -> Option<Self> {
        match raw.action.as_str() {
            "grant_role" => read_role(raw, errors).map(Self::GrantRole),
            "take_role" => read_role(raw, errors).map(Self::TakeRole),
            "suspend" => {
                let reason = read_reason(raw, errors);
                if reason.as_ref().is_some_and(Reason::is_empty) {
                    errors.push(FieldError::new("reason", "empty", "Say why."));
                }
                let until = raw.until.map(|moment| SuspensionEnd::parse(moment, now)).transpose();
                let until = until
                    .map_err(|error| errors.push(FieldError::new("until", "invalid_until", error.to_string())))
                    .ok()?;
                Some(Self::Suspend { reason: reason?, until })
            }
            "sign_out" => Some(Self::SignOut),
            "delete" => read_reason(raw, errors).map(|reason| Self::Delete { reason }),
            "export" => {
                let format = raw.format.as_deref().unwrap_or("csv").parse();
                let format =
                    format.map_err(|_| errors.push(FieldError::new("format", "invalid_format", "Use csv or jsonl.")));
                format.ok().map(|format| Self::Export { format })
            }
            _ => {
                let hint = "Use grant_role, take_role, suspend, sign_out, delete or export.";
                errors.push(FieldError::new("action", "invalid_action", hint));
                None
            }
        }
    }

    /// The names of all that this program knows, each between commas.
    pub(super) const fn known() -> &'static str {
        ",grant_role,take_role,suspend,sign_out,delete,export,notify,"
    }

    /// Its name in the API, the database and the ledger.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GrantRole(_) => "grant_role",
            Self::TakeRole(_) => "take_role",
            Self::Suspend { .. } => "suspend",
            Self::SignOut => "sign_out",
            Self::Delete { .. } => "delete",
            Self::Export { .. } => "export",
            Self::Notify { .. } => "notify",
        }
    }

    /// The permission that it needs, as one account's change does.
    pub const fn permission(&self) -> &'static str {
        match self {
            Self::GrantRole(_) | Self::TakeRole(_) => may::ROLES_GRANT,
            Self::Suspend { .. } | Self::SignOut => may::USERS_BAN,
            Self::Delete { .. } => may::USERS_DELETE,
            Self::Export { .. } => may::USERS_EXPORT,
            Self::Notify { .. } => may::NOTIFICATIONS_SEND,
        }
    }

    /// The role that it is about.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::GrantRole(role) | Self::TakeRole(role) => Some(role),
            Self::Suspend { .. } | Self::SignOut | Self::Delete { .. } | Self::Export { .. } | Self::Notify { .. } => {
                None
            }
        }
    }

    /// The message that people are told.
    pub fn template(&self) -> Option<&str> {
        if let Self::Notify { template, .. } = self { Some(template) } else { None }
    }

    /// Whether who a filter finds says more than whoever may do this may know: of who is told something, they learn how
    /// many they are.
    pub(super) const fn needs_a_reader(&self) -> bool {
        !matches!(self, Self::Notify { .. })
    }

    /// As it is kept beside its name.
    pub(super) fn to_stored(&self) -> String {
        let parameters = match self {
            Self::GrantRole(role) | Self::TakeRole(role) => {
                Parameters { role: Some(role.clone()), ..Parameters::default() }
            }
            Self::Suspend { reason, until } => Parameters {
                reason: Some(reason.as_str().to_owned()),
                until: until.map(SuspensionEnd::moment),
                ..Parameters::default()
            },
            Self::SignOut => Parameters::default(),
            Self::Delete { reason } => Parameters { reason: Some(reason.as_str().to_owned()), ..Parameters::default() },
            Self::Export { format } => Parameters { format: Some(*format), ..Parameters::default() },
            Self::Notify { send, template } => {
                Parameters { send: Some(*send), template: Some(template.clone()), ..Parameters::default() }
            }
        };
        // Texts and a moment can always be written.
        serde_json::to_string(&parameters).unwrap_or_default()
    }

    /// Reads what [`Action::to_stored`] wrote. Nothing for what another version of the program wrote and
    /// this one does not know.
    pub(super) fn from_stored(name: &str, parameters: &str) -> Option<Self> {
        let Parameters { role, reason, until, format, send, template } = serde_json::from_str(parameters).ok()?;
        let reason = || Reason::parse(reason.as_deref().unwrap_or_default()).ok();
        match name {
            "grant_role" => role.map(Self::GrantRole),
            "take_role" => role.map(Self::TakeRole),
            "suspend" => Some(Self::Suspend { reason: reason()?, until: until.map(SuspensionEnd::from_stored) }),
            "sign_out" => Some(Self::SignOut),
            "delete" => Some(Self::Delete { reason: reason()? }),
            "export" => format.map(|format| Self::Export { format }),
            "notify" => send.zip(template).map(|(send, template)| Self::Notify { send, template }),
            _ => None,
        }
    }
}

fn read_role(raw: &RawAction, errors: &mut Vec<FieldError>) -> Option<String> {
    let role = raw.role.clone().unwrap_or_default();
    match Roles::parse(std::slice::from_ref(&role)) {
        Ok(_) => Some(role),
        Err(error) => {
            errors.push(FieldError::new("role", "invalid_role", error.to_string()));
            None
        }
    }
}

fn read_reason(raw: &RawAction, errors: &mut Vec<FieldError>) -> Option<Reason> {
    match Reason::parse(raw.reason.as_deref().unwrap_or_default()) {
        Ok(reason) => Some(reason),
        Err(error) => {
            errors.push(FieldError::new("reason", "invalid_reason", error.to_string()));
            None
        }
    }
}

/// Which accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These, each once, in order.
    Ids(Vec<UserId>),
    /// So many that they are written down beside the job, in pieces.
    Listed,
    /// Those that the filter wants, among the accounts that there are when the job is started.
    Matching(Box<Filter>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    Ids(Vec<UserId>),
    Listed,
    Filter(Vec<(String, String)>),
}

impl Selection {
    /// These accounts. One that stands twice counts once.
    pub fn ids(mut ids: Vec<UserId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self::Ids(ids)
    }

    pub(super) fn to_stored(&self) -> String {
        let stored = match self {
            Self::Ids(ids) => Stored::Ids(ids.clone()),
            Self::Listed => Stored::Listed,
            Self::Matching(filter) => Stored::Filter(filter.to_raw().pairs()),
        };
        // Ids and texts can always be written.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Whether what [`Selection::to_stored`] wrote names accounts one by one.
    pub(super) fn is_ids(text: &str) -> bool {
        matches!(serde_json::from_str(text), Ok(Stored::Ids(_) | Stored::Listed))
    }

    /// Reads what [`Selection::to_stored`] wrote; nothing for what this program does not know.
    pub(super) fn from_stored(users: &Users, text: &str) -> Option<Self> {
        match serde_json::from_str(text).ok()? {
            Stored::Ids(ids) => Some(Self::Ids(ids)),
            Stored::Listed => Some(Self::Listed),
            Stored::Filter(mut pairs) => {
                let raw = RawFilter::take(&mut pairs).ok()?;
                // What is left was meant to leave accounts out: to ignore it would be to do it to more of them.
                if !pairs.is_empty() {
                    return None;
                }
                Filter::parse(users, &raw).ok().map(|filter| Self::Matching(Box::new(filter)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_000_000);

    fn raw(action: &str) -> RawAction {
        RawAction { action: action.into(), ..RawAction::default() }
    }

    #[test]
    fn actions_survive_being_kept() {
        let reason = Reason::parse("Spam").unwrap();
        let until = Some(SuspensionEnd::parse(NOW.plus_seconds(60), NOW).unwrap());
        let actions = [
            Action::GrantRole("quiz:player".into()),
            Action::TakeRole("support".into()),
            Action::Suspend { reason: reason.clone(), until },
            Action::Suspend { reason: reason.clone(), until: None },
            Action::SignOut,
            Action::Delete { reason },
            Action::Export { format: Format::Jsonl },
            Action::Notify { send: SendId::from_bytes([7; 16]), template: "order-shipped".into() },
        ];
        let mut names: Vec<&str> = actions.iter().map(Action::name).collect();
        names.dedup();
        assert_eq!(Action::known(), format!(",{},", names.join(",")), "what is claimed is what can be done");
        for action in actions {
            assert_eq!(Action::from_stored(action.name(), &action.to_stored()), Some(action));
        }
        assert_eq!(Action::from_stored("of_tomorrow", "{}"), None);
        assert_eq!(Action::from_stored("grant_role", "{}"), None);
    }

    #[tokio::test]
    async fn selections_survive_being_kept_and_unknown_parts_are_not_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let settings = storage::Settings::sqlite(folder.path().join("usher.db"), 2);
        let migrations = [storage::MIGRATIONS, crate::MIGRATIONS].concat();
        let db = storage::Db::open(&settings, &migrations, true).await.unwrap();
        let master = kernel::MasterKeys::generate();
        let users = Users::open(db, kernel::Clock::fixed(NOW), crate::Settings::default(), &master).await.unwrap();
        let (one, other) = (UserId::new(NOW), UserId::new(NOW));
        assert_eq!(Selection::ids(vec![other, one, other]), Selection::Ids(vec![one, other]));
        let filter = Filter { role: Some("support".into()), verified: Some(true), ..Filter::default() };
        for selection in [Selection::ids(vec![one]), Selection::Matching(Box::new(filter))] {
            let stored = selection.to_stored();
            assert_eq!(Selection::is_ids(&stored), matches!(selection, Selection::Ids(_)));
            assert_eq!(Selection::from_stored(&users, &stored), Some(selection));
        }
        assert_eq!(Selection::from_stored(&users, r#"{"filter":[["of_tomorrow","1"]]}"#), None);
        assert_eq!(Selection::from_stored(&users, ""), None);
    }

    #[test]
    fn each_action_takes_its_own_fields_and_no_others() {
        let fields = |raw: &RawAction| -> Vec<String> {
            let errors = Action::parse(raw, NOW).err().unwrap_or_default();
            errors.into_iter().map(|error| error.field.into_owned()).collect()
        };
        assert!(fields(&raw("sign_out")).is_empty() && fields(&raw("delete")).is_empty());
        assert_eq!(Action::parse(&raw("export"), NOW).unwrap(), Action::Export { format: Format::Csv });
        assert_eq!(fields(&raw("nonsense")), ["action"]);
        assert_eq!(fields(&raw("grant_role")), ["role"]);
        assert_eq!(fields(&raw("suspend")), ["reason"]);
        assert_eq!(fields(&RawAction { role: Some("support".into()), ..raw("sign_out") }), ["role"]);
        assert_eq!(fields(&RawAction { format: Some("xml".into()), ..raw("export") }), ["format"]);
        let late = RawAction { reason: Some("a".into()), until: Some(NOW), ..raw("suspend") };
        assert_eq!(fields(&late), ["until"]);
    }
}
