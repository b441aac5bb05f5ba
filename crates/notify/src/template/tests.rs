use super::*;

const ORIGIN: &str = "https://id.harbour.example";

fn templates() -> Templates {
    Templates::load(None, "en", &Messages::default()).unwrap()
}

fn written(name: Option<&str>, product: &str) -> Written {
    let input = Input {
        template: Template::PasswordChanged,
        locale: Some("en-GB"),
        product,
        origin: ORIGIN,
        name,
        email: "ann@example.com",
        at: Timestamp::from_unix_seconds(1_791_901_860),
        zone: Some("Europe/Vienna"),
        link: Some("https://id.harbour.example/account?a=1&b=2"),
        code: None,
        expires_at: None,
        facts: Facts::default(),
        reference: "9C1V-77HB",
    };
    templates().write(&input).unwrap()
}

#[test]
fn a_message_says_what_when_and_why() {
    let mail = written(Some("Ann"), "Harbour");
    assert_eq!(mail.subject, "Your password was changed");
    assert_eq!(mail.language, "en");
    for said in ["Hello Ann.", "Harbour", "id.harbour.example", "13 October 2026, 16:31 Europe/Vienna", "9C1V-77HB"] {
        assert!(mail.html.contains(said), "{said}: {}", mail.html);
        assert!(mail.text.contains(said), "{said}: {}", mail.text);
    }
    assert!(mail.text.contains("https://id.harbour.example/account?a=1&b=2"));
    assert!(mail.html.contains("account?a=1&amp;b=2"), "{}", mail.html);
    assert!(mail.html.len() < 20_000, "{}", mail.html.len());
}

#[test]
fn r10_what_people_write_is_text() {
    for name in ["<a href=\"https://evil.example\">x</a>", "{{7*7}}", "{% for a in b %}", "{ $email }", "a & 'b'"] {
        let mail = written(Some(name), "Harbour");
        assert!(mail.text.contains(&format!("Hello {name}.")), "{}", mail.text);
        assert!(!mail.html.contains("<a href=\"https://evil"), "{name}");
        let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let escaped = escaped.replace('"', "&quot;").replace('\'', "&#39;");
        assert!(mail.html.contains(&format!("Hello {escaped}.")), "{name} in {}", mail.html);
    }
    let mail = written(Some("Bob\r\nBcc: x@y"), "Har\r\nbour");
    assert!(mail.text.contains("Hello Bob  Bcc: x@y."), "{}", mail.text);
    assert!(!mail.subject.contains(['\r', '\n']));
}

#[test]
fn every_message_is_there_in_every_language() {
    let templates = templates();
    for language in templates.languages() {
        for template in Template::ALL {
            let mail = templates.sample(*template, language, "Harbour", ORIGIN).unwrap();
            assert_eq!(mail.language, language);
            assert!(mail.html.contains(&format!("<html lang=\"{language}\"")));
            assert!(!mail.subject.is_empty() && !mail.preview.is_empty() && !mail.text.is_empty());
            let late = templates.sample_with(*template, language, ("Harbour", ORIGIN), None).unwrap();
            assert!(!late.text.contains("418 203") && !late.preview.contains("418 203"));
            let has_code = *template == Template::VerifyEmail;
            assert_eq!(mail.text.contains("418 203") && mail.preview.contains("418 203"), has_code, "{}", mail.text);
            assert_eq!(mail.preview != late.preview, has_code, "{language} has words for a mail without a code");
        }
    }
}

#[test]
fn a_folder_overrides_words_and_layouts_and_mistakes_show_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("en.ftl", "welcome-subject = Ahoy at { $product }\n");
    write("nl.ftl", "welcome-subject = Welkom bij { $product }\n");
    write("welcome.txt", "Only this: {{ product }} {{ lead }}");
    let templates = Templates::load(Some(folder.path()), "en", &Messages::default()).unwrap();
    let mail = templates.sample(Template::Welcome, "en", "Harbour", ORIGIN).unwrap();
    assert_eq!(mail.subject, "Ahoy at Harbour");
    assert!(mail.text.starts_with("Only this: Harbour Welcome to Harbour."), "{}", mail.text);
    let dutch = templates.sample(Template::Welcome, "nl-BE", "Harbour", ORIGIN).unwrap();
    assert_eq!((dutch.subject.as_str(), dutch.language.as_str()), ("Welkom bij Harbour", "nl"));
    assert!(dutch.html.contains("Your account is ready"), "what it does not say is said in English");

    for (name, text, says) in [
        ("de.ftl", "welcome-subject Ahoi\n", "line 1"),
        ("de.ftl", "welcome-subject = { $nobody }\n", "nobody"),
        ("de.ftl", "welcome-subject = { $count }\n", "count"),
        ("welcome.html", "{% if %}", "welcome.html"),
        ("welcome.html", "{{ not_there }}", "undefined"),
        ("welcome.html", "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}", "fuel"),
        ("not a language.ftl", "a = b\n", "not the tag of a language"),
    ] {
        write(name, text);
        let error = Templates::load(Some(folder.path()), "en", &Messages::default()).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(matches!(Templates::load(None, "tlh", &Messages::default()), Err(TemplateError::NoLanguage(..))));
}
