//! What every page has round its content, and the messages in it.

use kernel::FieldError;
use users::{Account, Avatar, Preferences};

/// What the product is called.
const PRODUCT: &str = "Usher";

/// The words round the content.
pub struct Shell {
    /// What the product is called.
    pub product: &'static str,
    /// The request's id, for people to quote.
    pub reference: String,
}

impl Shell {
    /// For a request of this id.
    pub fn new(request_id: &str) -> Self {
        Self { product: PRODUCT, reference: request_id.to_owned() }
    }

    /// The product's mark where it has no picture.
    pub fn initials(&self) -> String {
        initials(self.product)
    }
}

pub use users::avatar::initials;

/// An application's settings for somebody as they stand in a form: nothing where there are none.
pub fn settings_text(preferences: &Preferences) -> String {
    let text = preferences.as_str().replace("\r\n", "\n");
    if *preferences == Preferences::default() { String::new() } else { text }
}

/// The address of somebody's picture in this size, if it is kept here: no page makes a browser fetch one elsewhere.
pub fn picture(account: &Account, size: u32) -> Option<String> {
    matches!(account.avatar, Some(Avatar::Kept(_))).then(|| account.picture_path(size))
}

/// One message in the flow of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    tone: Tone,
    /// What happened.
    pub title: &'static str,
    /// What to do, or what follows.
    pub text: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Done,
    Wait,
    Failed,
}

impl Notice {
    /// It worked.
    pub const fn done(title: &'static str, text: &'static str) -> Self {
        Self { tone: Tone::Done, title, text }
    }

    /// It did not work, and the person can put it right.
    pub const fn failed(title: &'static str, text: &'static str) -> Self {
        Self { tone: Tone::Failed, title, text }
    }

    /// It did not work because too many want the same at once.
    pub const fn busy() -> Self {
        Self {
            tone: Tone::Wait,
            title: "Too many people at this moment.",
            text: "Nothing was changed. Wait a few seconds and try again.",
        }
    }

    /// For `data-tone`.
    pub const fn tone(&self) -> &'static str {
        match self.tone {
            Tone::Done => "ok",
            Tone::Wait => "warn",
            Tone::Failed => "danger",
        }
    }

    /// Its picture in the sprite.
    pub const fn icon(&self) -> &'static str {
        match self.tone {
            Tone::Done => "circle-check",
            Tone::Wait => "triangle-alert",
            Tone::Failed => "circle-alert",
        }
    }

    /// Whether it has to be heard at once.
    pub fn is_failure(&self) -> bool {
        self.tone != Tone::Done
    }
}

/// What is wrong with a form that was sent, field by field, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Mistakes(Vec<FieldError>);

impl From<Vec<FieldError>> for Mistakes {
    fn from(errors: Vec<FieldError>) -> Self {
        Self(errors)
    }
}

impl Mistakes {
    /// One more.
    pub fn add(&mut self, field: &'static str, code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.push(FieldError::new(field, code, message));
    }

    /// These, too.
    pub fn extend(&mut self, errors: Vec<FieldError>) {
        self.0.extend(errors);
    }

    /// A single one.
    pub fn one(field: &'static str, code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self(vec![FieldError::new(field, code, message)])
    }

    /// Whether there is any.
    pub fn is_failed(&self) -> bool {
        !self.0.is_empty()
    }

    /// What is wrong with this field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_ref())
    }

    /// Whether something is wrong with this field.
    pub fn has(&self, field: &str) -> bool {
        self.of(field).is_some()
    }

    /// Whether this field is the one to go to: with several, it is the summary.
    pub fn focus(&self, field: &str) -> bool {
        self.has(field) && !self.are_several()
    }

    /// Whether a summary is needed.
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// All of them.
    pub fn all(&self) -> &[FieldError] {
        &self.0
    }

    /// How many, for the summary's heading.
    pub fn count_in_words(&self) -> &'static str {
        match self.0.len() {
            2 => "Two",
            3 => "Three",
            4 => "Four",
            5 => "Five",
            _ => "Several",
        }
    }
}
