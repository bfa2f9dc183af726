//! Reads the text of a description, and says what is wrong with it: line, table, and the nearest known key.

use serde::de::DeserializeOwned;

use crate::catalog::nearest;

/// Reads TOML.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let at = |place: Option<usize>| match place {
        Some(place) => format!("line {}: ", 1 + text.bytes().take(place).filter(|byte| *byte == b'\n').count()),
        None => String::new(),
    };
    let said = |message: &str| message.trim().replace('\n', "; ");
    let parser = toml::de::Deserializer::parse(text)
        .map_err(|error| format!("{}{}", at(error.span().map(|span| span.start)), said(error.message())))?;
    serde_path_to_error::deserialize(parser).map_err(|error| {
        let place = at(error.inner().span().map(|span| span.start));
        format!("{place}{}", describe(error.inner().message(), &error.path().to_string()))
    })
}

fn describe(message: &str, path: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let of = |table: &str| {
        if table.is_empty() || table == "." { "at top level".to_owned() } else { format!("in [{table}]") }
    };
    match words.split_first() {
        Some((unknown, known)) if message.starts_with("unknown field") => {
            let meant = match nearest(unknown, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            // The path ends with the key that is not known.
            let table = path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.');
            format!("unknown key `{unknown}` {}; {meant}", of(table))
        }
        Some((unknown, known)) if message.starts_with("unknown variant") => {
            let meant = nearest(unknown, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
            let known = known.join(", ");
            format!("`{unknown}` is no value of `{key}` {}; known are {known}{}", of(table), meant.unwrap_or_default())
        }
        Some((missing, _)) if message.starts_with("missing field") => {
            format!("key `{missing}` is missing {}", of(path.trim_end_matches('.')))
        }
        _ => format!("`{key}` {}: {}", of(table), message.trim().replace('\n', "; ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::Spec;

    const HEAD: &str = "name = 'x'\nvendor = 'X'\ndocs = ''\nkind = 'events'\nemits = ['change']\npermission = ''\nretention = ''\nlag = ''\n";

    fn problem(rest: &str) -> String {
        Spec::parse(&format!("{HEAD}{rest}")).expect_err("a bad description")
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (rest, expected) in [
            (
                "[cursor]\nmode = 'since'\noverlp = '1h'",
                "line 11: unknown key `overlp` in [cursor]; did you mean `overlap`?",
            ),
            (
                "[stream.posts.paginate]\ntype = 'link_haeder'",
                "line 10: `link_haeder` is no value of `type` in [stream.posts.paginate]; known are none, link_header, next_url, token, page, offset, last_record; did you mean `link_header`?",
            ),
            ("[request]\nmethod = 'GET'", "line 9: key `path` is missing in [request]"),
            ("[limits]\nrps = 'fast'", "line 10: `rps` in [limits]: invalid type: string \"fast\", expected f64"),
            (
                "[errors]\non = [{ status = 404, action = 'ignore' }]",
                "line 10: `ignore` is no value of `action` in [errors.on[0]]; known are retry, skip, stop, fail, refresh_auth",
            ),
            ("name = 'y'", "line 9: duplicate key"),
        ] {
            assert_eq!(problem(rest), expected);
        }
    }
}
