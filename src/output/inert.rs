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
}
