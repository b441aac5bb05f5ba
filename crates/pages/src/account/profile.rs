//! A person changes what they say of themselves, and how they like things: two forms, read alike.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext};
use users::{
    Account, Address, Bio, Change, DisplayName, Locale, Party, PersonalChange, PersonalData, PhoneNumber, Preferences,
    ProfileChange, TimeZoneName, UpdateProfileError, Users,
};

use super::{Returned, render};
use crate::Pages;
use crate::attributes::Attributes;
use crate::entry::see_other;
use crate::form::{Fields, SignedInForm};
use crate::shell::{Mistakes, Notice, settings_text};

/// The fields of both forms, as typed.
#[derive(Clone, Default)]
pub struct Typed {
    pub name: String,
    pub bio: String,
    pub phone: String,
    pub address: String,
    pub timezone: String,
    pub locale: String,
    pub preferences: String,
    pub attributes: Attributes,
}

impl Typed {
    /// What is there now.
    pub fn current(users: &Users, account: &Account, personal: &PersonalData) -> Self {
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            name: owned(account.name.as_ref().map(DisplayName::as_str)),
            bio: owned(account.bio.as_ref().map(Bio::as_str)),
            phone: owned(personal.phone_number.as_ref().map(PhoneNumber::as_str)),
            address: owned(personal.address.as_ref().map(Address::as_str)),
            timezone: owned(account.timezone.as_ref().map(TimeZoneName::as_str)),
            locale: owned(account.locale.as_ref().map(Locale::as_str)),
            preferences: settings_text(&account.preferences),
            attributes: Attributes::current(&users.attributes, personal, Party::Owner),
        }
    }

    /// The same with what was typed: the fields of the other form stay as they are.
    fn typed(&self, fields: &Fields) -> Self {
        let text = |name: &str, now: &str| if fields.is_ticked(name) { fields.text(name) } else { now }.to_owned();
        Self {
            name: text("name", &self.name),
            bio: text("bio", &self.bio),
            phone: text("phone", &self.phone),
            address: text("address", &self.address),
            timezone: text("timezone", &self.timezone),
            locale: text("locale", &self.locale),
            // A browser sends the end of a line as two characters: what nobody touched has to stay exactly.
            preferences: text("preferences", &self.preferences).replace("\r\n", "\n"),
            attributes: self.attributes.clone().typed(fields),
        }
    }
}

/// Reads one field: what was not touched stays as it is, an empty one is cleared.
fn read<T>(
    mistakes: &mut Mistakes,
    (name, typed, before): (&'static str, &str, &str),
    parse: impl FnOnce(&str) -> Result<Option<T>, String>,
) -> Change<T> {
    if typed == before {
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

/// The change that a form asks for, and what is wrong with it.
fn change_of(users: &Users, typed: &Typed, before: &Typed) -> (ProfileChange, Mistakes) {
    let mut mistakes = Mistakes::default();
    let all = &mut mistakes;
    let change = ProfileChange {
        name: read(all, ("name", &typed.name, &before.name), |typed| {
            DisplayName::parse(typed).map(Some).map_err(|wrong| wrong.to_string())
        }),
        bio: read(all, ("bio", &typed.bio, &before.bio), |typed| Bio::parse(typed).map_err(|wrong| wrong.to_string())),
        personal: PersonalChange {
            phone_number: read(all, ("phone", &typed.phone, &before.phone), |typed| {
                PhoneNumber::parse(typed).map(Some).map_err(|wrong| wrong.to_string())
            }),
            address: read(all, ("address", &typed.address, &before.address), |typed| {
                Address::parse(typed).map_err(|wrong| wrong.to_string())
            }),
            attributes: typed
                .attributes
                .change(&before.attributes, &users.attributes, Party::Owner)
                .map_err(|wrong| all.extend(wrong))
                .unwrap_or_default(),
        },
        locale: read(all, ("locale", &typed.locale, &before.locale), |typed| {
            Locale::parse(typed).map(Some).ok_or_else(|| "Use a language tag like en or pt-BR.".to_owned())
        }),
        timezone: read(all, ("timezone", &typed.timezone, &before.timezone), |typed| {
            TimeZoneName::parse(typed).map(Some).ok_or_else(|| "Choose a time zone like Europe/Paris.".to_owned())
        }),
        preferences: read(all, ("preferences", &typed.preferences, &before.preferences), |typed| {
            Preferences::parse_text(typed).map_err(|wrong| wrong.to_string())
        }),
        avatar: Change::Keep,
    };
    (change, mistakes)
}

/// One of the two forms.
#[derive(Clone, Copy)]
enum Which {
    Profile,
    Preferences,
}

/// `POST /account/profile`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    save(&pages, &context, &form, Which::Profile).await
}

/// `POST /account/preferences`
pub async fn submit_preferences(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    save(&pages, &context, &form, Which::Preferences).await
}

async fn save(pages: &Pages, context: &RequestContext, form: &SignedInForm, which: Which) -> Result<Response, Problem> {
    let (users, account) = (pages.auth.users(), &form.visitor.account);
    let personal = users.personal_data(account, Party::Owner).await?;
    let before = Typed::current(users, account, &personal);
    let typed = before.typed(&form.fields);
    let (change, mistakes) = change_of(users, &typed, &before);
    let again = |mistakes, notice| {
        let empty = Returned { typed: Some(typed.clone()), notice, ..Returned::default() };
        match which {
            Which::Profile => Returned { profile: mistakes, ..empty },
            Which::Preferences => Returned { preferences: mistakes, ..empty },
        }
    };
    if mistakes.is_failed() {
        let returned = again(mistakes, None);
        return render(pages, &form.visitor, context, StatusCode::UNPROCESSABLE_ENTITY, returned).await;
    }
    let expected = form.fields.text("version").parse().ok();
    match users::update_profile(users, account.id, change, expected).await {
        Ok(_) => Ok(see_other(match which {
            Which::Profile => "/account?done=profile",
            Which::Preferences => "/account?done=preferences",
        })),
        Err(UpdateProfileError::Stale) => {
            let notice = Notice::failed(
                "Your account changed meanwhile.",
                "Nothing was saved. What you typed is still here: look at it again, then save once more.",
            );
            let returned = again(Mistakes::default(), Some(notice));
            render(pages, &form.visitor, context, StatusCode::CONFLICT, returned).await
        }
        Err(UpdateProfileError::NotFound) => Err(Problem::not_found()),
        Err(UpdateProfileError::Personal(cause)) => Err(cause.into()),
        Err(UpdateProfileError::Storage(cause)) => Err(cause.into()),
    }
}
