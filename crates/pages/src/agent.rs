//! What to call a device, from what its browser says about itself. A courtesy to the person who reads
//! their own list of devices; nothing is decided by it.

use auth::Agent;

/// A browser or a program, on something.
pub struct Device {
    /// Such as "Firefox on macOS".
    pub name: String,
    /// Its picture in the sprite.
    pub icon: &'static str,
}

impl Device {
    /// Reads a `User-Agent` header (RFC 9110 §10.1.5).
    pub fn from_user_agent(text: &str) -> Self {
        let Agent { browser, program, system } = Agent::read(text);
        let icon = match system {
            Some("iPhone" | "iPad" | "Android") => "smartphone",
            None if browser.is_none() => "app-window",
            _ => "laptop",
        };
        let name = match (browser.or(program), system) {
            (Some(program), Some(system)) => format!("{program} on {system}"),
            (Some(program), None) => program.to_owned(),
            (None, Some(system)) => format!("A browser on {system}"),
            (None, None) => "An unknown device".to_owned(),
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
            ("Quiz/2.1 (iPhone; iOS 18.0)", "Quiz on iPhone"),
            ("curl/8.5.0", "curl"),
            ("", "An unknown device"),
        ] {
            assert_eq!(Device::from_user_agent(agent).name, name);
        }
    }
}
