//! How far a ban has got: which services have applied it, as each of them says.

use crate::Pages;
use crate::admin::chart::grouped;
use crate::surroundings::ListenerRow;

use super::pass::Pass;

/// A service that a ban has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What its token is called.
    pub name: String,
    /// Whether it says that it has applied it.
    pub got: bool,
    /// How it stands.
    pub words: String,
}

/// How far a ban has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// This process first, then every service that listens to it, or has.
    pub stops: Vec<Stop>,
    /// Whether it is worth looking again by itself.
    pub moves: bool,
}

impl Reach {
    /// Of the ban that this person is under; nothing if the visitor does not see it, or no service listens here.
    pub fn of(pages: &Pages, pass: &Pass) -> Option<Self> {
        let listeners = pages.surroundings.listeners()?;
        let fresh = pass.is_banned_lately;
        match &pass.ban {
            Some(ban) => Some(Self::new(&listeners, Some(ban.entry), fresh)),
            // On PostgreSQL an event has its number a moment after it happened.
            None if fresh => Some(Self::new(&listeners, None, fresh)),
            None => None,
        }
    }

    fn new(listeners: &[ListenerRow], entry: Option<i64>, fresh: bool) -> Self {
        let own = Stop { name: "usher".to_owned(), got: true, words: "at once".to_owned() };
        let stops: Vec<Stop> = std::iter::once(own).chain(listeners.iter().map(|one| Stop::of(one, entry))).collect();
        let moves = fresh && stops.iter().any(|stop| !stop.got);
        Self { stops, moves }
    }

    /// How many have applied it.
    pub fn got(&self) -> usize {
        self.stops.iter().filter(|stop| stop.got).count()
    }

    /// Whether all have.
    pub fn is_everywhere(&self) -> bool {
        self.got() == self.stops.len()
    }
}

impl Stop {
    fn of(service: &ListenerRow, entry: Option<i64>) -> Self {
        let got = service.applied.zip(entry).is_some_and(|((applied, _), entry)| applied >= entry);
        let words = match (got, service.connections, service.applied) {
            (true, ..) => "has it".to_owned(),
            (false, 0, _) => "not listening".to_owned(),
            (false, _, Some((applied, _))) => format!("at {}", grouped(applied)),
            (false, _, None) => "has not said".to_owned(),
        };
        Self { name: service.name.clone(), got, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_where_a_service_says_that_it_has_applied_it() {
        let row = |connections, applied: Option<i64>| ListenerRow {
            name: "quiz".into(),
            connections,
            applied: applied.map(|applied| (applied, 1)),
        };
        let stop = |row: &ListenerRow, entry| {
            let stop = Stop::of(row, entry);
            (stop.got, stop.words)
        };
        assert_eq!(stop(&row(1, Some(7)), Some(7)), (true, "has it".to_owned()));
        assert_eq!(stop(&row(1, Some(1_006)), Some(1_007)), (false, "at 1,006".to_owned()));
        assert_eq!(stop(&row(1, None), Some(7)), (false, "has not said".to_owned()));
        assert_eq!(stop(&row(0, Some(6)), Some(7)), (false, "not listening".to_owned()));
        assert_eq!(stop(&row(0, Some(7)), Some(7)), (true, "has it".to_owned()), "it went away after that");
        assert_eq!(stop(&row(1, Some(7)), None), (false, "at 7".to_owned()), "the ban has no number yet");
        let reach = Reach::new(&[row(1, Some(7)), row(1, Some(6))], Some(7), true);
        assert_eq!((reach.got(), reach.is_everywhere(), reach.moves), (2, false, true));
        assert!(!Reach::new(&[row(0, None)], Some(7), false).moves, "nobody waits for an old one");
        assert!(Reach::new(&[], Some(7), true).is_everywhere());
    }
}
