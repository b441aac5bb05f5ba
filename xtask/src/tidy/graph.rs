//! Who may know whom: the edges between crates are those that ARCHITECTURE.md lists, no others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Crate → the crates of this workspace that it depends on, in any way.
pub(super) type Edges = BTreeMap<String, BTreeSet<String>>;

/// How the block in ARCHITECTURE.md begins. In it, a line a crate: `pages -> auth users`.
const BLOCK: &str = "```crates";

/// What `cargo metadata --no-deps` says.
pub(super) fn edges_of(metadata: &Value) -> Edges {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
            let inside = dependencies.iter().map(name).filter(|dependency| members.contains(dependency)).collect();
            (name(package), inside)
        })
        .collect()
}

/// The edges that the map lists, or what is wrong with the list.
fn listed(map: &str) -> Result<Edges, String> {
    let mut lines = map.lines().skip_while(|line| line.trim() != BLOCK).skip(1).peekable();
    if lines.peek().is_none() {
        return Err(format!("ARCHITECTURE.md has no block that begins with {BLOCK}: list the crates there"));
    }
    let mut edges = Edges::new();
    for line in lines.take_while(|line| line.trim() != "```").filter(|line| !line.trim().is_empty()) {
        let Some((from, to)) = line.split_once("->") else {
            return Err(format!("ARCHITECTURE.md: `{line}` is not of the form `crate -> crate crate`"));
        };
        let to = to.split_whitespace().map(str::to_owned).collect();
        if edges.insert(from.trim().to_owned(), to).is_some() {
            return Err(format!("ARCHITECTURE.md lists `{}` twice", from.trim()));
        }
    }
    Ok(edges)
}

/// Compares the list with what is there, in both directions: a list of what once was helps nobody.
pub(super) fn complaints(map: &str, found: &Edges) -> Vec<String> {
    let listed = match listed(map) {
        Ok(listed) => listed,
        Err(complaint) => return vec![complaint],
    };
    let pairs = |edges: &Edges| -> BTreeSet<(String, String)> {
        edges.iter().flat_map(|(from, to)| to.iter().map(|to| (from.clone(), to.clone()))).collect()
    };
    let (listed_pairs, found_pairs) = (pairs(&listed), pairs(found));
    let unlisted = found_pairs
        .difference(&listed_pairs)
        .map(|(from, to)| format!("`{from}` depends on `{to}`, which ARCHITECTURE.md does not allow"));
    let unused = listed_pairs
        .difference(&found_pairs)
        .map(|(from, to)| format!("ARCHITECTURE.md lists `{from} -> {to}`, which is not there: remove it"));
    let nowhere = found
        .keys()
        .filter(|name| !listed.contains_key(*name))
        .map(|name| format!("ARCHITECTURE.md does not list the crate `{name}`"));
    unlisted.chain(unused).chain(nowhere).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAP: &str = "# Map\n\n```crates\nusher -> pages kernel\npages -> kernel\nkernel ->\n```\n\nusher -> nobody\n";

    fn edges(list: &[(&str, &[&str])]) -> Edges {
        list.iter().map(|(from, to)| ((*from).into(), to.iter().map(|to| (*to).into()).collect())).collect()
    }

    #[test]
    fn the_listed_graph_passes() {
        let found = edges(&[("usher", &["pages", "kernel"]), ("pages", &["kernel"]), ("kernel", &[])]);
        assert!(complaints(MAP, &found).is_empty());
    }

    #[test]
    fn an_edge_too_many_an_edge_too_few_and_a_new_crate_fail() {
        let found = edges(&[("usher", &["pages", "kernel"]), ("pages", &[]), ("kernel", &["usher"]), ("extra", &[])]);
        assert_eq!(complaints(MAP, &found).len(), 3);
    }

    #[test]
    fn a_missing_block_and_a_broken_line_fail() {
        assert_eq!(complaints("# Map", &Edges::new()).len(), 1);
        assert_eq!(complaints("```crates\nusher pages\n```", &Edges::new()).len(), 1);
    }

    #[test]
    fn only_edges_inside_the_workspace_count() {
        let metadata = json!({"packages": [
            {"name": "pages", "dependencies": [{"name": "kernel", "kind": null}, {"name": "serde", "kind": null}]},
            {"name": "kernel", "dependencies": []},
        ]});
        assert_eq!(edges_of(&metadata), edges(&[("pages", &["kernel"]), ("kernel", &[])]));
    }
}
