//! Every crate inherits the lints, and at most one file has a reason to be `unsafe`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::SourceFile;

/// The crates whose manifest does not say `[lints] workspace = true`.
pub(super) fn missing(root: &Path, metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut complaints = Vec::new();
    for package in packages {
        let path = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let manifest = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !inherits_lints(&manifest) {
            let shown = path.strip_prefix(root).unwrap_or(path);
            complaints.push(format!("{}: add `[lints]` with `workspace = true`", shown.display()));
        }
    }
    Ok(complaints)
}

fn inherits_lints(manifest: &str) -> bool {
    let lines = manifest.lines().map(str::trim);
    let section = lines.skip_while(|line| *line != "[lints]").skip(1).take_while(|line| !line.starts_with('['));
    section.into_iter().any(|line| line.replace(' ', "") == "workspace=true")
}

/// A second file that asks for `unsafe` is a complaint: what needs it belongs in one place.
pub(super) fn unsafe_places(sources: &[SourceFile]) -> Vec<String> {
    let asks = |file: &&SourceFile| file.text.contains("expect(unsafe_code") || file.text.contains("allow(unsafe_code");
    let places: Vec<&str> = sources.iter().filter(asks).map(|file| file.path.as_str()).collect();
    if places.len() > 1 {
        vec![format!("unsafe code is asked for in {}: one file is the most", places.join(" and "))]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lints_have_to_be_inherited_in_their_own_section() {
        assert!(inherits_lints("[package]\nname = \"a\"\n[lints]\nworkspace = true\n"));
        assert!(!inherits_lints("[package]\nworkspace = true\n[dependencies]\n"));
        assert!(!inherits_lints("[lints]\n[package]\nworkspace = true\n"));
    }

    #[test]
    fn one_unsafe_file_is_the_most() {
        let file = |path: &str| SourceFile {
            owner: "auth".into(),
            path: path.into(),
            text: "#![expect(unsafe_code, reason = \"…\")]".into(),
        };
        assert!(unsafe_places(&[file("a.rs")]).is_empty());
        assert_eq!(unsafe_places(&[file("a.rs"), file("b.rs")]).len(), 1);
    }
}
