//! Whether a folder's README says what whoever operates the collector has to know.

use std::path::Path;

const HEADINGS: &[&str] = &[
    "## What is read",
    "## Permission",
    "## Retention and lag",
    "## Limits",
    "## What is not covered",
    "## What was checked",
];

/// What is missing.
pub(super) fn problem(folder: &Path) -> Option<String> {
    let Ok(text) = std::fs::read_to_string(folder.join("README.md")) else {
        return Some(format!("it is missing; its headings are: # Vendor, {}", HEADINGS.join(", ")));
    };
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut problems = Vec::new();
    if !lines.first().is_some_and(|line| line.starts_with("# ")) {
        problems.push("it must begin with `# ` and the vendor's name".to_owned());
    }
    for heading in HEADINGS {
        match lines.iter().position(|line| line == heading) {
            None => problems.push(format!("no heading `{heading}`")),
            Some(place) => {
                let mut below = lines[place + 1..].iter().take_while(|line| !line.starts_with("## "));
                if below.all(|line| line.is_empty()) {
                    problems.push(format!("nothing stands below `{heading}`"));
                }
            }
        }
    }
    (!problems.is_empty()).then(|| problems.join("\n"))
}
