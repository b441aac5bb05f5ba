//! Which services a process runs: all of them, unless `--only` says otherwise.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// A service that can run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The door for people and applications. Alone, it needs no database.
    Gateway,
    /// Sign-in, sessions, tokens and keys; and the feed.
    Auth,
    /// Accounts, and the calls of administrators.
    Users,
    /// What people see in a browser.
    Pages,
    /// The revocation feed and Shared Signals alone, to run more of them.
    Feed,
    /// What people are told: e-mail and the rest.
    Notify,
}

const NAMES: [(&str, Service); 6] = [
    ("gateway", Service::Gateway),
    ("auth", Service::Auth),
    ("users", Service::Users),
    ("pages", Service::Pages),
    ("feed", Service::Feed),
    ("notify", Service::Notify),
];

/// The services of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only(BTreeSet<Service>);

impl Only {
    /// Reads names with commas between; all services if there are none.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else { return Ok(Self(NAMES.iter().map(|(_, service)| *service).collect())) };
        let mut services = BTreeSet::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, service)) => services.insert(*service),
                None => bail!("`--only {name}`: there are gateway, auth, users, pages, feed and notify"),
            };
        }
        let only = Self(services);
        if only.0.is_empty() {
            bail!("`--only` names no service: there are gateway, auth, users, pages, feed and notify");
        }
        if only.has(Service::Gateway) && !only.is_gateway_alone() && only.0.len() < NAMES.len() {
            bail!("`--only`: the gateway runs alone, or with all services; the others have a door of their own");
        }
        Ok(only)
    }

    /// Their names, for people.
    pub fn names(&self) -> String {
        let names = NAMES.iter().filter(|(_, service)| self.has(*service)).map(|(name, _)| *name);
        names.collect::<Vec<&str>>().join(", ")
    }

    /// Whether this process runs a service.
    pub fn has(&self, service: Service) -> bool {
        self.0.contains(&service)
    }

    /// Whether it runs nothing but the gateway, and so needs no database.
    pub fn is_gateway_alone(&self) -> bool {
        self.has(Service::Gateway) && self.0.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_run_together_or_behind_a_gateway() {
        assert!(Only::parse(None).unwrap().has(Service::Pages));
        assert!(Only::parse(Some("gateway")).unwrap().is_gateway_alone());
        let some = Only::parse(Some("auth, users,pages")).unwrap();
        assert!(some.has(Service::Auth) && !some.has(Service::Gateway) && !some.has(Service::Feed));
        assert!(!Only::parse(Some("gateway,auth,users,pages,feed,notify")).unwrap().is_gateway_alone());
        for wrong in ["", ",", "mail", "gateway,auth"] {
            assert!(Only::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
