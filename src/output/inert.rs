//! Makes text harmless for a terminal: escape sequences, control characters, and the characters that reorder or hide
//! what is around them are written out as escapes.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with everything a terminal would act on made visible.
#[must_use]
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The JSON with everything in its texts that a terminal would act on as an escape: it means the same. What comes before
/// the space JSON has escaped already, or it is white space between texts.
#[must_use]
pub fn inert_json(json: &str) -> Cow<'_, str> {
    let acts = |character: char| character > ' ' && acts(character);
    if !json.chars().any(acts) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal acts on the character instead of showing it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' // soft hyphen, Arabic letter mark
            | '\u{200b}'..='\u{200f}' // zero width, direction marks
            | '\u{2028}'..='\u{202e}' // line and paragraph separator, direction overrides
            | '\u{2060}'..='\u{206f}' // invisible operators, direction isolates
            | '\u{feff}' // byte order mark
            | '\u{fff9}'..='\u{fffb}' // interlinear annotation
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        let check = |text: &str, expected: &str| assert_eq!(inert(text), expected);
        check("plain, 日本, Zoë", "plain, 日本, Zoë");
        check("\u{1b}[31mred\u{1b}]0;title\u{7}", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}");
        check("two\nlines\tand\r", "two\\nlines\\tand\\r");
        check("\u{9b}31m", "\\u{9b}31m");
        check("user\u{202e}nimda", "user\\u{202e}nimda");
    }

    #[test]
    fn json_means_the_same() {
        let text = "\u{7f}\u{9b}31m\u{202e}\u{e0041} plain, 日本\u{1b}";
        let shown = inert_json(&serde_json::to_string(text).unwrap()).into_owned();
        assert_eq!(shown, r#""\u007f\u009b31m\u202e\udb40\udc41 plain, 日本\u001b""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        assert_eq!(inert_json("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
    }
}
