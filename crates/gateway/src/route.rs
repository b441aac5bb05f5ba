//! A route: which requests it is for, and what they need and get.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, Method};
use kernel::{Problem, RoleDirectory};
use verify::Claims;

use crate::cors::Cors;
use crate::limits::Limit;
use crate::spec::AuthSpec;
use crate::traffic::{self, Counted};
use crate::upstream::Upstreams;

/// A route that can be used.
pub(crate) struct Route {
    /// For logs and metrics.
    pub(crate) name: &'static str,
    /// Any host if empty; in lower case.
    pub(crate) host: String,
    pub(crate) path: Path,
    /// Any if empty.
    pub(crate) methods: Vec<Method>,
    pub(crate) target: Target,
    pub(crate) auth: AuthSpec,
    /// Whether services come here, too, with tokens of their own, which the call itself checks.
    pub(crate) takes_services: bool,
    pub(crate) needs: Arc<Needs>,
    pub(crate) limits: Vec<Limit>,
    /// The largest body, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) rewriting: Option<Rewriting>,
    pub(crate) cors: Option<Cors>,
    /// Whether the upstream is told who asks with a signed JWT, too.
    pub(crate) signs_identity: bool,
    pub(crate) response_headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) kind: Kind,
    pub(crate) counted: &'static Counted,
}

/// What kind of thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program's to call.
    Call,
    /// For people to look at in a browser.
    Page,
    /// The same, and its answers say themselves how long they may be kept.
    Asset,
    /// A picture, which pages of other sites show, too.
    Picture,
    /// A page with a mail in a frame: the development inbox.
    Inbox,
    /// The mail in the frame.
    Mail,
    /// How this very process is: never asked of another machine.
    Health,
}

/// Who answers.
#[derive(Clone)]
pub(crate) enum Target {
    /// Usher's own services.
    Own,
    /// Usher's own services, by an operator's route, on top of what their own route asks for.
    Usher,
    /// Somebody's application.
    Upstreams(Arc<Upstreams>),
    /// Another proxy, which only asks whether it may.
    ForwardAuth,
    /// The door itself: that question.
    Authorize,
    /// The door itself: the keys that sign what upstreams are told.
    Keys,
}

impl Route {
    /// Open, without limits.
    pub(crate) fn new(name: &'static str, path: Path, target: Target) -> Self {
        Self {
            name,
            host: String::new(),
            path,
            methods: Vec::new(),
            target,
            auth: AuthSpec::None,
            takes_services: false,
            needs: Arc::default(),
            limits: Vec::new(),
            body_limit: 0,
            rewriting: None,
            cors: None,
            signs_identity: false,
            response_headers: Vec::new(),
            kind: Kind::Call,
            counted: traffic::of(name),
        }
    }

    /// Whether a browser is shown a page when something goes wrong.
    pub(crate) fn shows_pages(&self) -> bool {
        matches!(self.kind, Kind::Page | Kind::Inbox | Kind::Mail | Kind::Asset)
            || matches!(self.target, Target::Upstreams(_))
    }

    /// Whether it takes requests of this method.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method) || (self.cors.is_some() && method == Method::OPTIONS)
    }
}

/// Which paths a route is for: segment by segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Those that are `None` may be anything.
    segments: Vec<Option<String>>,
    /// Whether everything below belongs to it, too.
    with_below: bool,
    /// The same as one text, where every segment is written out: most paths are compared at once.
    text: Option<String>,
}

impl Path {
    /// This path alone.
    pub(crate) fn exact(path: &str) -> Self {
        Self::new(literal_segments(path), false)
    }

    /// This path and everything below, whether it is written with a slash at the end or not.
    pub(crate) fn prefix(path: &str) -> Self {
        Self::new(literal_segments(path.trim_end_matches('/')), true)
    }

    fn new(segments: Vec<Option<String>>, with_below: bool) -> Self {
        let add = |text: String, segment: &Option<String>| segment.as_ref().map(|segment| text + "/" + segment);
        let text = segments.iter().try_fold(String::new(), add);
        Self { segments, with_below, text }
    }

