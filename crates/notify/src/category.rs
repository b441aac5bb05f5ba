//! What a message is for. People choose by category what they want to hear, and where; but for security.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ChannelName;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Who comes in, and what lets them: nobody can switch it off.
    Security,
    /// What somebody asked for, about their account.
    Account,
    /// What happens in an application.
    Product,
    /// What an operator wants to say.
    Marketing,
    /// One of an application's own, by its name. Names live as long as the program.
    Own(&'static str),
}

impl Category {
    /// Those that are always there.
    pub const BUILT_IN: [Self; 4] = [Self::Security, Self::Account, Self::Product, Self::Marketing];

    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Account => "account",
            Self::Product => "product",
            Self::Marketing => "marketing",
            Self::Own(name) => name,
        }
    }

    /// The category of this name, of those that are always there.
    pub fn built_in(name: &str) -> Option<Self> {
        Self::BUILT_IN.into_iter().find(|category| category.as_str() == name)
    }

    /// Its place in the queue: what somebody waits for comes first.
    pub(crate) const fn urgency(self) -> i64 {
        if self.can_wait() { 1 } else { 0 }
    }

    /// Whether it waits while somebody wants to be left alone.
    pub(crate) const fn can_wait(self) -> bool {
        match self {
            Self::Security | Self::Account => false,
            Self::Product | Self::Marketing | Self::Own(_) => true,
        }
    }

    /// What people are shown for it, where nobody has said otherwise.
    const fn title(self) -> &'static str {
        match self {
            Self::Security => "Security",
            Self::Account => "Your account",
            Self::Product => "Applications",
            Self::Marketing => "News and offers",
            Self::Own(name) => name,
        }
    }
}

/// What an operator says of a category: one of an application's own, or one that is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CategorySpec {
    /// Its name: 1 to 32 of `a-z 0-9 - _`.
    pub name: String,
    /// What people are shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Whether it comes by e-mail to whoever has not chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<bool>,
    /// Whether it comes into the inbox of whoever has not chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_app: Option<bool>,
    /// Whether it comes to the devices of whoever has not chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<bool>,
    /// Whether it waits for the digest of those who want one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<bool>,
}

/// Not a list of categories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCategories {
    /// The name of the one that is wrong.
    pub name: String,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for InvalidCategories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.name, self.what)
    }
}

impl std::error::Error for InvalidCategories {}

/// A category, and what holds for those who have not chosen.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Which.
    pub category: Category,
    /// What people are shown.
    pub title: String,
    /// Whether it waits for the digest of those who want one.
    pub digest: bool,
    /// The channels on which it comes to whoever has not chosen.
    on: Vec<ChannelName>,
}

impl Offered {
    fn new(category: Category) -> Self {
        // To be told what one did not ask for is to be asked for.
        let is_asked_for = category == Category::Marketing;
        let on = |channel: &ChannelName| !is_asked_for || *channel == ChannelName::InApp;
        Self {
            category,
            title: category.title().to_owned(),
            on: ChannelName::ALL.into_iter().filter(on).collect(),
            digest: matches!(category, Category::Product | Category::Own(_)),
        }
    }

    fn set(&mut self, channel: ChannelName, on: Option<bool>) {
        let Some(on) = on else { return };
        self.on.retain(|other| *other != channel);
        if on {
            self.on.push(channel);
        }
    }

    /// Whether it comes on this channel to whoever has not chosen.
    pub fn by_default(&self, channel: ChannelName) -> bool {
        self.on.contains(&channel)
    }

    /// Whether nobody can switch it off on this channel.
    pub fn is_always_on(&self, channel: ChannelName) -> bool {
        self.category == Category::Security && channel == ChannelName::Email
    }
}

/// How many categories an application may add.
const MOST: usize = 32;
/// The longest title, in characters.
const TITLE: usize = 64;

/// All categories that there are here.
#[derive(Clone, Debug)]
pub struct Categories(Vec<Offered>);

impl Default for Categories {
    fn default() -> Self {
        Self(Category::BUILT_IN.into_iter().map(Offered::new).collect())
    }
}

