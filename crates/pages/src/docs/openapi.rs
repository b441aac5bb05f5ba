//! An OpenAPI 3.1 document as a reader sees it: calls by group, with what goes in and comes out.
//!
//! It reads what `utoipa` writes (schemas in `components`, references between them) and shows the rest
//! by its type, so a document that says more than this is shown shorter and never wrongly.

use serde_json::{Map, Value};

/// The whole document.
pub struct Document {
    pub title: String,
    pub version: String,
    pub description: String,
    pub groups: Vec<Group>,
    pub schemas: Vec<Schema>,
}

/// The calls of one tag.
pub struct Group {
    pub name: String,
    pub anchor: String,
    pub description: String,
    pub calls: Vec<Call>,
}

/// One operation.
pub struct Call {
    pub anchor: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub description: String,
    pub needs_token: bool,
    /// What the caller's roles have to come to.
    pub permissions: Vec<String>,
    pub parameters: Vec<Field>,
    pub body: Option<Body>,
    pub answers: Vec<Answer>,
}

/// What a call takes.
pub struct Body {
    pub kind: Vec<Part>,
    pub fields: Vec<Field>,
}

/// What a call gives.
pub struct Answer {
    pub status: String,
    pub description: String,
    pub kind: Vec<Part>,
}

/// A named schema.
pub struct Schema {
    pub name: String,
    pub anchor: String,
    pub description: String,
    pub kind: Vec<Part>,
    pub fields: Vec<Field>,
}

/// A parameter, or a field of an object.
pub struct Field {
    pub name: String,
    pub kind: Vec<Part>,
    pub required: bool,
    pub description: String,
}

/// A piece of a type's name; with an anchor it is a link to the schema.
pub struct Part {
    pub text: String,
    pub anchor: Option<String>,
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// No schema of ours is nested deeper; a document that refers to itself in a circle ends here.
const MAX_DEPTH: u8 = 6;

impl Document {
    /// Reads the document. What it lacks is shown empty.
    pub fn read(document: &Value) -> Self {
        let reader = Reader { document };
        let mut groups: Vec<Group> =
            each(&document["tags"]).map(|tag| group(text(tag, "name"), text(tag, "description"))).collect();
        for (path, item) in entries(&document["paths"]) {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    let tag = operation["tags"][0].as_str().unwrap_or("Other");
                    let call = reader.call(path, method, operation);
                    match groups.iter_mut().find(|group| group.name == tag) {
                        Some(group) => group.calls.push(call),
                        None => groups.push(Group { calls: vec![call], ..group(tag, "") }),
                    }
                }
            }
        }
        groups.retain(|group| !group.calls.is_empty());
        let schemas =
            entries(&document["components"]["schemas"]).map(|(name, schema)| reader.schema(name, schema)).collect();
        Self {
            title: text(&document["info"], "title").to_owned(),
            version: text(&document["info"], "version").to_owned(),
            description: text(&document["info"], "description").to_owned(),
            groups,
            schemas,
        }
    }
}

fn group(name: &str, description: &str) -> Group {
    Group {
        anchor: anchor("group", name),
        name: name.to_owned(),
        description: description.to_owned(),
        calls: Vec::new(),
    }
}

struct Reader<'a> {
    document: &'a Value,
}

impl<'a> Reader<'a> {
    fn call(&self, path: &str, method: &str, operation: &'a Value) -> Call {
        let id = operation["operationId"].as_str().map_or_else(|| format!("{method}{path}"), str::to_owned);
        let ways =
            || each(operation.get("security").unwrap_or(&self.document["security"])).filter_map(Value::as_object);
        Call {
            anchor: anchor("call", &id),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(operation, "summary").to_owned(),
            description: text(operation, "description").to_owned(),
            needs_token: ways().any(|way| !way.is_empty()),
            permissions: ways()
                .flat_map(Map::values)
                .flat_map(each)
                .filter_map(|scope| scope.as_str().map(str::to_owned))
                .collect(),
            parameters: each(&operation["parameters"]).map(|parameter| self.parameter(parameter)).collect(),
            body: content(&operation["requestBody"])
                .map(|schema| Body { kind: self.kind(schema), fields: self.fields(schema, MAX_DEPTH) }),
            answers: entries(&operation["responses"]).map(|(status, answer)| self.answer(status, answer)).collect(),
        }
    }

    fn parameter(&self, parameter: &'a Value) -> Field {
        Field {
            name: text(parameter, "name").to_owned(),
            kind: self.kind(&parameter["schema"]),
            required: parameter["required"] == true,
            description: text(parameter, "description").to_owned(),
        }
    }

    fn answer(&self, status: &str, answer: &'a Value) -> Answer {
        let kind = match content(answer) {
            Some(schema) => self.kind(schema),
            None => vec![plain("nothing")],
        };
        Answer { status: status.to_owned(), description: text(answer, "description").to_owned(), kind }
    }

    fn schema(&self, name: &str, schema: &'a Value) -> Schema {
        Schema {
            name: name.to_owned(),
            anchor: anchor("schema", name),
            description: text(schema, "description").to_owned(),
            kind: self.kind(schema),
            fields: self.fields(schema, MAX_DEPTH),
        }
    }

