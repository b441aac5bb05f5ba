//! Each format with a hash that something else made: reference vectors where there are any, else
//! libxcrypt's `crypt(3)` and OpenSSL through Python's `hashlib`.

use super::*;

/// Whether `password` is the one of this hash, read from this text and again from the stored one.
#[track_caller]
fn matches(text: &str, password: &str) -> bool {
    let hash = ForeignHash::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    check(&hash, password)
}

#[track_caller]
fn check(hash: &ForeignHash, password: &str) -> bool {
    let stored = hash.to_string();
    let again = ForeignHash::parse(&stored).unwrap_or_else(|error| panic!("{error}: {stored}"));
    assert_eq!(*hash, again, "the stored text says the same");
    again.matches(&mut Memory::default(), password.as_bytes()).unwrap()
}

#[track_caller]
fn is_of(text: &str, password: &str) {
    assert!(matches(text, password), "{text}");
    assert!(!matches(text, &format!("x{password}")), "{text}");
    assert!(!matches(text, ""), "{text}");
}

#[track_caller]
fn refused(text: &str) -> Unacceptable {
    match ForeignHash::parse(text) {
        Ok(_) => panic!("it was taken: {text}"),
        Err(error) => error,
    }
}

#[test]
fn p9_bcrypt() {
    // crypt_blowfish, wrapper.c.
    is_of("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U");
    is_of("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U");
    // crypt(3) of libxcrypt.
    is_of("$2b$04$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe", "purple lantern drifts slowly");
    is_of("$2y$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy", "l\u{e8}tmein");
}

#[test]
fn p9_bcrypt_reads_72_bytes_as_it_always_did() {
    // crypt_blowfish, wrapper.c.
    let text = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let read = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    assert!(matches(text, read));
    assert!(matches(text, &format!("{read}chars after 72 are ignored")));
    assert!(!matches(text, &read[..71]));
}

#[test]
fn p9_scrypt() {
    // RFC 7914 §12, as a PHC string and as Werkzeug writes it.
    let phc = "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw";
    is_of(phc, "pleaseletmein");
    let hex = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887";
    is_of(&format!("scrypt:16384:8:1$SodiumChloride${hex}"), "pleaseletmein");
    let hex = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640";
    let raw = Scrypt::new(1024, 8, 16, b"NaCl".to_vec(), from_hex(hex).unwrap()).unwrap();
    assert!(check(&ForeignHash::Scrypt(raw), "password"));
}

#[test]
fn p9_scrypt_of_firebase() {
    // The vector of github.com/firebase/scrypt.
    let signer_key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let hash = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    let parameters = FirebaseParameters::parse(signer_key, "Bw==", 8, 14).unwrap();
    let hash = ForeignHash::Firebase(FirebaseScrypt::new(&parameters, hash, "42xEC+ixf3L2lw==").unwrap());
    assert!(check(&hash, "user1password"));
    assert!(!check(&hash, "user2password"));
    assert!(FirebaseScrypt::new(&parameters, "lSrfV15cpx95", "42xEC+ixf3L2lw==").is_err());
    assert!(FirebaseParameters::parse(signer_key, "Bw==", 8, 30).is_err());
}

#[test]
fn p9_pbkdf2() {
    // RFC 6070 and RFC 7914 §11.
    is_of("$pbkdf2$4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE", "password");
    is_of("$pbkdf2-sha1$i=4096,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE", "password");
    let tag = "TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ";
    is_of(&format!("$pbkdf2-sha256$i=80000,l=64$TmFDbA${tag}"), "Password");
    // The documentation of passlib, whose base64 has `.` for `+`.
    is_of("$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44", "password");
    let tag = "GG9zgPvYpWYzGevc2+QBLHKu3SpssWMdZOwrpDPVB1vmMUXWZrSTAXP9i6PSXH/8vpVGj0Sxrs0u2oqCnBlfyA";
    is_of(&format!("$pbkdf2-sha512$i=30000$AAECAwQFBgcICQoLDA0ODw${tag}"), "purple lantern");
}

#[test]
fn p9_argon2_without_a_pepper() {
    // test.c of the reference implementation.
    let tail = "v=19$m=65536,t=2,p=1$c29tZXNhbHQ";
    is_of(&format!("$argon2i${tail}$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"), "password");
    is_of(&format!("$argon2id${tail}$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"), "password");
    is_of("$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ", "password");
    // It has no vector for Argon2d without a secret: the same parts are another hash there.
    assert!(!matches(&format!("$argon2d${tail}$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"), "password"));
}