    /// Reads a path as it is written in a route.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let help = "write a prefix like /quiz/ or a pattern like /quiz/{id}/answers";
        if !text.contains(['{', '}']) {
            return if crate::path::is_plain(text) {
                Ok(Self::prefix(&crate::path::read(text)))
            } else {
                Err(format!("`path` is `{text}`: {help}"))
            };
        }
        let segments = text.strip_prefix('/').ok_or_else(|| format!("`path` is `{text}`: {help}"))?.split('/');
        let read = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => Ok(None),
            None if crate::path::is_plain(&format!("/{segment}")) && !segment.is_empty() => {
                Ok(Some(crate::path::read(segment).into_owned()))
            }
            Some(_) | None => Err(format!("`path` is `{text}`, and `{segment}` in it is no segment: {help}")),
        };
        Ok(Self::new(segments.map(read).collect::<Result<_, _>>()?, false))
    }

    /// Whether it is for this path, decoded.
    pub(crate) fn matches(&self, path: &str) -> bool {
        if let Some(text) = &self.text {
            return path.strip_prefix(text.as_str()).is_some_and(|rest| {
                rest.is_empty() || (self.with_below && (rest.starts_with('/') || text.is_empty()))
            });
        }
        let mut given = path.split('/').skip(1);
        let fits = self.segments.iter().all(|wanted| match (given.next(), wanted) {
            (Some(given), Some(wanted)) => given == wanted,
            (Some(given), None) => !given.is_empty(),
            (None, _) => false,
        });
        fits && (self.with_below || given.next().is_none())
    }

    /// Orders paths by how much they say; what says more goes first. From the left, a segment that is
    /// written out says more than one that may be anything, and that says more than none.
    pub(crate) fn says(&self) -> Vec<u8> {
        let segments = self.segments.iter().map(|segment| if segment.is_some() { 2 } else { 1 });
        segments.chain([u8::from(!self.with_below)]).collect()
    }

    /// What every path that it is for begins with.
    pub(crate) fn beginning(&self) -> String {
        let written = self.segments.iter().map_while(Option::as_ref);
        written.fold(String::new(), |text, segment| text + "/" + segment)
    }
}

/// As it is written in a route: with a slash at the end if everything below belongs to it.
impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for segment in &self.segments {
            write!(f, "/{}", segment.as_deref().unwrap_or("{…}"))?;
        }
        if self.with_below { f.write_str("/") } else { Ok(()) }
    }
}

fn literal_segments(path: &str) -> Vec<Option<String>> {
    path.split('/').skip(1).map(|segment| Some(segment.to_owned())).collect()
}

/// What somebody has to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// One of these, if there are any.
    pub(crate) roles: Vec<String>,
    /// All of these.
    pub(crate) scopes: Vec<String>,
    /// All of these.
    pub(crate) permissions: Vec<String>,
}

/// Whether somebody has what a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Yes,
    No,
    /// It takes a permission, and what roles come to has not been heard yet.
    Unknown,
}

impl Needs {
    /// Whether anything is needed at all.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether these claims have it, with what their roles come to at this moment: a role that has lost a
    /// permission has lost it for tokens that were made before, too.
    pub(crate) fn are_met_by(&self, claims: &Claims, roles: &RoleDirectory) -> Met {
        let has = |role: &String| claims.roles.contains(role);
        let is_met = (self.roles.is_empty() || self.roles.iter().any(has))
            && self.scopes.iter().all(|scope| claims.has_scope(scope));
        if !is_met {
            return Met::No;
        }
        if self.permissions.is_empty() {
            return Met::Yes;
        }
        let book = roles.now();
        if book.is_empty() {
            return Met::Unknown;
        }
        let held = || claims.roles.iter().map(String::as_str);
        if self.permissions.iter().all(|permission| book.allows(held(), permission)) { Met::Yes } else { Met::No }
    }
}

/// What becomes of the path on its way to the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rewriting {
    pub(crate) strip: String,
    pub(crate) add: String,
}

impl Rewriting {
    /// The path for the upstream. `None` if the prefix was written in another way, or what is left would
    /// begin like another host's address.
    pub(crate) fn apply<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        let rest = path.strip_prefix(self.strip.as_str())?;
        let new = match (self.add.is_empty(), rest.starts_with('/')) {
            (true, true) => Cow::Borrowed(rest),
            (true, false) => Cow::Owned(format!("/{rest}")),
            (false, true) => Cow::Owned(format!("{}{rest}", self.add)),
            (false, false) if rest.is_empty() => Cow::Owned(self.add.clone()),
            (false, false) => Cow::Owned(format!("{}/{rest}", self.add)),
        };
        crate::path::is_plain(&new).then_some(new)
    }
}

