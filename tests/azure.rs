//! Azure: what `explain` shows of a change that Resource Graph compared.

use crate::support::{Place, checkout};

#[test]
fn what_was_before_and_what_is_after_are_shown_field_by_field() {
    let place = Place::new("[[source]]\nname = \"azure\"\nconnector = \"azure-activity-log\"\npath = \"azure\"\n");
    place.copy(&checkout("tests/cases/azure/before-and-after/given/azure"), "azure");
    place.ran(1, &["-q", "audit"]);
    let said = place.ran(0, &["explain", "logged"]).stdout;
    let values = section(&said, "Before and after");
    assert_eq!(values.len(), 2, "{said}");
    for (words, line) in
        [["properties.httpsOnly", "true", "false"], ["tags.note", "=cmd()", "<script>"]].iter().zip(&values)
    {
        assert!(words.iter().all(|word| line.contains(word)) && !line.contains('\u{1b}'), "{line}");
    }
    assert!(section(&said, "Evidence").iter().any(|line| line.contains("changes/compared-1")), "{said}");
    let said = place.ran(0, &["explain", "other"]).stdout;
    assert_eq!(section(&said, "Before and after"), ["none"]);
}

/// The lines of a section of `explain`, without the header of a table.
fn section<'a>(said: &'a str, title: &str) -> Vec<&'a str> {
    let lines = said.lines().skip_while(|line| line.trim() != title).skip(1);
    let lines = lines.take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.filter(|line| !line.starts_with("field ") && !line.contains("──") && !line.contains("---")).collect()
}
