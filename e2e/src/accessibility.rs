//! Who could not use a page: axe-core, run in the browser on the page as it is.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::Browser;

/// The rules: WCAG 2.2 with everything that it contains, at level A and AA, and what axe calls best practice (one main
/// landmark, headings in order), which costs nothing to keep.
const RULES: &str = r#"["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22a","wcag22aa","best-practice"]"#;

static AXE: LazyLock<String> = LazyLock::new(|| {
    let own = std::env::current_exe().expect("the path of this test");
    let beside = || own.ancestors().nth(3).expect("target").join("test-axe/node_modules/axe-core/axe.min.js");
    let file = std::env::var_os("TEST_AXE").map_or_else(beside, PathBuf::from);
    std::fs::read_to_string(&file).unwrap_or_else(|_| {
        panic!("no {}: run the tests with `cargo xtask test`, which fetches it", file.display());
    })
});

impl Browser {
    /// Fails if axe-core finds anything in the page that is open now that keeps somebody out. What a page only shows
    /// after a click is examined if it was clicked before.
    #[track_caller]
    pub fn assert_accessible(&self, name: &str) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let violations = self.violations().await;
            assert!(violations.is_empty(), "{at}: {name} keeps people out:\n{}", violations.join("\n"));
        }
    }

    /// What axe-core finds: rule, reason, and the elements.
    async fn violations(&self) -> Vec<String> {
        // The page's own rules forbid scripts from elsewhere, and hold: this one comes from the browser itself. It is
        // there until another page is opened.
        if self.script("typeof axe").await != "object" {
            self.script(&AXE).await;
        }
        let run = format!(
            "axe.run(document, {{resultTypes: ['violations'], runOnly: {{type: 'tag', values: {RULES}}}}})\
             .then(found => found.violations)"
        );
        let found = self.script(&run).await;
        found.as_array().expect("axe answers a list").iter().map(shown).collect()
    }
}

/// A violation in words.
fn shown(violation: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = violation["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let nodes = nodes
        .iter()
        .take(8)
        .map(|node| format!("    {} {}\n      {}", node["target"], text(&node["html"]), text(&node["failureSummary"])));
    format!("  {}: {}\n{}", text(&violation["id"]), text(&violation["help"]), nodes.collect::<Vec<_>>().join("\n"))
}
