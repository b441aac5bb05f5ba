//! Rows in CSV: with a header, as everybody writes it, or without one, as Firebase does.

use std::collections::BTreeMap;
use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder};
use users::export::armed;
use users::import::RawAccount;

use super::input::{Bounded, Budget, CHUNK};
use super::sources::{Firebase, Row, Supabase, moment};
use super::{Stop, plain};

/// What is called with each row: its line, and its cells or why there are none.
type Each<'e> = dyn FnMut(u64, Result<&Cells<'_>, String>) -> Result<(), Stop> + 'e;

/// One row by the names of its columns.
pub struct Cells<'r> {
    header: &'r [String],
    record: &'r [&'r str],
}

impl Cells<'_> {
    /// What stands in this column, if something does.
    pub fn get(&self, column: &str) -> Option<&str> {
        let index = self.header.iter().position(|name| name == column)?;
        self.record.get(index).copied().filter(|cell| !cell.is_empty())
    }

    fn owned(&self, column: &str) -> Option<String> {
        self.get(column).map(str::to_owned)
    }

    fn boolean(&self, column: &str) -> Result<bool, String> {
        match self.get(column).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "f" | "0" | "no") => Ok(false),
            Some("true" | "t" | "1" | "yes") => Ok(true),
            Some(_) => Err(format!("{column}: Use true or false.")),
        }
    }

    fn moment(&self, column: &str) -> Result<Option<kernel::Timestamp>, String> {
        self.get(column).map_or(Ok(None), moment).map_err(|error| format!("{column}: {error}"))
    }
}

/// The columns of our own CSV. What `usher export` writes and an import does not take is passed over.
const OURS: [&str; 19] = [
    "id",
    "email",
    "email_verified",
    "name",
    "locale",
    "status",
    "roles",
    "created_at",
    "updated_at",
    "last_login_at",
    "password_hash",
    "version",
    "avatar_url",
    "bio",
    "timezone",
    "phone_number",
    "address",
    "preferences",
    "attributes",
];

/// The columns of `firebase auth:export users.csv`, which has no header.
const FIREBASE: [&str; 26] = [
    "uid",
    "email",
    "email_verified",
    "password_hash",
    "salt",
    "name",
    "photo",
    "google",
    "google_email",
    "google_name",
    "google_photo",
    "facebook",
    "facebook_email",
    "facebook_name",
    "facebook_photo",
    "twitter",
    "twitter_email",
    "twitter_name",
    "twitter_photo",
    "github",
    "github_email",
    "github_name",
    "github_photo",
    "created_at",
    "last_signed_in_at",
    "phone_number",
];

/// Where the names of columns come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The first row, all of them known.
    Ours,
    /// The first row, in which others may stand too.
    Open,
    /// The form has none.
    Firebase,
}

/// Reads all rows.
pub fn rows(input: Bounded<impl Read>, budget: &Budget, header: Header, each: &mut Each<'_>) -> Result<(), Stop> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(CHUNK).from_reader(input);
    let names = match header {
        Header::Firebase => FIREBASE.map(str::to_owned).to_vec(),
        Header::Ours | Header::Open => names(&mut reader, budget, header)?,
    };
    let mut record = ByteRecord::new();
    loop {
        budget.begin_row();
        if !read(&mut reader, &mut record)? {
            return Ok(());
        }
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        match cells {
            Err(_) => each(line, Err("The row is not UTF-8.".to_owned()))?,
            // Firebase leaves out what is empty at the end, or adds columns.
            Ok(cells) if cells.len() != names.len() && header != Header::Firebase => {
                each(line, Err(format!("The row has {} columns and the header {}.", cells.len(), names.len())))?;
            }
            Ok(cells) if cells.iter().any(|cell| cell.contains('\0')) => {
                each(line, Err("The row has a NUL.".to_owned()))?;
            }
            Ok(cells) => each(line, Ok(&Cells { header: &names, record: &cells }))?,
        }
    }
}

