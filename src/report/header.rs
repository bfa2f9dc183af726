//! The header of a query: what it shows, how bad its rows are, which requirements it speaks to, what it can be asked.
//!
//! ```sql
//! -- title: Changes made outside a release
//! -- description: Every change whose actor no recorded release explains;
//! --   a line that is indented continues the one before.
//! -- severity: high
//! -- controls: OFQ-00005/automated, SOC2 CC8.1
//! -- table: occurred_at, service, actor, action
//! -- each: change
//! -- param: since timestamp optional
//! ```
//! The header ends at the first line that is no comment, or at an empty line. `table` names the columns that a table
//! shows; every other format has them all. `each` is for controls. Unknown keys are errors.

use changetrail_connectors::nearest;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Low,
    Medium,
    High,
}

impl Severity {
    /// As the queries have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// `low`, `medium` or `high`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "low" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}

/// What a control judges one by one: what it says of a change follows from that change, what it says of a deployment from
/// the deployments of the same release and their approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    Change,
    Deployment,
}

/// What a query can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub required: bool,
}

/// What the header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    pub title: String,
    pub description: String,
    pub severity: Option<Severity>,
    pub controls: Vec<String>,
    /// The columns that a table shows; empty for all.
    pub table: Vec<String>,
    /// Of a control, where it judges so.
    pub each: Option<Each>,
    pub params: Vec<Param>,
}

/// A header that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {text}")]
pub struct HeaderError {
    pub line: usize,
    pub text: String,
}

const KEYS: [&str; 7] = ["title", "description", "severity", "controls", "table", "each", "param"];
const TYPES: [&str; 2] = ["timestamp", "text"];

/// Reads the header of a query.
///
/// # Errors
/// An unknown key or value, or no title.
pub fn parse(sql: &str) -> Result<Header, HeaderError> {
    let mut header = Header::default();
    for (line, key, value) in entries(sql)? {
        let wrong = |text: String| HeaderError { line, text };
        match key.as_str() {
            "title" => header.title = value,
            "description" => header.description = value,
            "severity" => {
                let unknown = || wrong(format!("`{value}` is no severity; known are low, medium, high"));
                header.severity = Some(Severity::parse(&value).ok_or_else(unknown)?);
            }
            "controls" => header.controls = list(&value),
            "table" => header.table = list(&value),
            "each" => {
                header.each = Some(match value.as_str() {
                    "change" => Each::Change,
                    "deployment" => Each::Deployment,
                    _ => return Err(wrong(format!("`{value}` is neither `change` nor `deployment`"))),
                });
            }
            "param" => header.params.push(param(&value).map_err(wrong)?),
            unknown => {
                let meant = nearest(unknown, KEYS)
                    .map_or_else(|| format!("known are {}", KEYS.join(", ")), |key| format!("did you mean `{key}`?"));
                return Err(wrong(format!("unknown key `{unknown}`; {meant}")));
            }
        }
    }
    if header.title.is_empty() {
        return Err(HeaderError { line: 1, text: "there is no `-- title: …`".to_owned() });
    }
    Ok(header)
}

/// Line, key and value of each entry.
fn entries(sql: &str) -> Result<Vec<(usize, String, String)>, HeaderError> {
    let mut entries: Vec<(usize, String, String)> = Vec::new();
    for (line, text) in (1..).zip(sql.lines()) {
        let Some(comment) = text.strip_prefix("--") else {
            break;
        };
        if comment.starts_with("  ")
            && let Some((_, _, value)) = entries.last_mut()
        {
            value.push(' ');
            value.push_str(comment.trim());
            continue;
        }
        let Some((key, value)) = comment.split_once(':') else {
            return Err(HeaderError { line, text: format!("`{}` is not `-- key: value`", text.trim()) });
        };
        entries.push((line, key.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(entries)
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn param(value: &str) -> Result<Param, String> {
    let mut words = value.split_whitespace();
    let (Some(name), Some(kind), Some(need)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("`{value}` is not `name type optional|required`"));
    };
    if !TYPES.contains(&kind) {
        return Err(format!("`{kind}` is no type of parameter; known are {}", TYPES.join(", ")));
    }
    let required = match need {
        "required" => true,
        "optional" => false,
        other => return Err(format!("`{other}` is neither `optional` nor `required`")),
    };
    Ok(Param { name: name.to_owned(), required })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_header() {
        let header = parse(
            "-- title: Changes made outside a release\n-- description: Every change\n--   without one: all of them.\n\
             -- severity: high\n-- controls: OFQ-00005/automated, SOC2 CC8.1\n-- table: a, b\n\
             -- param: since timestamp optional  Start of the period\n-- param: change_id text required\n\n-- not: a key\nselect 1\n",
        )
        .unwrap();
        assert_eq!(header.title, "Changes made outside a release");
        assert_eq!(header.description, "Every change without one: all of them.");
        assert_eq!(header.severity, Some(Severity::High));
        assert_eq!(header.controls, ["OFQ-00005/automated", "SOC2 CC8.1"]);
        assert_eq!(header.table, ["a", "b"]);
        let param = |name: &str, required| Param { name: name.to_owned(), required };
        assert_eq!(header.params, [param("since", false), param("change_id", true)]);
    }

    #[test]
    fn wrong_headers() {
        let check = |sql: &str, line: usize, text: &str| {
            assert_eq!(parse(sql), Err(HeaderError { line, text: text.to_owned() }), "{sql}");
        };
        check("select 1", 1, "there is no `-- title: …`");
        check("-- title: x\n-- severty: high\n", 2, "unknown key `severty`; did you mean `severity`?");
        check("-- title: x\n-- severity: huge\n", 2, "`huge` is no severity; known are low, medium, high");
        check("-- some words\n", 1, "`-- some words` is not `-- key: value`");
        check("-- param: since timestamp\n", 1, "`since timestamp` is not `name type optional|required`");
        check("-- param: since date optional\n", 1, "`date` is no type of parameter; known are timestamp, text");
        check("-- param: since text maybe\n", 1, "`maybe` is neither `optional` nor `required`");
    }
}
