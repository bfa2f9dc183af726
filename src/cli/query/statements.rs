//! Where one statement ends and the next begins: the engine runs all of a text, and gives the result of the last alone.

/// Words with which a statement begins that gives rows.
const ASKS: &[&str] = &[
    "call",
    "desc",
    "describe",
    "execute",
    "explain",
    "from",
    "pivot",
    "pragma",
    "select",
    "show",
    "summarize",
    "table",
    "unpivot",
    "values",
    "with",
];

/// Whether a statement gives rows, as its first word says.
pub(super) fn asks(statement: &str) -> bool {
    let begin = statement.trim_start_matches(|character: char| character.is_whitespace() || character == '(');
    let end = begin.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(begin.len());
    ASKS.contains(&begin[..end].to_ascii_lowercase().as_str())
}

/// The statements of a text, without comments; none that is empty.
pub(super) fn split(sql: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut rest = sql;
    while let Some(character) = rest.chars().next() {
        let (length, kept) = match character {
            ';' => {
                statements.push(String::new());
                (1, false)
            }
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (comment(rest), false),
            '\'' | '"' => (quoted(rest, character), true),
            '$' => (dollars(rest), true),
            other => (other.len_utf8(), true),
        };
        let (token, after) = rest.split_at(length);
        if let Some(statement) = statements.last_mut() {
            statement.push_str(if kept { token } else { " " });
        }
        rest = after;
    }
    statements.retain(|statement| !statement.trim().is_empty());
    statements
}

/// The length of a comment in which others may be.
fn comment(text: &str) -> usize {
    let (mut depth, mut place) = (0, 0);
    while let Some(next) = text[place..].find(['/', '*']) {
        place += next;
        match text.get(place..place + 2) {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
        if depth == 0 {
            return place;
        }
    }
    text.len()
}

/// The length of what stands between quotes. A doubled quote ends one text and begins the next, which comes to the same.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

/// The length of a text between `$tag$` and `$tag$`; of the sign alone where it begins a parameter.
fn dollars(text: &str) -> usize {
    let Some(end) = text[1..].find(|character: char| !character.is_alphanumeric() && character != '_') else {
        return 1;
    };
    if !text[1 + end..].starts_with('$') || text[1..].starts_with(|character: char| character.is_ascii_digit()) {
        return 1;
    }
    let tag = &text[..end + 2];
    text[tag.len()..].find(tag).map_or(text.len(), |close| tag.len() + close + tag.len())
}

#[cfg(test)]
mod tests {
    use super::{asks, split};

    #[test]
    fn what_is_quoted_or_a_comment_ends_no_statement() {
        let check = |sql: &str, expected: &[&str]| {
            let found: Vec<String> = split(sql).iter().map(|statement| statement.trim().to_owned()).collect();
            assert_eq!(found, expected, "{sql}");
        };
        check("select 1", &["select 1"]);
        check(" ;; -- nothing; at all\n /* ; /* ; */ */ ", &[]);
        check("select ';', 'it''s;' -- ;\n; from \"a;b\"", &["select ';', 'it''s;'", "from \"a;b\""]);
        check("select $$;$$ || $a$;$$;$a$; select $x; é", &["select $$;$$ || $a$;$$;$a$", "select $x", "é"]);
        check("select 'open; /* -- ", &["select 'open; /* --"]);
        check("/* open ; ", &[]);
    }

    #[test]
    fn what_gives_rows() {
        assert!(asks(" (SELECT 1)") && asks("from x") && asks("with a as (select 1) from a"));
        assert!(!asks("set x = 1") && !asks("create table x as select 1") && !asks(""));
    }
}