#[test]
fn p9_argon2d_is_argon2d() {
    let params = ::argon2::Params::new(64, 2, 1, Some(32)).unwrap();
    let mut tag = [0; 32];
    ::argon2::Argon2::new(::argon2::Algorithm::Argon2d, ::argon2::Version::V0x13, params)
        .hash_password_into(b"password", b"somesalt", &mut tag)
        .unwrap();
    is_of(&format!("$argon2d$v=19$m=64,t=2,p=1$c29tZXNhbHQ${}", encoding::to_base64(&tag)), "password");
}

#[test]
fn p9_salted_sha_of_ldap() {
    is_of("{SSHA}6j9HO8a2Y3GqNjlyfor0bQb9kogBAgMEBQYHCA==", "testing123");
    is_of("{SSHA256}MWHNLve1vSfgjGD5WqVyNcLpO4kCVcAWBvxqAbLS/qYBAgMEBQYHCA==", "testing123");
    let text =
        "{ssha512}86DvR5oec6XrrhGCvyL35vD4zJizuTJXZRnZf9CyDVLfaDRBtmehZr18YkKKw7tKPMz8KKa0FZVomKB1+/nDswECAwQFBgcI";
    is_of(text, "testing123");
    for unsalted in ["{SHA}6j9HO8a2Y3GqNjlyfor0bQb9kog=", "{MD5}X03MO1qnZdYdgyfeuILPmQ==", "{CRYPT}x", "{"] {
        assert_eq!(refused(unsalted), Unacceptable::Unknown);
    }
    assert_eq!(refused("{SSHA}6j9HO8a2Y3GqNjlyfor0bQb9kog="), Unacceptable::Malformed("salted SHA"));
}

#[test]
fn p9_django() {
    // tests/auth_tests/test_hashers.py of Django, where there is one of the kind.
    let typed = "l\u{e8}tmein";
    is_of("pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=", typed);
    is_of("pbkdf2_sha1$390000$seasalt$OPAkdjM5tm2s2uG9D0hWz+/Zef0=", typed);
    let tag = "Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==";
    is_of(&format!("scrypt$16384$seasalt$8$1${tag}"), typed);
    is_of("bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuulyx/yrfLnuLCi6gwFG5mrkJjuQKpL6S", typed);
    is_of("bcrypt$$2y$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy", typed);
    let tag = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    is_of(&format!("argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ${tag}"), "password");
    // An account that Django gave no password.
    assert_eq!(refused("!Zx7pQh1uWbD4mTqv0e0yN1YQ9o3sK2a5c8d7e6f4"), Unacceptable::Unknown);
}

