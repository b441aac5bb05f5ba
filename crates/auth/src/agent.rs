//! What a browser or program says that it is. It is a courtesy to people who read their own list of devices, and what
//! programs are told apart by that have no cookies; nothing is let in by it.

/// What is made of a `User-Agent` header (RFC 9110 §10.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent<'a> {
    /// A browser that is known here.
    pub browser: Option<&'static str>,
    /// Any other program, by the name that it has given itself.
    pub program: Option<&'a str>,
    /// What it runs on.
    pub system: Option<&'static str>,
}

/// The order matters: most browsers also name those that they want to be taken for.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// The longest name of a program that is believed to be one.
const LONGEST: usize = 40;

impl<'a> Agent<'a> {
    /// Reads the header.
    pub fn read(text: &'a str) -> Self {
        let browser = BROWSERS.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name);
        let system = SYSTEMS.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name);
        // A program calls itself `name/version` and stops there.
        let first = text.split(['/', ' ']).next().filter(|name| *name != "Mozilla" && is_a_name(name));
        Self { browser, program: first.filter(|_| browser.is_none()), system }
    }

    /// What it is, in words that every language has: "Firefox, macOS".
    pub fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        [self.browser.or(self.program), self.system].into_iter().flatten()
    }
}

/// Letters, digits and little else: whoever signs in with somebody's password cannot write a sentence into the mail
/// that warns them.
fn is_a_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        Agent::read(text).words().collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn browsers_and_programs_are_told_by_name_without_their_version() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox, Linux"),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", "Edge, Windows"),
            ("Quiz/2.1 (iPhone; iOS 18.0)", "Quiz, iPhone"),
            ("curl/8.5.0", "curl"),
            ("Mozilla/5.0", ""),
            ("", ""),
        ] {
            assert_eq!(words(agent), expected);
        }
    }

    #[test]
    fn no_sentence_is_a_name() {
        for agent in ["Call+1-555-0100:now/1", "<b>hello</b>", "https://evil.example/x", &"x".repeat(41)] {
            assert_eq!(Agent::read(agent).program, None, "{agent}");
        }
    }
}