impl Categories {
    /// Those that are always there, as an operator wants them, and the operator's own.
    pub fn new(specs: &[CategorySpec]) -> Result<Self, InvalidCategories> {
        let mut all = Self::default();
        for spec in specs {
            let wrong = |what| InvalidCategories { name: spec.name.clone(), what };
            if specs.iter().filter(|other| other.name == spec.name).count() > 1 {
                return Err(wrong("it stands twice"));
            }
            if spec.title.chars().count() > TITLE || spec.title.chars().any(char::is_control) {
                return Err(wrong("its title is one line of at most 64 characters"));
            }
            if spec.name == Category::Security.as_str() && spec.email == Some(false) {
                return Err(wrong("mail about security cannot be switched off"));
            }
            let known = all.0.iter().position(|offered| offered.category.as_str() == spec.name);
            let at = known.unwrap_or(all.0.len());
            if known.is_none() {
                let name = own_name(&spec.name).ok_or_else(|| wrong("a name is 1 to 32 of a-z, 0-9, - and _"))?;
                if all.0.len() >= MOST + Category::BUILT_IN.len() {
                    return Err(wrong("there can be 32 besides those that are built in"));
                }
                all.0.push(Offered::new(Category::Own(name)));
            }
            let offered = &mut all.0[at];
            if !spec.title.is_empty() {
                spec.title.clone_into(&mut offered.title);
            }
            for (channel, on) in
                [(ChannelName::Email, spec.email), (ChannelName::InApp, spec.in_app), (ChannelName::Push, spec.push)]
            {
                offered.set(channel, on);
            }
            let digest = spec.digest.unwrap_or(offered.digest);
            if digest && !offered.category.can_wait() {
                return Err(wrong("what is about security or the account does not wait for a digest"));
            }
            offered.digest = digest;
        }
        Ok(all)
    }

    /// All of them, in the order in which people are shown them.
    pub fn all(&self) -> &[Offered] {
        &self.0
    }

    /// The category of this name.
    pub fn find(&self, name: &str) -> Option<&Offered> {
        self.0.iter().find(|offered| offered.category.as_str() == name)
    }

    /// What holds for this category. One that was there when a message was written, and is not any more, is what an
    /// application would be told about.
    pub(crate) fn of(&self, category: Category) -> Offered {
        self.find(category.as_str()).cloned().unwrap_or_else(|| Offered::new(category))
    }
}

/// A name of an application's own, for as long as the program lives: the configuration is read once.
fn own_name(name: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let fits = (1..=32).contains(&name.len()) && name.bytes().all(allowed);
    fits.then(|| &*Box::leak(name.to_owned().into_boxed_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> CategorySpec {
        CategorySpec { name: name.into(), ..CategorySpec::default() }
    }

    #[test]
    fn an_operator_adds_categories_and_says_what_holds_by_default() {
        let categories = Categories::new(&[
            CategorySpec { title: "Your orders".into(), digest: Some(false), ..spec("orders") },
            CategorySpec { email: Some(true), ..spec("marketing") },
        ])
        .unwrap();
        let orders = categories.find("orders").unwrap();
        assert_eq!(
            (orders.category, orders.title.as_str(), orders.digest),
            (Category::Own("orders"), "Your orders", false)
        );
        assert!(categories.find("marketing").unwrap().by_default(ChannelName::Email));
        assert!(!Categories::default().find("marketing").unwrap().by_default(ChannelName::Email));
        assert_eq!(categories.all().len(), 5);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let error = |specs: &[CategorySpec]| Categories::new(specs).err().map(|error| error.what);
        assert!(error(&[spec("Orders")]).unwrap().contains("a-z"));
        assert!(error(&[spec("")]).is_some() && error(&[spec(&"x".repeat(33))]).is_some());
        assert!(error(&[spec("orders"), spec("orders")]).unwrap().contains("twice"));
        assert!(error(&[CategorySpec { email: Some(false), ..spec("security") }]).unwrap().contains("security"));
        assert!(error(&[CategorySpec { digest: Some(true), ..spec("account") }]).unwrap().contains("digest"));
        let many: Vec<CategorySpec> = (0..33).map(|number| spec(&format!("own{number}"))).collect();
        assert!(error(&many).unwrap().contains("32"));
        assert!(error(&[CategorySpec { title: "a\nb".into(), ..spec("orders") }]).is_some());
    }
}
