//! Words: a Fluent file for each language, those of the folder over those that are compiled in.

use std::collections::BTreeMap;
use std::path::Path;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use jiff::tz::TimeZone;
use kernel::Timestamp;
use unic_langid::{CharacterDirection, LanguageIdentifier};

use super::{RenderError, TemplateError};

/// What words are given.
pub(super) type Args<'a> = FluentArgs<'a>;

/// What is compiled in.
const BUILT_IN: [(&str, &str); 5] = [
    ("ar", include_str!("../../templates/ar.ftl")),
    ("de", include_str!("../../templates/de.ftl")),
    ("en", include_str!("../../templates/en.ftl")),
    ("es", include_str!("../../templates/es.ftl")),
    ("fr", include_str!("../../templates/fr.ftl")),
];

/// The words of all languages.
pub(super) struct Words {
    languages: BTreeMap<String, Language>,
    default: String,
}

struct Language {
    tag: String,
    right_to_left: bool,
    bundle: FluentBundle<FluentResource>,
}

/// The words of one language, and those to take where it has none.
pub(super) struct Voice<'w> {
    language: &'w Language,
    fallback: [&'w Language; 2],
}

impl Words {
    pub(super) fn load(folder: Option<&Path>, default: &str) -> Result<Self, TemplateError> {
        let mut languages = BTreeMap::new();
        for (tag, text) in BUILT_IN {
            languages.insert(tag.to_owned(), Language::new(tag, text, &format!("{tag}.ftl"))?);
        }
        for (tag, text, file) in files(folder)? {
            match languages.get_mut(&tag) {
                Some(language) => language.add(&text, &file)?,
                None => {
                    languages.insert(tag.clone(), Language::new(&tag, &text, &file)?);
                }
            }
        }
        if !languages.contains_key(default) {
            let there: Vec<&str> = languages.keys().map(String::as_str).collect();
            return Err(TemplateError::NoLanguage(default.to_owned(), there.join(", ")));
        }
        Ok(Self { languages, default: default.to_owned() })
    }

    pub(super) fn languages(&self) -> Vec<&str> {
        self.languages.keys().map(String::as_str).collect()
    }

    /// The words for somebody who reads this language: `pt-BR` takes `pt` where there is no `pt-BR`.
    pub(super) fn voice(&self, locale: Option<&str>) -> Voice<'_> {
        let default = &self.languages[&self.default];
        let english = self.languages.get("en").unwrap_or(default);
        let language = locale.and_then(|tag| self.closest(tag)).unwrap_or(default);
        Voice { language, fallback: [default, english] }
    }

    fn closest(&self, tag: &str) -> Option<&Language> {
        let mut tag = tag;
        loop {
            if let Some(found) = self.languages.values().find(|language| language.tag.eq_ignore_ascii_case(tag)) {
                return Some(found);
            }
            tag = tag.rsplit_once('-')?.0;
        }
    }
}

/// The files of words in the folder: the language's tag, what is in it, and its name.
fn files(folder: Option<&Path>) -> Result<Vec<(String, String, String)>, TemplateError> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| TemplateError::Unreadable { path, cause }
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "ftl") {
            let tag = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            found.push((tag, text, path.display().to_string()));
        }
    }
    found.sort();
    Ok(found)
}

impl Language {
    fn new(tag: &str, text: &str, file: &str) -> Result<Self, TemplateError> {
        let id: LanguageIdentifier = tag.parse().map_err(|_| TemplateError::Wrong {
            file: file.to_owned(),
            what: format!("`{tag}` is not the tag of a language: name the file like de.ftl or pt-BR.ftl"),
        })?;
        let right_to_left = id.character_direction() == CharacterDirection::RTL;
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Marks around each argument keep a Latin name in an Arabic sentence in its place. Where everything runs
        // from left to right they would only be in the way of whoever copies a line.
        bundle.set_use_isolating(right_to_left);
        let mut language = Self { tag: tag.to_owned(), right_to_left, bundle };
        language.add(text, file)?;
        Ok(language)
    }

    fn add(&mut self, text: &str, file: &str) -> Result<(), TemplateError> {
        let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, errors)| TemplateError::Wrong {
            file: file.to_owned(),
            what: errors.first().map_or_else(String::new, |error| {
                let line = text.get(..error.pos.start).unwrap_or(text).lines().count().max(1);
                format!("line {line}: {error}")
            }),
        })?;
        self.bundle.add_resource_overriding(resource);
        Ok(())
    }

    fn say(&self, key: &str, args: &Args<'_>) -> Option<Result<String, RenderError>> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut errors = Vec::new();
        let said = self.bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
        Some(match errors.first() {
            None => Ok(said),
            Some(error) => Err(RenderError(format!("`{key}` in {}: {error}", self.tag))),
        })
    }
}

impl Voice<'_> {
    pub(super) fn language(&self) -> &str {
        &self.language.tag
    }

    pub(super) fn is_right_to_left(&self) -> bool {
        self.language.right_to_left
    }

    /// What there may be to say.
    pub(super) fn may(&self, key: &str, args: &Args<'_>) -> Result<Option<String>, RenderError> {
        let mut voices = std::iter::once(self.language).chain(self.fallback);
        voices.find_map(|language| language.say(key, args)).transpose()
    }

    /// What there has to be.
    pub(super) fn must(&self, key: &str, args: &Args<'_>) -> Result<String, RenderError> {
        self.may(key, args)?.ok_or_else(|| RenderError(format!("`{key}` is not there")))
    }

    /// How long something lasts, in the unit that says it best, rounded down: nobody comes too late for it.
    pub(super) fn lifetime(&self, seconds: u64) -> Result<String, RenderError> {
        let (key, unit) = match seconds {
            0..7_200 => ("lifetime-minutes", 60),
            7_200..172_800 => ("lifetime-hours", 3_600),
            _ => ("lifetime-days", 86_400),
        };
        let mut args = Args::new();
        args.set("n", (seconds / unit).max(1));
        self.must(key, &args)
    }

    /// A moment, on the clock of this zone, else of UTC.
    pub(super) fn moment(&self, at: Timestamp, zone: Option<&str>) -> Result<String, RenderError> {
        let zone = zone.and_then(|name| Some((TimeZone::get(name).ok()?, name)));
        let (zone, name) = zone.unwrap_or((TimeZone::UTC, "UTC"));
        let moment = jiff::Timestamp::from_microsecond(at.unix_micros())
            .map_err(|_| RenderError("a moment that no calendar has".into()))?
            .to_zoned_datetime(zone);
        let mut args = Args::new();
        args.set("day", i64::from(moment.day()));
        args.set("month", i64::from(moment.month()));
        // As text: a year is not a number to group digits in.
        args.set("year", moment.year().to_string());
        args.set("time", format!("{:02}:{:02}", moment.hour(), moment.minute()));
        args.set("zone", name.replace('_', " "));
        self.must("moment", &args)
    }
}