fn read<R: Read>(reader: &mut Reader<R>, record: &mut ByteRecord) -> Result<bool, Stop> {
    reader.read_byte_record(record).map_err(|error| {
        let line = error.position().map_or_else(|| reader.position().line(), csv::Position::line);
        Stop::Broken(format!("the file cannot be read behind line {line}: {error}"))
    })
}

fn names<R: Read>(reader: &mut Reader<R>, budget: &Budget, header: Header) -> Result<Vec<String>, Stop> {
    let mut record = ByteRecord::new();
    budget.begin_row();
    if !read(reader, &mut record)? {
        return Err(Stop::Broken("the file is empty".to_owned()));
    }
    let mut names = Vec::new();
    for (index, cell) in record.iter().enumerate() {
        let cell = if index == 0 { cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell) } else { cell };
        let name = std::str::from_utf8(cell).map_err(|_| Stop::Broken("the header is not UTF-8".to_owned()))?.trim();
        if header == Header::Ours && !OURS.contains(&name) {
            return Err(Stop::Broken(format!(
                "the header has the column `{}`, which is none of {}",
                plain(name),
                OURS.join(", ")
            )));
        }
        if names.iter().any(|before| before == name) {
            return Err(Stop::Broken(format!("the header has the column `{}` twice", plain(name))));
        }
        names.push(name.to_owned());
    }
    if names.iter().all(|name| name != "email") {
        return Err(Stop::Broken("the header has no column `email`".to_owned()));
    }
    Ok(names)
}

/// A row of our own CSV. Roles stand in one cell, with spaces, commas or semicolons between.
pub fn ours(cells: &Cells<'_>) -> Result<Row, String> {
    let roles = armed(cells.get("roles").unwrap_or_default());
    let roles = roles.split([' ', ',', ';']).filter(|role| !role.is_empty());
    // What an export wrote with an apostrophe before it is itself again.
    let owned = |column: &str| cells.get(column).map(|cell| armed(cell).to_owned());
    let account = RawAccount {
        id: owned("id"),
        email: owned("email"),
        email_verified: cells.boolean("email_verified")?,
        name: owned("name"),
        locale: owned("locale"),
        bio: owned("bio"),
        timezone: owned("timezone"),
        avatar_url: owned("avatar_url").filter(|url| url.starts_with("https://")),
        phone_number: owned("phone_number"),
        address: owned("address"),
        preferences: owned("preferences"),
        attributes: cells.get("attributes").map_or(Ok(BTreeMap::new()), |text| {
            serde_json::from_str(text).map_err(|_| "attributes: It is not a JSON object.".to_owned())
        })?,
        drops_unknown_attributes: false,
        status: owned("status"),
        roles: roles.map(str::to_owned).collect(),
        created_at: cells.moment("created_at")?,
        updated_at: cells.moment("updated_at")?,
        last_login_at: cells.moment("last_login_at")?,
    };
    Ok((account, cells.owned("password_hash")))
}

/// A row of Firebase's CSV.
pub fn firebase(cells: &Cells<'_>) -> Result<Firebase, String> {
    Ok(Firebase {
        email: cells.owned("email"),
        email_verified: cells.boolean("email_verified")?,
        display_name: cells.owned("name"),
        password_hash: cells.owned("password_hash"),
        salt: cells.owned("salt"),
        created_at: cells.owned("created_at"),
        last_signed_in_at: cells.owned("last_signed_in_at"),
        phone_number: cells.owned("phone_number"),
        disabled: false,
    })
}

/// A row of Supabase's table as CSV.
pub fn supabase(cells: &Cells<'_>) -> Supabase {
    let cell = |column: &str| cells.owned(column).filter(|text| text != "null" && text != "NULL");
    Supabase {
        email: cell("email"),
        encrypted_password: cell("encrypted_password"),
        email_confirmed_at: cell("email_confirmed_at"),
        created_at: cell("created_at"),
        updated_at: cell("updated_at"),
        last_sign_in_at: cell("last_sign_in_at"),
        banned_until: cell("banned_until"),
        deleted_at: cell("deleted_at"),
        phone: cell("phone"),
        raw_user_meta_data: cell("raw_user_meta_data").into(),
    }
}