/// 403: signed in, and yet not for them.
pub(crate) fn forbidden() -> Problem {
    Problem::new(
        axum::http::StatusCode::FORBIDDEN,
        "forbidden",
        "You may not do this",
        "This needs a role or permission that your account does not have.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        for text in ["/quiz/", "/quiz"] {
            let path = Path::read(text).unwrap();
            assert!(path.matches("/quiz") && path.matches("/quiz/") && path.matches("/quiz/1"), "{text}");
            assert!(!path.matches("/quizzes/1") && !path.matches("/") && !path.matches("/a/quiz"), "{text}");
        }
        let all = Path::read("/").unwrap();
        assert!(all.matches("/") && all.matches("/quiz/1"));
    }

    #[test]
    fn g2_a_path_is_written_and_matched_decoded() {
        let path = Path::read("/caf%c3%a9/{id}/men%C3%BC").unwrap();
        assert!(path.matches("/café/1/menü"));
        assert!(Path::read("/%61dmin/").unwrap().matches("/admin/x"));
    }

    #[test]
    fn what_is_written_out_further_left_says_more() {
        let says = |text: &str| Path::read(text).unwrap().says();
        let ordered = ["/doc/admin/", "/doc/{id}/a-very-long-public-name", "/doc/{id}", "/doc/", "/{any}/admin", "/"];
        assert!(ordered.windows(2).all(|pair| says(pair[0]) > says(pair[1])), "{ordered:?}");
        assert!(Path::exact("/doc").says() > says("/doc"));
    }

    #[test]
    fn a_pattern_has_just_so_many_segments() {
        let path = Path::read("/quiz/{id}/answers").unwrap();
        assert!(path.matches("/quiz/7/answers"));
        for other in ["/quiz/7", "/quiz//answers", "/quiz/7/answers/", "/quiz/7/answers/1", "/quiz/7/answersx"] {
            assert!(!path.matches(other), "{other}");
        }
        for wrong in ["quiz", "/quiz/{}", "/quiz/{a-b}", "/quiz/x{id}", "/a//{id}", "/../{id}", "/a b"] {
            assert!(Path::read(wrong).is_err(), "{wrong}");
        }
    }

    fn claims(roles: &[&str]) -> Claims {
        let text = String::new;
        Claims {
            iss: text(),
            sub: text(),
            aud: text(),
            sid: text(),
            epoch: 1,
            client_id: text(),
            iat: 0,
            exp: 0,
            jti: text(),
            auth_time: 0,
            amr: Vec::new(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            scope: "openid".into(),
            kid: text(),
        }
    }

    #[test]
    fn permissions_are_those_of_the_moment_and_nobody_has_any_before_they_are_known() {
        let (roles, author) = (RoleDirectory::default(), claims(&["user", "author"]));
        let of = |permissions: &[&str]| Needs {
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
            ..Needs::default()
        };
        let set = |permissions: &[&str]| {
            let role = |name: &str, permissions: &[&str]| kernel::permission::RoleDefinition {
                name: name.into(),
                permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
                includes: Vec::new(),
            };
            roles.set(kernel::RoleBook::new(&[role("admin", &["*"]), role("author", permissions)]));
        };
        let write = of(&["quiz:author"]);
        assert_eq!(write.are_met_by(&author, &roles), Met::Unknown);
        assert_eq!(write.are_met_by(&claims(&["admin"]), &roles), Met::Unknown);
        assert_eq!(of(&[]).are_met_by(&author, &roles), Met::Yes, "what asks for none need not wait");
        set(&["quiz:author"]);
        assert_eq!(write.are_met_by(&author, &roles), Met::Yes);
        assert_eq!(of(&["quiz:author", "quiz:play"]).are_met_by(&author, &roles), Met::No, "all of them are needed");
        assert_eq!(of(&["quiz:author", "quiz:play"]).are_met_by(&claims(&["admin"]), &roles), Met::Yes);
        assert_eq!(write.are_met_by(&claims(&["user", "gone"]), &roles), Met::No);
        set(&[]);
        assert_eq!(write.are_met_by(&author, &roles), Met::No, "the token is the same");
    }

    #[test]
    fn rewriting_leaves_a_path() {
        let quiz = |strip: &str, add: &str| Rewriting { strip: strip.into(), add: add.into() };
        assert_eq!(quiz("/quiz", "").apply("/quiz/1").unwrap(), "/1");
        assert_eq!(quiz("/quiz", "").apply("/%71uiz/1"), None);
        assert_eq!(quiz("/quiz", "").apply("/quiz").unwrap(), "/");
        assert_eq!(quiz("/quiz", "/v2").apply("/quiz/1").unwrap(), "/v2/1");
        assert_eq!(quiz("", "/v2").apply("/quiz/1").unwrap(), "/v2/quiz/1");
        assert_eq!(quiz("/quiz", "/v2").apply("/quiz").unwrap(), "/v2");
    }
}
