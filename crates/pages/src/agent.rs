//! What to call a device, from what its browser says about itself. A courtesy to the person who reads
//! their own list of devices; nothing is decided by it.

/// A browser or a program, on something.
pub struct Device {
    /// Such as "Firefox on macOS".
    pub name: String,
    /// Its picture in the sprite.
    pub icon: &'static str,
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

const SYSTEMS: [(&str, &str, &str); 7] = [
    ("iPhone", "iPhone", "smartphone"),
    ("iPad", "iPad", "smartphone"),
    ("Android", "Android", "smartphone"),
    ("Windows", "Windows", "laptop"),
    ("Mac OS X", "macOS", "laptop"),
    ("CrOS", "ChromeOS", "laptop"),
    ("Linux", "Linux", "laptop"),
];

impl Device {
    /// Reads a `User-Agent` header (RFC 9110 §10.1.5).
    pub fn from_user_agent(text: &str) -> Self {
        let browser = BROWSERS.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name);
        let system = SYSTEMS.iter().find(|(mark, ..)| text.contains(mark));
        // A program calls itself `name/version` and stops there.
        let program = text.split(['/', ' ']).next().filter(|name| !name.is_empty() && *name != "Mozilla");
        let (name, icon) = match (browser, system) {
            (Some(browser), Some((_, system, icon))) => (format!("{browser} on {system}"), *icon),
            (Some(browser), None) => (browser.to_owned(), "laptop"),
            (None, Some((_, system, icon))) => (format!("A browser on {system}"), *icon),
            (None, None) => (program.unwrap_or("An unknown device").to_owned(), "app-window"),
        };
        Self { name, icon }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_called_by_their_names() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0",
                "Firefox on macOS",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("", "An unknown device"),
        ] {
            assert_eq!(Device::from_user_agent(agent).name, name);
        }
    }
}
