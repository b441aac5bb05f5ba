//! What messages say: words in Fluent, one file a language, laid out by two templates, HTML and text.
//!
//! Both are compiled in. A folder (`notify.templates`) may have others: `mail.html` and `mail.txt` for all messages,
//! `verify-email.html` for one, `de.ftl` with some words of a language or `nl.ftl` with all of another. Everything is
//! tried out when it is read, so that a mistake shows at start and not in somebody's mail.

mod layout;
mod message;
mod words;

use std::path::{Path, PathBuf};

use kernel::Timestamp;

pub(crate) use message::Action;
pub use message::Template;
use serde_json::{Map, Value};

use layout::Layout;
use words::Words;

use crate::own::Messages;

/// Templates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// A file says something that cannot be understood.
    #[error("{file}: {what}")]
    Wrong {
        /// Which.
        file: String,
        /// What is wrong, and where.
        what: String,
    },
    /// There are no words in this language.
    #[error("there are no words in `{0}`: there are {1}")]
    NoLanguage(String, String),
}

/// A message cannot be written: our own failure, not the recipient's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub(crate) String);

/// What a message is written from.
pub(crate) struct Input<'i> {
    pub(crate) template: Template,
    /// The language that the recipient reads (BCP 47).
    pub(crate) locale: Option<&'i str>,
    pub(crate) product: &'i str,
    /// The public address of everything.
    pub(crate) origin: &'i str,
    pub(crate) name: Option<&'i str>,
    pub(crate) email: &'i str,
    /// When what it tells of happened.
    pub(crate) at: Timestamp,
    /// Where the recipient's clock is (a name of the IANA database).
    pub(crate) zone: Option<&'i str>,
    /// Where its button leads.
    pub(crate) link: Option<&'i str>,
    /// A code for whoever cannot open the link where they are, and until when that works.
    pub(crate) code: Option<(&'i str, Timestamp)>,
    /// Until when the link works.
    pub(crate) expires_at: Option<Timestamp>,
    /// More that its words may name.
    pub(crate) facts: Facts<'i>,
    /// What to quote to whoever looks after it.
    pub(crate) reference: &'i str,
}

/// One message among others.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Entry {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) link: String,
}

/// What some messages say beside that.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts<'i> {
    /// A browser or device, as its owner knows it.
    pub(crate) device: Option<&'i str>,
    /// An address: the one that is to be, or that was.
    pub(crate) other_email: Option<&'i str>,
    /// How many failures there were.
    pub(crate) count: Option<i64>,
    /// What is told together.
    pub(crate) entries: &'i [Entry],
    /// Where whoever wants no more of it says so.
    pub(crate) unsubscribe: Option<&'i str>,
    /// What an application gives its own words.
    pub(crate) values: Option<&'i Map<String, Value>>,
}

/// A message that is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The language it came out in.
    pub language: String,
    /// One line that says what it is.
    pub subject: String,
    /// One line that says what is in it.
    pub preview: String,
    /// All of it, as HTML.
    pub html: String,
    /// All of it, as text.
    pub text: String,
}

/// A message in a few words, without a layout.
#[derive(Clone, Debug)]
pub(crate) struct Brief {
    pub(crate) language: String,
    pub(crate) title: String,
    pub(crate) text: String,
    /// What stands on its button.
    pub(crate) button: Option<String>,
}

/// All words and layouts.
pub struct Templates {
    words: Words,
    layout: Layout,
}

impl Templates {
    /// Reads what is compiled in and what is in the folder, and writes every message in every language once.
    pub fn load(folder: Option<&Path>, language: &str, own: &Messages) -> Result<Self, TemplateError> {
        let templates = Self { words: Words::load(folder, language)?, layout: Layout::load(folder, own)? };
        // What is compiled in was tried out by a test.
        let built_in = if folder.is_some() { Template::ALL } else { &[] };
        let all: Vec<Template> = built_in.iter().copied().chain(own.templates()).collect();
        templates.try_out(&all)?;
        Ok(templates)
    }

    /// The languages that there are.
    pub fn languages(&self) -> Vec<&str> {
        self.words.languages()
    }

