//! What list somebody wants, as it stands in the address.

use kernel::FieldError;
use users::Users;
use users::search::{Cursor, Filter, RawFilter, Sort};

use crate::form::Fields;

/// A filter that is set, as a chip that can be removed.
pub struct Chip {
    /// The name of its field.
    pub field: String,
    /// As it was typed.
    pub value: String,
    /// What it narrows.
    pub title: String,
    /// To what, in words.
    pub words: String,
    /// The list without it.
    pub without: String,
}

/// A column that the list can be sorted by.
pub struct Column {
    /// For `aria-sort`.
    pub state: &'static str,
    /// Its picture in the sprite.
    pub icon: &'static str,
    /// The list in the order that a click on it means.
    pub address: String,
}

/// The list that is wanted.
pub struct Asked {
    /// Whom.
    pub filter: Filter,
    /// As it was typed.
    pub raw: RawFilter,
    /// In which order.
    pub sort: Sort,
    /// From where on.
    pub cursor: Option<Cursor>,
    /// Where the pages before this one began, the nearest first. A list can be walked one way only, so the way
    /// back is remembered, as far as an address should be long.
    back: Vec<Step>,
    /// What is wrong with the address.
    pub errors: Vec<FieldError>,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// At the beginning of the list.
    First,
    /// Behind an account.
    Behind(Cursor),
}

/// The beginning of a list, where it stands among cursors.
const FIRST: &str = "first";
/// How many pages one can go back.
const MOST_BACK: usize = 8;
/// And how long the way back may be in an address.
const MOST_BACK_BYTES: usize = 2_000;

/// What each filter is called.
const TITLES: [(&str, &str); 6] = [
    ("status", "Status"),
    ("role", "Role"),
    ("verified", "Email"),
    ("created_after", "Created since"),
    ("created_before", "Created before"),
    ("last_login_after", "Signed in since"),
];

impl Asked {
    /// Reads the address. Dates may stand there without a time, as date fields send them.
    pub fn read(users: &Users, query: Fields) -> Self {
        let (sort, cursor) = (query.text("sort").to_owned(), query.text("cursor").to_owned());
        let back = query.text("back").to_owned();
        let mut errors = Vec::new();
        let mut pairs = query.into_pairs();
        let raw = RawFilter::take(&mut pairs).unwrap_or_else(|wrong| {
            errors.push(FieldError::new("q", "invalid_query", wrong.to_string()));
            RawFilter::default()
        });
        // A filter that is not understood would show more people than were asked for.
        if let Some((name, _)) =
            pairs.iter().find(|(name, _)| !["sort", "cursor", "back", "done"].contains(&name.as_str()))
        {
            let name: String = name.chars().take(40).collect();
            errors.push(FieldError::new("q", "unknown_parameter", format!("There is no filter called {name}.")));
        }
        let filter = Filter::parse(users, &with_times(raw.clone())).unwrap_or_else(|wrong| {
            errors.extend(wrong);
            Filter::default()
        });
        let sort = match sort.as_str() {
            "" => Sort::default(),
            name => Sort::parse(name).unwrap_or_else(|| {
                errors.push(FieldError::new("sort", "invalid_sort", "Use one of the headings of the list to sort it."));
                Sort::default()
            }),
        };
        let behind = |text: &str| Cursor::parse(text, &filter, sort);
        let cursor = Some(cursor).filter(|text| !text.is_empty()).map(|text| behind(&text)).transpose();
        let steps = back.split(',').filter(|text| !text.is_empty()).take(MOST_BACK);
        let back: Result<Vec<Step>, _> =
            steps.map(|text| if text == FIRST { Ok(Step::First) } else { behind(text).map(Step::Behind) }).collect();
        let (cursor, back) = cursor.and_then(|cursor| Ok((cursor, back?))).unwrap_or_else(|_| {
            let text = "This page of the list is no more. Begin at its first page.";
            errors.push(FieldError::new("cursor", "invalid_cursor", text));
            (None, Vec::new())
        });
        Self { filter, raw, sort, cursor, back, errors }
    }

    /// What was searched for.
    pub fn text(&self) -> &str {
        self.raw.q.as_deref().unwrap_or_default()
    }

    /// The filters that are set.
    pub fn chips(&self) -> Vec<Chip> {
        let pairs = self.raw.pairs();
        let chip = |(field, value): &(String, String)| {
            let words = match (field.as_str(), value.as_str()) {
                ("q", _) => return None,
                ("status", "active") => "Active",
                ("status", "suspended") => "Banned",
                ("status", "deleted") => "Deleted",
                ("verified", "true") => "Verified",
                ("verified", "false") => "Not verified",
                (_, value) => value,
            };
            let title = TITLES.iter().find(|(name, _)| name == field).map_or(field.as_str(), |(_, title)| title);
            let rest = pairs.iter().filter(|(name, _)| name != field);
            Some(Chip {
                field: field.clone(),
                value: value.clone(),
                title: title.to_owned(),
                words: words.to_owned(),
                without: address(rest, self.sort),
            })
        };
        pairs.iter().filter_map(chip).collect()
    }

