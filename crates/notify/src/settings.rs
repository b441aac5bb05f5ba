//! What an operator can set.

use std::path::PathBuf;

use kernel::id::DeliveryId;

use crate::email::{Provider, Sender};
use crate::push::PushSettings;
use crate::{Categories, Messages};

/// What an operator can set.
#[derive(Clone)]
pub struct Settings {
    /// How mail is handed over.
    pub provider: Provider,
    /// Whom mail is from.
    pub from: Sender,
    /// What the product is called that people have accounts at.
    pub product: String,
    /// The address that people and services use: every link begins with it.
    pub origin: String,
    /// A folder with templates and words that come before those that are compiled in.
    pub templates: Option<PathBuf>,
    /// The language of those who have named none.
    pub language: String,
    /// How devices are reached.
    pub push: PushSettings,
    /// The clock of those who have named none (a name of the IANA database).
    pub timezone: String,
    /// What messages can be for.
    pub categories: Categories,
    /// What applications can have said.
    pub messages: Messages,
}

impl Settings {
    /// The Message-ID of a delivery: nobody else makes the same, and it is the same at every try.
    pub(crate) fn message_id(&self, id: DeliveryId) -> String {
        format!("<{id}@{}>", self.from.domain())
    }
}
