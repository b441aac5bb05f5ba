//! The text that somebody looks for.

use super::fold;
use crate::EmailAddress;

/// What has to stand in a name or an address: 1 to 100 characters, compared as names are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText {
    typed: String,
    folded: String,
}

/// Nothing that can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSearchText {
    /// More than 100 characters.
    #[error("Look for at most 100 characters.")]
    TooLong,
    /// A line break, or another character that is in no name.
    #[error("Remove line breaks and control characters.")]
    Control,
}

const MAX_CHARACTERS: usize = 100;
/// An address is at most so long, and one that is pasted whole has to be found.
const MAX_ADDRESS: usize = 254;

impl SearchText {
    /// Reads what somebody typed; nothing if it is empty. A whole address is looked for as addresses are
    /// compared, in whatever spelling it comes.
    pub fn parse(typed: &str) -> Result<Option<Self>, InvalidSearchText> {
        let typed = typed.trim();
        if typed.chars().any(char::is_control) {
            return Err(InvalidSearchText::Control);
        }
        let characters = typed.chars().count();
        let address = if characters <= MAX_ADDRESS { EmailAddress::parse(typed).ok() } else { None };
        let folded = match &address {
            Some(address) => address.canonical().to_owned(),
            None if characters > MAX_CHARACTERS => return Err(InvalidSearchText::TooLong),
            None => fold(typed),
        };
        Ok((!folded.is_empty()).then(|| Self { typed: typed.to_owned(), folded }))
    }

    /// As it was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// As it is compared.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }

    /// The pattern of `LIKE … ESCAPE '\'` for texts that hold it, in which nothing typed is a wildcard.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.folded.len() + 2);
        pattern.push('%');
        for character in self.folded.chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(typed: &str) -> Option<String> {
        SearchText::parse(typed).unwrap().map(|text| text.folded)
    }

    #[test]
    fn what_is_typed_is_compared_as_names_and_addresses_are() {
        assert_eq!(folded("  ZOË "), Some("zoë".into()));
        assert_eq!(folded("Ann@BÜCHER.example."), Some("ann@xn--bcher-kva.example".into()));
        assert_eq!(folded("@Example"), Some("@example".into()));
        assert_eq!(folded("   "), None);
        assert_eq!(SearchText::parse("a\nb"), Err(InvalidSearchText::Control));
        assert_eq!(SearchText::parse(&"é".repeat(101)), Err(InvalidSearchText::TooLong));
    }

    #[test]
    fn wildcards_are_letters() {
        assert_eq!(SearchText::parse(r"50%_\").unwrap().unwrap().pattern(), r"%50\%\_\\%");
    }
}