    pub(crate) fn write(&self, input: &Input<'_>) -> Result<Written, RenderError> {
        let voice = self.words.voice(input.locale);
        let content = message::content(&voice, input)?;
        Ok(Written {
            language: voice.language().to_owned(),
            html: self.layout.html(input.template, &content)?,
            text: self.layout.text(input.template, &content)?,
            subject: one_line(&message::subject(&voice, input)?),
            preview: content.preview,
        })
    }

    /// The same in a few words, for where there is little room.
    pub(crate) fn brief(&self, input: &Input<'_>) -> Result<Brief, RenderError> {
        message::brief(&self.words.voice(input.locale), input)
    }

    /// What stands in the place of a message that cannot be written.
    pub(crate) fn unreadable(&self, locale: Option<&str>) -> Brief {
        let voice = self.words.voice(locale);
        // These words have no arguments, and English has them: there is nothing in them to go wrong.
        let say = |key: &str| voice.must(key, &words::Args::new()).unwrap_or_default();
        Brief {
            language: voice.language().to_owned(),
            title: say("unreadable-title"),
            text: say("unreadable-text"),
            button: None,
        }
    }

    /// A message as it looks, with somebody who is nobody.
    pub(crate) fn sample(
        &self,
        template: Template,
        locale: &str,
        product: &str,
        origin: &str,
    ) -> Result<Written, RenderError> {
        let code = matches!(template.action(), Action::Link { code: true });
        let code = code.then_some(("418 203", Timestamp::from_unix_seconds(1_791_902_460)));
        self.sample_with(template, locale, (product, origin), code)
    }

    fn sample_with(
        &self,
        template: Template,
        locale: &str,
        (product, origin): (&str, &str),
        code: Option<(&str, Timestamp)>,
    ) -> Result<Written, RenderError> {
        let own = if let Template::Own(own) = template { Some((own, own.sample())) } else { None };
        let (link, is_link) = match (template.action(), &own) {
            (Action::Page(page), _) => (Some(format!("{origin}{page}")), false),
            (Action::Link { .. }, _) => (Some(format!("{origin}/{}/8sK2Qm4w", template.as_str())), true),
            (Action::Own, own) => (own.as_ref().and_then(|(own, values)| own.link(origin, values)), false),
        };
        let can_wait = template == Template::Digest || own.as_ref().is_some_and(|(own, _)| own.category().can_wait());
        let entries = [Entry {
            title: "Your order is on its way".to_owned(),
            text: "It has left us this morning.".to_owned(),
            link: format!("{origin}/inbox"),
        }];
        let input = Input {
            template,
            locale: Some(locale),
            product,
            origin,
            name: Some("Amara Okafor"),
            email: "amara@okafor.example",
            at: Timestamp::from_unix_seconds(1_791_901_860),
            zone: None,
            link: link.as_deref(),
            code,
            expires_at: is_link.then(|| Timestamp::from_unix_seconds(1_791_903_660)),
            facts: Facts {
                device: Some("Firefox, macOS, 203.0.113.7"),
                other_email: template.other_address().map(|_| "amara.okafor@example.com"),
                count: template.has_count().then_some(3),
                entries: if template == Template::Digest { &entries } else { &[] },
                unsubscribe: can_wait.then_some("https://id.example.com/unsubscribe?token=8sK2Qm4w"),
                values: own.as_ref().map(|(_, values)| values),
            },
            reference: "9C1V-77HB",
        };
        self.brief(&input)?;
        self.write(&input)
    }

    fn try_out(&self, all: &[Template]) -> Result<(), TemplateError> {
        for language in self.words.languages() {
            for template in all {
                let about = ("Usher", "https://id.example.com");
                // The second is what is sent when the code has run out before it could be.
                for sample in [
                    self.sample(*template, language, about.0, about.1),
                    self.sample_with(*template, language, about, None),
                ] {
                    sample.map_err(|error| TemplateError::Wrong {
                        file: format!("{} in {language}", template.as_str()),
                        what: error.to_string(),
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// What stands in a header or in one line of text: nothing in it breaks the line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