    /// Whether this filter is not set.
    pub fn lacks(&self, field: &str) -> bool {
        !self.raw.pairs().iter().any(|(name, _)| name == field)
    }

    /// Whether everybody is wanted.
    pub fn is_everybody(&self) -> bool {
        self.raw == RawFilter::default()
    }

    /// A column that sorts one way.
    pub fn column(&self, sort: Sort) -> Column {
        self.toggle(sort, sort)
    }

    /// A column that sorts `first` one way, then the other.
    pub fn toggle(&self, first: Sort, then: Sort) -> Column {
        let (state, icon) = match self.sort {
            here if here != first && here != then => ("none", "chevrons-up-down"),
            Sort::CreatedAtDescending => ("descending", "arrow-down"),
            Sort::CreatedAt | Sort::Email | Sort::Name | Sort::LastLoginAt => ("ascending", "arrow-up"),
        };
        let next = if self.sort == first { then } else { first };
        Column { state, icon, address: address(self.raw.pairs().iter(), next) }
    }

    /// The list in each of its orders: its words, where it is, and whether it is this one.
    pub fn orders(&self) -> [(&'static str, String, bool); 5] {
        Sort::ALL.map(|sort| (order(sort), address(self.raw.pairs().iter(), sort), sort == self.sort))
    }

    /// The first page of this list.
    pub fn first(&self) -> String {
        address(self.raw.pairs().iter(), self.sort)
    }

    /// The filter as a form carries it.
    pub fn query(&self) -> String {
        self.raw.to_query()
    }

    /// The deleted among those that are searched for.
    pub fn among_deleted(&self) -> String {
        let raw = RawFilter { q: self.raw.q.clone(), status: Some("deleted".to_owned()), ..RawFilter::default() };
        address(raw.pairs().iter(), self.sort)
    }

    /// The page behind this place, which the one that is shown ends at.
    pub fn after(&self, cursor: &Cursor) -> String {
        let here = self.cursor.clone().map_or(Step::First, Step::Behind);
        self.page(cursor, std::iter::once(&here).chain(&self.back))
    }

    /// The page before the one that is shown, as far as it is remembered.
    pub fn before(&self) -> Option<String> {
        let (nearest, others) = self.back.split_first().filter(|_| self.cursor.is_some())?;
        Some(match nearest {
            Step::First => self.first(),
            Step::Behind(cursor) => self.page(cursor, others.iter()),
        })
    }

    fn page<'a>(&self, cursor: &Cursor, back: impl Iterator<Item = &'a Step>) -> String {
        let first = self.first();
        let joint = if first.contains('?') { '&' } else { '?' };
        let mut steps = String::new();
        for step in back.take(MOST_BACK) {
            let step = match step {
                Step::First => FIRST.to_owned(),
                Step::Behind(cursor) => cursor.to_text(),
            };
            // In the order of names, a cursor has a name in it.
            if steps.len() + step.len() > MOST_BACK_BYTES {
                break;
            }
            steps = if steps.is_empty() { step } else { format!("{steps},{step}") };
        }
        let back = steps;
        let back = if back.is_empty() { back } else { format!("&back={back}") };
        format!("{first}{joint}cursor={}{back}", cursor.to_text())
    }
}

/// An order in words.
pub const fn order(sort: Sort) -> &'static str {
    match sort {
        Sort::CreatedAt => "oldest account first",
        Sort::CreatedAtDescending => "newest account first",
        Sort::Email => "by email",
        Sort::Name => "by name",
        Sort::LastLoginAt => "longest without a sign-in first",
    }
}

/// Makes a moment of a date: its first.
pub fn with_times(mut raw: RawFilter) -> RawFilter {
    for moment in [&mut raw.created_after, &mut raw.created_before, &mut raw.last_login_after] {
        if let Some(date) = moment.as_mut().filter(|text| text.len() == "2026-01-31".len()) {
            date.push_str("T00:00:00Z");
        }
    }
    raw
}

fn address<'a>(pairs: impl Iterator<Item = &'a (String, String)>, sort: Sort) -> String {
    let mut raw: Vec<(String, String)> = pairs.cloned().collect();
    let mut query = RawFilter::take(&mut raw).unwrap_or_default().to_query();
    if sort != Sort::default() {
        let joint = if query.is_empty() { "" } else { "&" };
        query = format!("{query}{joint}sort={}", sort.as_str());
    }
    if query.is_empty() { "/admin/users".to_owned() } else { format!("/admin/users?{query}") }
}
