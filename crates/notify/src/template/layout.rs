//! The two layouts, HTML and text, and those of the folder in their places.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::{AutoEscape, Environment, Output, UndefinedBehavior};

use super::message::Content;
use super::{RenderError, Template, TemplateError};
use crate::own::Messages;

/// What is compiled in.
const BUILT_IN: [(&str, &str); 2] =
    [("mail.html", include_str!("../../templates/mail.html")), ("mail.txt", include_str!("../../templates/mail.txt"))];
/// How much one message may compute: a template that loops ends here.
const FUEL: u64 = 200_000;

/// The layouts.
pub(super) struct Layout {
    environment: Environment<'static>,
}

impl Layout {
    pub(super) fn load(folder: Option<&Path>, own: &Messages) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|name| {
            if name.rsplit_once('.').is_some_and(|(_, kind)| kind == "html") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        environment.set_formatter(|out, state, value| match (state.auto_escape(), value.as_str()) {
            (AutoEscape::Html, Some(text)) if !value.is_safe() => escape(out, text),
            _ => minijinja::escape_formatter(out, state, value),
        });
        let mut sources: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, source) in BUILT_IN {
            sources.insert(name.to_owned(), (source.to_owned(), name.to_owned()));
        }
        let all = Template::ALL.iter().copied().chain(own.templates());
        let names = all.flat_map(|template| both(template.as_str())).chain(both("mail"));
        for name in names {
            let Some(path) = folder.map(|folder| folder.join(&name)).filter(|path| path.exists()) else { continue };
            let source = std::fs::read_to_string(&path)
                .map_err(|cause| TemplateError::Unreadable { path: path.clone(), cause })?;
            sources.insert(name, (source, path.display().to_string()));
        }
        for (name, (source, file)) in sources {
            environment
                .add_template_owned(name, source)
                .map_err(|error| TemplateError::Wrong { file, what: error.to_string() })?;
        }
        Ok(Self { environment })
    }

    pub(super) fn html(&self, template: Template, content: &Content) -> Result<String, RenderError> {
        self.lay_out(template, "html", content)
    }

    pub(super) fn text(&self, template: Template, content: &Content) -> Result<String, RenderError> {
        self.lay_out(template, "txt", content)
    }

    fn lay_out(&self, template: Template, kind: &str, content: &Content) -> Result<String, RenderError> {
        let own = self.environment.get_template(&format!("{}.{kind}", template.as_str()));
        let layout = own.or_else(|_| self.environment.get_template(&format!("mail.{kind}")));
        layout
            .and_then(|layout| layout.render(minijinja::value::Serde(content)))
            .map_err(|error| RenderError(error.to_string()))
    }
}

/// The five characters that mean something in HTML. (minijinja's own escaping takes the slash as well, which makes links
/// that mail programs which show the source cannot be asked to open.)
fn escape(out: &mut Output<'_>, text: &str) -> Result<(), minijinja::Error> {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, behind) = rest.split_at(at);
        out.write_str(before)?;
        out.write_str(match behind.as_bytes()[0] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        })?;
        rest = &behind[1..];
    }
    Ok(out.write_str(rest)?)
}

fn both(name: &str) -> [String; 2] {
    [format!("{name}.html"), format!("{name}.txt")]
}
