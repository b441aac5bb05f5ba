//! How an account stands: a shape, a word and a tone, in this order.

use users::Status;

/// As the stylesheet shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The word.
    pub word: &'static str,
    /// For `data-tone`; empty for none.
    pub tone: &'static str,
    /// For `data-shape`; empty for the dot.
    pub shape: &'static str,
}

impl Standing {
    /// Of an account whose owner was invited and has not come yet.
    pub const INVITED: Self = Self { word: "Invited", tone: "brand", shape: "ring" };

    /// Of an account in this status.
    pub const fn of(status: Status) -> Self {
        match status {
            Status::Active => Self { word: "Active", tone: "ok", shape: "" },
            Status::Suspended => Self { word: "Banned", tone: "danger", shape: "bar" },
            Status::Deleted => Self { word: "Deleted", tone: "", shape: "ring" },
        }
    }
}
