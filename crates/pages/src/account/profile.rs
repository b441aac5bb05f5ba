//! A person changes what they say of themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::{
    Account, Bio, Change, DisplayName, Locale, PersonalChange, PersonalData, PhoneNumber, ProfileChange, TimeZoneName,
    UpdateProfileError,
};

use super::{Returned, render};
use crate::Pages;
use crate::entry::see_other;
use crate::form::{Fields, SignedInForm};
use crate::shell::{Mistakes, Notice};

/// The fields of the form, as typed.
#[derive(Clone, Default)]
pub struct Typed {
    pub name: String,
    pub bio: String,
    pub phone: String,
    pub timezone: String,
    pub locale: String,
}

impl Typed {
    /// What is there now.
    pub fn current(account: &Account, personal: &PersonalData) -> Self {
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            name: owned(account.name.as_ref().map(DisplayName::as_str)),
            bio: owned(account.bio.as_ref().map(Bio::as_str)),
            phone: owned(personal.phone_number.as_ref().map(PhoneNumber::as_str)),
            timezone: owned(account.timezone.as_ref().map(TimeZoneName::as_str)),
            locale: owned(account.locale.as_ref().map(Locale::as_str)),
        }
    }

    fn of(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            name: text("name"),
            bio: text("bio"),
            phone: text("phone"),
            timezone: text("timezone"),
            locale: text("locale"),
        }
    }
}

/// Reads one field: a field that the form does not have stays as it is, an empty one is cleared.
fn read<T>(
    (fields, mistakes): (&Fields, &mut Mistakes),
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<Option<T>, String>,
) -> Change<T> {
    let typed = fields.text(name);
    if !fields.is_ticked(name) {
        return Change::Keep;
    }
    if typed.trim().is_empty() {
        return Change::Clear;
    }
    match parse(typed) {
        Ok(value) => value.into(),
        Err(message) => {
            mistakes.add(name, "invalid", message);
            Change::Keep
        }
    }
}

/// The change that the form asks for, and what is wrong with it.
fn change_of(fields: &Fields) -> (ProfileChange, Mistakes) {
    let mut mistakes = Mistakes::default();
    let change = ProfileChange {
        name: read((fields, &mut mistakes), "name", |typed| {
            DisplayName::parse(typed).map(Some).map_err(|wrong| wrong.to_string())
        }),
        bio: read((fields, &mut mistakes), "bio", |typed| Bio::parse(typed).map_err(|wrong| wrong.to_string())),
        personal: PersonalChange {
            phone_number: read((fields, &mut mistakes), "phone", |typed| {
                PhoneNumber::parse(typed).map(Some).map_err(|wrong| wrong.to_string())
            }),
            ..PersonalChange::default()
        },
        timezone: read((fields, &mut mistakes), "timezone", |typed| {
            TimeZoneName::parse(typed).map(Some).ok_or_else(|| "Choose a time zone like Europe/Paris.".to_owned())
        }),
        locale: read((fields, &mut mistakes), "locale", |typed| {
            Locale::parse(typed).map(Some).ok_or_else(|| "Use a language tag like en or pt-BR.".to_owned())
        }),
        ..ProfileChange::default()
    };
    (change, mistakes)
}

/// `POST /account/profile`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let (change, mistakes) = change_of(&form.fields);
    let again =
        |profile, notice| Returned { typed: Some(Typed::of(&form.fields)), profile, notice, ..Returned::default() };
    if mistakes.is_failed() {
        let returned = again(mistakes, None);
        return render(&pages, &form.visitor, &context, StatusCode::UNPROCESSABLE_ENTITY, returned).await;
    }
    let expected = form.fields.text("version").parse().ok();
    match users::update_profile(pages.auth.users(), form.visitor.account.id, change, expected).await {
        Ok(_) => Ok(see_other("/account?done=profile")),
        Err(UpdateProfileError::Stale) => {
            let notice = Notice::failed(
                "The profile changed meanwhile.",
                "Nothing was saved. Look at it again, then save once more.",
            );
            render(&pages, &form.visitor, &context, StatusCode::CONFLICT, again(Mistakes::default(), Some(notice)))
                .await
        }
        Err(UpdateProfileError::NotFound) => Err(Problem::not_found()),
        Err(UpdateProfileError::Personal(cause)) => Err(cause.into()),
        Err(UpdateProfileError::Storage(cause)) => Err(cause.into()),
    }
}
