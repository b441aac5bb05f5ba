//! What of a person is kept encrypted: telephone number, postal address, and the attributes of the
//! configuration that are marked personal (those that are not stand beside them, in plain).
//!
//! `vault` has the keys: one per person, wrapped. `record` has the SQL, `schema` what the configuration
//! says, `contact` telephone number and address, `data` reads and writes all of it for an account, `said` what events
//! say of a person. A value is sealed for one person and one attribute: moved anywhere else it does not open.

mod contact;
mod data;
pub(crate) mod record;
mod rewrap;
mod said;
mod schema;
mod vault;

pub use contact::{Address, InvalidPhoneNumber, PhoneNumber};
pub use data::{Lookup, PersonalChange, PersonalData, PersonalDataError, UnsearchableAttribute, find_by_lookup};
pub(crate) use data::{Sealed, apply, read_for, read_many, seal_new};
pub use rewrap::{Rewrapped, rewrap};
pub use said::SaidKey;
pub(crate) use schema::PHONE_NUMBER;
pub use schema::{AttributeKind, AttributeSchema, AttributeSpec, AttributeValue, InvalidSchema, Party};
pub use vault::Vault;
