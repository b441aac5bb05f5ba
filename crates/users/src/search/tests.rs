//! Looking up, counting, going through ids, parts of an order, and reading what a page shows.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Clock, MasterKeys, Timestamp, UserId};
use serde_json::json;

use super::{Count, Filter, RawFilter, Sort, count_up_to, ids_after, search};
use crate::account::{self, NewAccount, Status};
use crate::personal::{self, AttributeSchema, Party, PersonalChange, PhoneNumber};
use crate::{Account, Change, EmailAddress, Settings, Users};

const BEGINNING: Timestamp = Timestamp::from_unix_micros(1_700_000_000_000_000);
const PEOPLE: i64 = 60;

/// Sixty accounts, an hour apart. Every third has a telephone number, every fourth is in the red team, every fifth is
/// suspended.
struct House {
    users: Users,
    made: Vec<Account>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = storage::Settings::sqlite(folder.path().join("usher.db"), 2);
        let migrations = [storage::MIGRATIONS, crate::MIGRATIONS].concat();
        let db = storage::Db::open(&settings, &migrations, true).await.unwrap();
        let team = json!({"name": "team", "type": "string", "searchable": true, "max_length": 20});
        let attributes = AttributeSchema::new(&[serde_json::from_value(team).unwrap()]).unwrap();
        let settings = Settings { attributes, ..Settings::default() };
        let users = Users::open(db, Clock::fixed(BEGINNING), settings, &MasterKeys::generate()).await.unwrap();
        let mut made = Vec::new();
        for number in 0..PEOPLE {
            made.push(add(&users, number).await);
        }
        Self { users, made, _folder: folder }
    }

    fn filter(&self, pairs: &[(&str, &str)]) -> Filter {
        let mut pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let raw = RawFilter::take(&mut pairs).unwrap();
        assert_eq!(pairs, []);
        let filter = Filter::parse(&self.users, &raw).unwrap();
        // What is handed on in links and kept with jobs finds the same.
        assert_eq!(Filter::parse(&self.users, &filter.to_raw()).unwrap(), filter);
        filter
    }

    /// The ids of those whose number fits, in order.
    fn those(&self, fits: impl Fn(i64) -> bool) -> BTreeSet<UserId> {
        (0..PEOPLE).zip(&self.made).filter(|(number, _)| fits(*number)).map(|(_, account)| account.id).collect()
    }

    async fn listed(&self, filter: &Filter, sort: Sort) -> Vec<UserId> {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let found = search(&self.users, filter, sort, cursor.as_ref(), 7).await.unwrap();
            ids.extend(found.accounts.iter().map(|account| account.id));
            match found.next {
                Some(next) => cursor = Some(next),
                None => return ids,
            }
        }
    }
}

async fn add(users: &Users, number: i64) -> Account {
    let now = BEGINNING.plus_seconds(number * 3_600);
    let email = EmailAddress::parse(&format!("p{number}@example.com")).unwrap();
    let new = NewAccount { email, email_verified: number % 2 == 0, name: None, locale: None };
    let mut tx = users.db.begin().await.unwrap();
    let id = account::insert(&mut tx, &new, &[account::USER], now).await.unwrap().unwrap().id;
    let mut change = PersonalChange::default();
    if number % 3 == 0 {
        change.phone_number = Change::Set(PhoneNumber::parse(&format!("+4930123{number:04}")).unwrap());
    }
    if number % 4 == 0 {
        let typed = BTreeMap::from([("team".to_owned(), json!("Red"))]);
        change.attributes = users.attributes.parse(typed, Party::Officers).unwrap();
    }
    personal::apply(users, &mut tx, id, &change, now).await.unwrap();
    if number % 5 == 0 {
        account::set_status(&mut tx, id, Status::Active, Status::Suspended, None, now).await.unwrap();
    }
    let account = account::find(&mut tx, id).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    account
}

