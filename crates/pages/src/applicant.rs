//! Somebody who wants an account: what sign-up and the first administrator's page have in common.

use auth::{NewAccount, RegisterError};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::Problem;
use users::{DisplayName, EmailAddress};

use crate::entry::retry_soon;
use crate::form::Fields;
use crate::shell::{Mistakes, Notice};

/// Reads the form, or says everything that is wrong with it at once.
///
/// Whether the password is good enough is not asked here: that takes the name and the address, and a
/// thread that may be busy for a while.
pub fn read(fields: &Fields) -> Result<NewAccount, Mistakes> {
    let mut mistakes = Mistakes::default();
    let name = DisplayName::parse(fields.text("name"));
    if let Err(wrong) = &name {
        mistakes.add("name", "invalid_name", wrong.to_string());
    }
    let email = EmailAddress::parse(fields.text("email"));
    if let Err(wrong) = &email {
        mistakes.add("email", "invalid_email", wrong.to_string());
    }
    if fields.text("password").is_empty() {
        mistakes.add("password", "missing", "Choose a password.");
    }
    match (name, email) {
        (Ok(name), Ok(email)) if !mistakes.is_failed() => {
            Ok(NewAccount { email, password: fields.text("password").to_owned(), name: Some(name), locale: None })
        }
        _ => Err(mistakes),
    }
}

/// Why there is no account, for the page that asks again.
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// The fields at fault.
    pub mistakes: Mistakes,
    /// What is not the fault of a field.
    pub notice: Option<Notice>,
}

impl From<Mistakes> for Refusal {
    fn from(mistakes: Mistakes) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, mistakes, notice: None }
    }
}

impl Refusal {
    /// What the person can do something about; the rest is a problem.
    pub fn from_register(error: RegisterError) -> Result<Self, Problem> {
        match error {
            RegisterError::EmailTaken => Ok(Self {
                status: StatusCode::CONFLICT,
                mistakes: Mistakes::one(
                    "email",
                    "email_taken",
                    "There is an account with this email. Sign in, or use another one.",
                ),
                notice: None,
            }),
            RegisterError::WeakPassword(weakness) => {
                Ok(Mistakes::one("password", weakness.code(), weakness.to_string()).into())
            }
            RegisterError::Busy(_) => Ok(Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                mistakes: Mistakes::default(),
                notice: Some(Notice::busy()),
            }),
            failure @ (RegisterError::Hash(_) | RegisterError::Storage(_)) => Err(failure.into()),
        }
    }

    /// The page that asks again, as an answer.
    pub fn answer(&self, page: Response) -> Response {
        if self.status == StatusCode::SERVICE_UNAVAILABLE { retry_soon(page) } else { page }
    }
}