    /// The fields of an object, its own and those of what it is composed of.
    fn fields(&self, schema: &'a Value, depth: u8) -> Vec<Field> {
        if depth == 0 {
            return Vec::new();
        }
        if let Some(target) = self.target(schema) {
            return self.fields(target, depth - 1);
        }
        let required: Vec<&str> = each(&schema["required"]).filter_map(Value::as_str).collect();
        let composed = each(&schema["allOf"]).flat_map(|part| self.fields(part, depth - 1));
        let own = entries(&schema["properties"]).map(|(name, property)| Field {
            name: name.to_owned(),
            kind: self.kind(property),
            required: required.contains(&name),
            description: text(property, "description").to_owned(),
        });
        composed.chain(own).collect()
    }

    fn target(&self, schema: &Value) -> Option<&'a Value> {
        let name = schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")?;
        self.document["components"]["schemas"].get(name)
    }

    /// The name of a type, with links to the schemas in it.
    fn kind(&self, schema: &Value) -> Vec<Part> {
        if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
            let known = self.target(schema).is_some();
            return vec![Part { text: name.to_owned(), anchor: known.then(|| anchor("schema", name)) }];
        }
        for (key, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
            let kinds: Vec<Vec<Part>> = each(&schema[key]).map(|one| self.kind(one)).collect();
            if !kinds.is_empty() {
                return join(kinds, between);
            }
        }
        if let Some(value) = schema.get("const") {
            return vec![plain(value.to_string())];
        }
        let values: Vec<String> = each(&schema["enum"]).map(Value::to_string).collect();
        if !values.is_empty() {
            return vec![plain(values.join(" or "))];
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        join(types.iter().map(|kind| self.named(kind, schema)).collect(), " or ")
    }

    fn named(&self, kind: &str, schema: &Value) -> Vec<Part> {
        match (kind, schema["format"].as_str()) {
            ("array", _) => {
                let mut parts = vec![plain("list of ")];
                parts.extend(self.kind(&schema["items"]));
                parts
            }
            ("string", Some(format)) => vec![plain(format!("string ({format})"))],
            (kind, _) => vec![plain(kind)],
        }
    }
}

fn join(kinds: Vec<Vec<Part>>, between: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for kind in kinds {
        if !parts.is_empty() {
            parts.push(plain(between));
        }
        parts.extend(kind);
    }
    parts
}

fn plain(text: impl Into<String>) -> Part {
    Part { text: text.into(), anchor: None }
}

/// The schema of a body: the first media type's, of which ours have one.
fn content(holder: &Value) -> Option<&Value> {
    holder["content"].as_object().and_then(|types| types.values().next()).map(|media| &media["schema"])
}

/// An id for a place in the page. Prefixed, so that no name in the document meets an id of the page.
fn anchor(prefix: &str, name: &str) -> String {
    let mut id = String::from(prefix);
    id.push('-');
    id.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }));
    id
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(parts: &[Part]) -> String {
        parts.iter().map(|part| part.text.as_str()).collect()
    }

    fn document() -> Document {
        Document::read(&json!({
            "info": {"title": "Usher", "version": "1"},
            "tags": [{"name": "auth", "description": "Who are you."}, {"name": "unused"}],
            "paths": {"/api/v1/users/{id}": {"get": {
                "tags": ["auth"], "operationId": "show_user", "summary": "One user", "security": [{"bearer": ["users:read"]}],
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
                "responses": {
                    "200": {"description": "It", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}},
                    "204": {"description": "Nothing"}
                }}},
                "/open": {"post": {
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}},
                    "responses": {}
                }}},
            "components": {"schemas": {
                "User": {"type": "object", "required": ["id"], "properties": {
                    "id": {"type": "string", "format": "uuid", "description": "Its id."},
                    "name": {"type": ["string", "null"]},
                    "friends": {"type": "array", "items": {"$ref": "#/components/schemas/User"}},
                    "status": {"type": "string", "enum": ["active", "deleted"]},
                    "best": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/User"}]}
                }},
                "Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]}
            }}
        }))
    }

    #[test]
    fn calls_are_found_under_their_tag() {
        let document = document();
        let names: Vec<&str> = document.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["auth", "Other"]);
        let call = &document.groups[0].calls[0];
        assert_eq!((call.method.as_str(), call.anchor.as_str(), call.needs_token), ("GET", "call-show_user", true));
        assert_eq!(words(&call.parameters[0].kind), "string (uuid)");
        assert_eq!(words(&call.answers[0].kind), "User");
        assert_eq!(call.answers[0].kind[0].anchor.as_deref(), Some("schema-User"));
        assert_eq!(words(&call.answers[1].kind), "nothing");
        let open = &document.groups[1].calls[0];
        assert_eq!(call.permissions, ["users:read"]);
        assert!(!open.needs_token && open.permissions.is_empty());
        assert_eq!(open.body.as_ref().unwrap().fields.len(), 5);
    }

    #[test]
    fn types_have_names_and_circles_end() {
        let document = document();
        let user = document.schemas.iter().find(|schema| schema.name == "User").unwrap();
        let kinds: Vec<(&str, String)> =
            user.fields.iter().map(|field| (field.name.as_str(), words(&field.kind))).collect();
        for kind in [
            ("id", "string (uuid)"),
            ("name", "string or null"),
            ("friends", "list of User"),
            ("status", "\"active\" or \"deleted\""),
            ("best", "null or User"),
        ] {
            assert!(kinds.contains(&(kind.0, kind.1.to_owned())), "{kinds:?}");
        }
        assert!(user.fields.iter().find(|field| field.name == "id").unwrap().required);
        let circle = document.schemas.iter().find(|schema| schema.name == "Loop").unwrap();
        assert!(circle.fields.is_empty());
    }
}