#[test]
fn p9_keycloak() {
    let secret =
        |value: &str, salt: &str| format!(r#"{{"value":"{value}","salt":"{salt}","additionalParameters":{{}}}}"#);
    let data = |algorithm: &str, rounds: u32| {
        format!(r#"{{"hashIterations":{rounds},"algorithm":"{algorithm}","additionalParameters":{{}}}}"#)
    };
    let salt = "AAECAwQFBgcICQoLDA0ODw==";
    let tag = "35UXZjZ1tUEWCSK5UGSMZmnyFHj7wCWqtR5VoW8ZwTCwI9xYoYXOZAIzCdrDr1C1O7NspJLOXOcsh23xtPbI1g==";
    let hash = ForeignHash::keycloak(&data("pbkdf2-sha256", 27_500), &secret(tag, salt)).unwrap();
    assert!(check(&hash, "purple lantern"));
    let tag = "GG9zgPvYpWYzGevc2+QBLHKu3SpssWMdZOwrpDPVB1vmMUXWZrSTAXP9i6PSXH/8vpVGj0Sxrs0u2oqCnBlfyA==";
    let hash = ForeignHash::keycloak(&data("pbkdf2-sha512", 30_000), &secret(tag, salt)).unwrap();
    assert!(check(&hash, "purple lantern") && !check(&hash, "purple lanterns"));
    let hash =
        ForeignHash::keycloak(&data("pbkdf2", 4096), &secret("SwB5AbdlSJq+rUnZJvch0GWkKcE=", "c2FsdA==")).unwrap();
    assert!(check(&hash, "password"));
    let argon2 = r#"{"hashIterations":2,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],
        "memory":["65536"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}"#;
    let tag = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=";
    let hash = ForeignHash::keycloak(argon2, &secret(tag, "c29tZXNhbHQ=")).unwrap();
    assert!(check(&hash, "password") && !check(&hash, "passwort"));
    for (data, secret) in [("", ""), ("{}", "{}"), ("null", "[]"), (argon2, r#"{"value":"","salt":""}"#)] {
        assert!(ForeignHash::keycloak(data, secret).is_err(), "{data}");
    }
    assert!(ForeignHash::keycloak(&data("md5", 1), &secret(tag, salt)).is_err());
}

#[test]
fn p9_what_could_not_be_afforded_is_refused() {
    let tag = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for text in [
        "$2b$15$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe".to_owned(),
        "$2b$31$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe".to_owned(),
        format!("$scrypt$ln=20,r=8,p=1$c29tZXNhbHQ${tag}"),
        format!("$scrypt$ln=17,r=8,p=4294967295$c29tZXNhbHQ${tag}"),
        format!("$scrypt$ln=63,r=4294967295,p=1$c29tZXNhbHQ${tag}"),
        format!("scrypt$9223372036854775808$seasalt$8$1${tag}"),
        format!("$pbkdf2-sha256$i=4000000000$c29tZXNhbHQ${tag}"),
        format!("pbkdf2_sha256$3000000$seasalt${tag}"),
        format!("$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQ${tag}"),
        format!("$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ${tag}"),
        format!("$argon2id$v=19$m=65536,t=1,p=16777215$c29tZXNhbHQ${tag}"),
    ] {
        assert!(matches!(refused(&text), Unacceptable::TooCostly(_)), "{text}");
    }
}

#[test]
fn p9_what_is_no_hash_is_refused_and_nothing_matches_everything() {
    let tag = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for text in [
        String::new(),
        "purple lantern".to_owned(),
        "5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
        "$".to_owned(),
        "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/".to_owned(),
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        "$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        "$2b$+5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe".to_owned(),
        "$2b$05$\u{e9}CCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$".to_owned(),
        "$scrypt$ln=0,r=8,p=1$U29kaXVtQ2hsb3JpZGU$AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$pbkdf2-sha256$i=600000$c2FsdA$".to_owned(),
        format!("$pbkdf2-sha256$i=0$c2FsdA${tag}"),
        format!("$pbkdf2-md5$i=600000$c2FsdA${tag}"),
        format!("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ${tag}$more"),
        format!("$argon2id$v=19$m=65536,t=2,p=1,keyid=AQIDBAUG$c29tZXNhbHQ${tag}"),
        format!("$argon2id$v=18$m=65536,t=2,p=1$c29tZXNhbHQ${tag}"),
        format!("$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ${tag}"),
        format!("$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQ${tag}"),
        "pbkdf2_sha256$390000$seasalt$".to_owned(),
        format!("scrypt$16383$seasalt$8$1${tag}"),
        "scrypt:32768:8:1$salt$xyz".to_owned(),
        "x".repeat(2000),
    ] {
        refused(&text);
    }
}

#[test]
fn p9_weak_ones_are_known() {
    let tag = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (text, weak) in [
        ("$2b$09$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe".to_owned(), true),
        ("$2b$10$abcdefghijklmnopqrstuuCpiGOaQtnO81gWWm3JgPQbhVJGkvONe".to_owned(), false),
        (format!("$scrypt$ln=14,r=8,p=1$c29tZXNhbHQ${tag}"), true),
        (format!("$scrypt$ln=17,r=8,p=1$c29tZXNhbHQ${tag}"), false),
        (format!("$pbkdf2-sha256$i=599999$c29tZXNhbHQ${tag}"), true),
        (format!("$pbkdf2-sha256$i=600000$c29tZXNhbHQ${tag}"), false),
        (format!("$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ${tag}"), true),
        (format!("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ${tag}"), false),
        ("{SSHA}6j9HO8a2Y3GqNjlyfor0bQb9kogBAgMEBQYHCA==".to_owned(), true),
    ] {
        assert_eq!(ForeignHash::parse(&text).unwrap().is_weak(), weak, "{text}");
    }
}
