//! Who they are: worked out from their number alone.

use serde_json::{Value, json};

/// When the youngest account was made: 2026-01-01T00:00:00Z, in seconds. The oldest is five years older.
const NEWEST: u64 = 1_767_225_600;
const FIVE_YEARS: u64 = 5 * 365 * 86_400;

/// First and family names that go together, each beside how it is written in an address.
type Names = &'static [(&'static str, &'static str)];
const CULTURES: [(Names, Names); 8] = [
    (
        &[
            ("James", "james"),
            ("Mary", "mary"),
            ("Olivia", "olivia"),
            ("Liam", "liam"),
            ("Emma", "emma"),
            ("Noah", "noah"),
            ("Hannah", "hannah"),
            ("Annabel", "annabel"),
            ("Christopher", "christopher"),
            ("Elizabeth", "elizabeth"),
            ("Jonathan", "jonathan"),
            ("Grace", "grace"),
            ("Xavier", "xavier"),
            ("Quentin", "quentin"),
            ("Phoebe", "phoebe"),
            ("Theodore", "theodore"),
        ],
        &[
            ("Smith", "smith"),
            ("Johnson", "johnson"),
            ("O'Brien", "obrien"),
            ("Williams", "williams"),
            ("Fitzgerald", "fitzgerald"),
            ("MacDonald", "macdonald"),
            ("Thompson", "thompson"),
            ("Baker-Finch", "baker-finch"),
            ("Wright", "wright"),
            ("Knox", "knox"),
            ("Quigley", "quigley"),
            ("Vaughan", "vaughan"),
            ("Abernathy", "abernathy"),
            ("Whitlock", "whitlock"),
        ],
    ),
    (
        &[
            ("Zoë", "zoe"),
            ("Jürgen", "juergen"),
            ("Käthe", "kaethe"),
            ("Björn", "bjoern"),
            ("Sören", "soeren"),
            ("Annika", "annika"),
            ("Franziska", "franziska"),
            ("Matthias", "matthias"),
            ("Günther", "guenther"),
            ("Heike", "heike"),
            ("Lukas", "lukas"),
            ("Øyvind", "oyvind"),
            ("Åsa", "asa"),
            ("Ingrid", "ingrid"),
        ],
        &[
            ("Müller", "mueller"),
            ("Weiß", "weiss"),
            ("Schröder", "schroeder"),
            ("von der Heide", "vonderheide"),
            ("Ångström", "angstrom"),
            ("Sørensen", "sorensen"),
            ("Lindqvist", "lindqvist"),
            ("Schwarzenbach", "schwarzenbach"),
            ("Jäger", "jaeger"),
            ("Köhler", "koehler"),
            ("Østergaard", "ostergaard"),
            ("Zimmermann", "zimmermann"),
        ],
    ),
    (
        &[
            ("María José", "mariajose"),
            ("José", "jose"),
            ("Lucía", "lucia"),
            ("Íñigo", "inigo"),
            ("João", "joao"),
            ("Inês", "ines"),
            ("Gonçalo", "goncalo"),
            ("Beatriz", "beatriz"),
            ("Nuria", "nuria"),
            ("Sebastián", "sebastian"),
            ("Ximena", "ximena"),
            ("Álvaro", "alvaro"),
        ],
        &[
            ("García", "garcia"),
            ("Núñez", "nunez"),
            ("de la Cruz", "delacruz"),
            ("Fernández", "fernandez"),
            ("Gonçalves", "goncalves"),
            ("Magalhães", "magalhaes"),
            ("Ibáñez", "ibanez"),
            ("Rodríguez", "rodriguez"),
            ("Peña", "pena"),
            ("Ramírez", "ramirez"),
            ("Vasconcelos", "vasconcelos"),
            ("Echeverría", "echeverria"),
        ],
    ),
    (
        &[
            ("François", "francois"),
            ("Éloïse", "eloise"),
            ("Jérôme", "jerome"),
            ("Chloé", "chloe"),
            ("Benoît", "benoit"),
            ("Aurélie", "aurelie"),
            ("Giuseppe", "giuseppe"),
            ("Nicolò", "nicolo"),
            ("Chiara", "chiara"),
            ("Ștefan", "stefan"),
            ("Ioana", "ioana"),
            ("Michèle", "michele"),
        ],
        &[
            ("Lefèvre", "lefevre"),
            ("d'Alembert", "dalembert"),
            ("Béranger", "beranger"),
            ("Rossi", "rossi"),
            ("Quattrocchi", "quattrocchi"),
            ("Esposito", "esposito"),
            ("Popescu", "popescu"),
            ("Țiriac", "tiriac"),
            ("Desrosiers", "desrosiers"),
            ("Montesquieu", "montesquieu"),
        ],
    ),
    (
        &[
            ("Жанна", "zhanna"),
            ("Сергей", "sergey"),
            ("Ольга", "olga"),
            ("Дмитрий", "dmitry"),
            ("Łukasz", "lukasz"),
            ("Małgorzata", "malgorzata"),
            ("Jiří", "jiri"),
            ("Željko", "zeljko"),
            ("Святослав", "svyatoslav"),
            ("Наталія", "nataliya"),
        ],
        &[
            ("Иванова", "ivanova"),
            ("Кузнецов", "kuznetsov"),
            ("Щербаков", "shcherbakov"),
            ("Wójcik", "wojcik"),
            ("Brzęczyszczykiewicz", "brzeczyszczykiewicz"),
            ("Dvořák", "dvorak"),
            ("Đorđević", "djordjevic"),
            ("Шевченко", "shevchenko"),
            ("Nowak", "nowak"),
        ],
    ),
    (
        &[
            ("小明", "xiaoming"),
            ("伟", "wei"),
            ("芳", "fang"),
            ("さくら", "sakura"),
            ("健太", "kenta"),
            ("민준", "minjun"),
            ("서연", "seoyeon"),
            ("翔", "sho"),
        ],
        &[
            ("王", "wang"),
            ("李", "li"),
            ("欧阳", "ouyang"),
            ("佐藤", "sato"),
            ("鈴木", "suzuki"),
            ("김", "kim"),
            ("박", "park"),
            ("髙橋", "takahashi"),
        ],
    ),
    (
        &[
            ("محمد", "mohammed"),
            ("فاطمة", "fatima"),
            ("يوسف", "yusuf"),
            ("נועה", "noa"),
            ("Ayşe", "ayse"),
            ("İbrahim", "ibrahim"),
            ("Çağla", "cagla"),
            ("Μαρία", "maria"),
            ("Γιώργος", "giorgos"),
        ],
        &[
            ("العلي", "alali"),
            ("حداد", "haddad"),
            ("כהן", "cohen"),
            ("Yıldırım", "yildirim"),
            ("Öztürk", "ozturk"),
            ("Παπαδόπουλος", "papadopoulos"),
            ("Işık", "isik"),
        ],
    ),
    (
        &[
            ("Nguyễn", "nguyen"),
            ("Thị Hương", "thihuong"),
            ("अर्जुन", "arjun"),
            ("Priya", "priya"),
            ("Chukwuemeka", "chukwuemeka"),
            ("Ngozi", "ngozi"),
            ("Siti", "siti"),
            ("Kwame", "kwame"),
            ("ธนพล", "thanaphon"),
            ("Aroha", "aroha"),
        ],
        &[
            ("Trần", "tran"),
            ("शर्मा", "sharma"),
            ("Subramaniam", "subramaniam"),
            ("Okonkwo", "okonkwo"),
            ("Wijayanto", "wijayanto"),
            ("Mensah", "mensah"),
            ("Phạm", "pham"),
            ("Te Kanawa", "tekanawa"),
        ],
    ),
];
/// How many of a hundred come from each.
const SHARES: [u64; 8] = [38, 14, 14, 10, 8, 6, 5, 5];
const DOMAINS: [&str; 12] = [
    "gmail.example",
    "outlook.example",
    "yahoo.example",
    "icloud.example",
    "proton.example",
    "web.example",
    "mail.example",
    "students.university.example",
    "big-corp.example",
    "bücher.example",
    "tiny.example.org",
    "post.example.net",
];