#[tokio::test]
async fn telephone_numbers_and_attributes_are_found_by_their_exact_value() {
    let house = House::open().await;
    for sort in Sort::ALL {
        let phone = house.filter(&[("phone", "+49 (30) 123-0009")]);
        assert_eq!(house.listed(&phone, sort).await, [house.made[9].id]);
        let red = house.filter(&[("attribute.team", " RED ")]);
        let listed: BTreeSet<UserId> = house.listed(&red, sort).await.into_iter().collect();
        assert_eq!(listed, house.those(|number| number % 4 == 0));
        let both = house.filter(&[("attribute.team", "red"), ("phone", "+49301230012"), ("verified", "true")]);
        assert_eq!(house.listed(&both, sort).await, [house.made[12].id]);
        for nobody in [&[("attribute.team", "re")][..], &[("attribute.team", "red"), ("phone", "+49301230009")]] {
            assert_eq!(house.listed(&house.filter(nobody), sort).await, []);
        }
    }
    let raw = RawFilter { attributes: [("attribute.shoe".to_owned(), "43".to_owned())].into(), ..RawFilter::default() };
    assert_eq!(Filter::parse(&house.users, &raw).unwrap_err().len(), 1);
}

#[tokio::test]
async fn a_count_stops_where_it_was_asked_to() {
    let house = House::open().await;
    for (filter, all) in [
        (house.filter(&[]), 60),
        (house.filter(&[("status", "suspended")]), 12),
        (house.filter(&[("attribute.team", "red")]), 15),
        (house.filter(&[("verified", "false"), ("q", "p1")]), 6),
        (house.filter(&[("q", "nobody")]), 0),
    ] {
        assert_eq!(count_up_to(&house.users, &filter, 100).await.unwrap(), Count::Exactly(all));
        assert_eq!(count_up_to(&house.users, &filter, all).await.unwrap(), Count::Exactly(all));
        if all > 0 {
            assert_eq!(count_up_to(&house.users, &filter, all - 1).await.unwrap(), Count::AtLeast(all - 1));
        }
    }
}

#[tokio::test]
async fn ids_come_in_order_and_full_until_the_last() {
    let house = House::open().await;
    let suspended = house.filter(&[("status", "suspended")]);
    for (filter, expected) in [
        (house.filter(&[]), house.those(|_| true)),
        (suspended, house.those(|number| number % 5 == 0)),
        (house.filter(&[("phone", "+49301230003")]), house.those(|number| number == 3)),
        (house.filter(&[("attribute.team", "red")]), house.those(|number| number % 4 == 0)),
    ] {
        let mut read = house.users.db.read().await.unwrap();
        let (mut seen, mut after): (Vec<UserId>, Option<UserId>) = (Vec::new(), None);
        loop {
            let ids = ids_after(&mut read, &filter, after, 7).await.unwrap();
            seen.extend(&ids);
            after = ids.last().copied();
            if ids.len() < 7 {
                break;
            }
        }
        assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_part_of_an_order_is_all_of_that_part() {
    let house = House::open().await;
    let moment = |hours: i64| BEGINNING.plus_seconds(hours * 3_600).to_string();
    let (from, to) = (moment(11), moment(47));
    for sort in Sort::ALL {
        for pairs in [vec![], vec![("status", "suspended")], vec![("verified", "true"), ("q", "example")]] {
            let mut all = pairs.clone();
            all.extend([("created_after", from.as_str()), ("created_before", to.as_str())]);
            let listed = house.listed(&house.filter(&all), sort).await;
            let once: BTreeSet<UserId> = listed.iter().copied().collect();
            assert_eq!(once.len(), listed.len(), "{all:?}");
            let expected = house.those(|number| {
                (11..47).contains(&number)
                    && pairs.iter().all(|(name, _)| match *name {
                        "status" => number % 5 == 0,
                        "verified" => number % 2 == 0,
                        _ => true,
                    })
            });
            assert_eq!(once, expected, "{all:?}");
        }
        let signed_in = house.filter(&[("last_login_after", from.as_str())]);
        assert_eq!(house.listed(&signed_in, sort).await, []);
    }
}

#[tokio::test]
async fn many_are_shown_as_each_of_them_is() {
    let house = House::open().await;
    let views = house.users.views(&house.made, Party::Officers).await.unwrap();
    assert_eq!(views.len(), house.made.len());
    for (view, account) in views.iter().zip(&house.made) {
        let alone = house.users.view(account, Party::Officers).await.unwrap();
        assert_eq!(serde_json::to_value(view).unwrap(), serde_json::to_value(&alone).unwrap());
    }
    let third = serde_json::to_value(&views[12]).unwrap();
    assert_eq!((&third["phone_number"], &third["attributes"]["team"]), (&json!("+49301230012"), &json!("Red")));
    assert!(house.users.views(&[], Party::Officers).await.unwrap().is_empty());
}