/// Numbers that look random (splitmix64), of one person.
struct Chances(u64);

impl Chances {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let chosen = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        &all[chosen]
    }
}

/// Person number `number`, from 0, as a line of an import.
pub fn person(number: u64) -> Value {
    let mut chances = Chances(number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mut share = chances.below(100);
    let culture = SHARES.iter().position(|of| {
        let here = share < *of;
        share = share.saturating_sub(*of);
        here
    });
    let (first_names, family_names) = CULTURES[culture.unwrap_or(0)];
    let ((first, first_in_address), (family, family_in_address)) =
        (*chances.one_of(first_names), *chances.one_of(family_names));
    let name = match chances.below(50) {
        0 => None,
        1 => Some(first.to_owned()),
        2 => Some(format!("{family} {first}").to_uppercase()),
        3 => Some(format!("{first} {} {family}", char::from(b'A' + u8::try_from(chances.below(26)).unwrap_or(0)))),
        _ => Some(format!("{first} {family}")),
    };
    let local = match chances.below(4) {
        0 => format!("{first_in_address}.{family_in_address}{number}"),
        1 => format!("{first_in_address}{number}"),
        2 => format!("{family_in_address}_{number}"),
        _ => format!("{}{family_in_address}.{number}", &first_in_address[..1]),
    };
    let age = chances.below(FIVE_YEARS);
    let created = NEWEST - age;
    let last_login = (chances.below(5) > 0).then(|| moment(created + chances.below(age + 1)));
    let id = id(created, number, &mut chances);
    json!({
        "id": id,
        "email": format!("{local}@{}", chances.one_of(&DOMAINS)),
        "email_verified": chances.below(20) > 0,
        "name": name,
        "locale": chances.one_of(&["en", "de", "es", "pt-BR", "fr", "pl", "ja", "tr"]),
        "status": if chances.below(200) == 0 { "suspended" } else { "active" },
        "roles": if chances.below(2_000) == 0 { json!(["support"]) } else { json!([]) },
        "created_at": moment(created),
        "last_login_at": last_login,
    })
}

/// A UUIDv7 (RFC 9562 §5.7) of the moment that the account was made, with its number in it.
fn id(created: u64, number: u64, chances: &mut Chances) -> String {
    let millis = created * 1_000;
    let (high, low) = (millis >> 16, millis & 0xffff);
    format!("{high:08x}-{low:04x}-7{:03x}-8{:03x}-{number:012x}", chances.below(4_096), chances.below(4_096))
}

/// A moment as RFC 3339 has it: days since 1970 as a date (Howard Hinnant, <https://howardhinnant.github.io/date_algorithms.html>).
fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_number_is_the_same_person_and_nobody_is_there_twice() {
        assert_eq!(person(7), person(7));
        let emails: HashSet<String> =
            (0..20_000).map(|number| person(number)["email"].to_string().to_lowercase()).collect();
        let ids: HashSet<String> = (0..20_000).map(|number| person(number)["id"].to_string()).collect();
        assert_eq!((emails.len(), ids.len()), (20_000, 20_000));
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_782_400 + 86_399), "2000-02-29T23:59:59Z");
        assert_eq!(moment(NEWEST), "2026-01-01T00:00:00Z");
    }
}
