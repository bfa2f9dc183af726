//! Texts with placeholders, from a closed list: no language, no surprises.
//!
//! `${param.x}`, `${secret.x}`, `${item}`, `${parent}`, `${window.start:FMT}`, `${window.end:FMT}`, `${checkpoint}`. In a path values
//! are percent-encoded, so that none of them can lead elsewhere; `:path` keeps slashes. The surprising fact: `:N..M` cuts
//! characters out of a secret or parameter (negative: from the end), because some systems hand out two in one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::secret::Secrets;

/// What may stand in a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// 2000-01-01: no log that is read goes back so far. Seconds that are read as milliseconds do (1970), and so does what
/// stands for no time at all (year 1). What a mapping finds is held against the same day (`can_be`).
const EARLIEST: i64 = 946_684_800;

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFormat {
    Rfc3339,
    Rfc3339Ms,
    EpochS,
    EpochMs,
    Date,
}

/// Names of the formats.
pub(super) const TIME_FORMATS: &[(&str, TimeFormat)] = &[
    ("rfc3339", TimeFormat::Rfc3339),
    ("rfc3339_ms", TimeFormat::Rfc3339Ms),
    ("epoch_s", TimeFormat::EpochS),
    ("epoch_ms", TimeFormat::EpochMs),
    ("date", TimeFormat::Date),
];

impl TimeFormat {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let found = TIME_FORMATS.iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let known: Vec<&str> = TIME_FORMATS.iter().map(|(name, _)| *name).collect();
            format!("`{name}` is no format of a time; known are {}", known.join(", "))
        })
    }

    fn write(self, time: Timestamp) -> String {
        match self {
            Self::Rfc3339 => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Self::Rfc3339Ms => time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            Self::EpochS => time.as_second().to_string(),
            Self::EpochMs => time.as_millisecond().to_string(),
            Self::Date => time.strftime("%Y-%m-%d").to_string(),
        }
    }

    /// Reads a time out of a record: a text, or a number. None of before [`EARLIEST`]: it would pass for old, and end a feed.
    pub(super) fn read(self, value: &serde_json::Value) -> Option<Timestamp> {
        self.any(value).filter(|time| time.as_second() >= EARLIEST)
    }

    fn any(self, value: &serde_json::Value) -> Option<Timestamp> {
        let number = || value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        match self {
            Self::EpochS => from_milliseconds(number()? * 1_000.0),
            Self::EpochMs => from_milliseconds(number()?),
            Self::Rfc3339 | Self::Rfc3339Ms | Self::Date => {
                let text = value.as_str()?.trim();
                // `+0000`, as some systems write it.
                let offset = || jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?.to_timestamp().ok();
                let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(TimeZone::UTC).ok();
                let time = crate::log::time_of(text).or_else(offset);
                time.or_else(|| day().map(|day| day.timestamp()))
            }
        }
    }
}

fn from_milliseconds(milliseconds: f64) -> Option<Timestamp> {
    if !milliseconds.is_finite() || milliseconds.abs() > 1e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "its size was checked")]
    let milliseconds = milliseconds.round() as i64;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// What placeholders stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    pub(super) params: BTreeMap<String, String>,
    pub(super) secrets: Secrets,
    pub(super) item: Option<String>,
    /// What the item's own stream was read for.
    pub(super) parent: Option<String>,
    pub(super) window: Option<(Timestamp, Timestamp)>,
    pub(super) checkpoint: Option<String>,
}

/// How a value is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is: headers, bodies, and queries, which are encoded as a whole.
    Plain,
    /// As a part of a path.
    Path,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Param(String, Cut),
    Secret(String, Cut),
    Item { keeps_slashes: bool },
    Parent,
    Start(TimeFormat),
    End(TimeFormat),
    Checkpoint,
}

/// Which characters of a value: from, to; negative from the end.
type Cut = (Option<i64>, Option<i64>, bool);

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((inside, after)) = after.split_once('}') else {
                return Err(format!("`{text}`: a placeholder without its closing brace"));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(placeholder(inside)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Names of the parameters, or of the secrets, that it needs.
    pub(super) fn params(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Param(name, _) = part { Some(name.as_str()) } else { None })
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Secret(name, _) = part { Some(name.as_str()) } else { None })
    }

    pub(super) fn needs_item(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Item { .. }))
    }

    pub(super) fn needs_parent(&self) -> bool {
        self.0.contains(&Part::Parent)
    }

    pub(super) fn needs_checkpoint(&self) -> bool {
        self.0.contains(&Part::Checkpoint)
    }

    /// Whether it is a number and nothing else: seconds or milliseconds.
    pub(super) fn is_number(&self) -> bool {
        use TimeFormat::{EpochMs, EpochS};
        matches!(self.0.as_slice(), [Part::Start(EpochS | EpochMs) | Part::End(EpochS | EpochMs)])
    }

    pub(super) fn needs_window(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Start(_) | Part::End(_)))
    }

    pub(super) fn needs_start(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Start(_)))
    }

    pub(super) fn needs_end(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::End(_)))
    }

    /// Whether it asks for whole days.
    pub(super) fn starts_with_day(&self) -> bool {
        self.0.contains(&Part::Start(TimeFormat::Date))
    }

    /// Whether it is the item and nothing else: then that may be a whole address.
    pub(super) fn is_item(&self) -> bool {
        matches!(self.0.as_slice(), [Part::Item { .. }])
    }

    /// Whether it begins with an item or a parameter: then that may be an address, with or without a path after it.
    pub(super) fn begins_with_value(&self) -> bool {
        matches!(self.0.first(), Some(Part::Item { .. } | Part::Param(..)))
    }

    /// The text with values put in; `None` where one of them is not there.
    pub(super) fn fill(&self, values: &Values, encoding: Encoding) -> Result<Option<String>, String> {
        let mut text = String::new();
        for part in &self.0 {
            let (value, keeps_slashes) = match part {
                Part::Text(fixed) => {
                    text.push_str(fixed);
                    continue;
                }
                Part::Param(name, cut) => (values.params.get(name).map(|value| slice(value, *cut)), cut.2),
                Part::Secret(name, cut) => (values.secrets.get(name).map(|value| slice(value, *cut)), false),
                Part::Item { keeps_slashes } => (values.item.clone(), *keeps_slashes),
                Part::Parent => (values.parent.clone(), false),
                Part::Start(format) => (values.window.map(|(start, _)| format.write(start)), false),
                Part::End(format) => (values.window.map(|(_, end)| format.write(end)), false),
                Part::Checkpoint => (values.checkpoint.clone(), false),
            };
            let Some(value) = value else { return Ok(None) };
            if encoding == Encoding::Plain {
                text.push_str(&value);
                continue;
            }
            let is_path = keeps_slashes || text.is_empty();
            let mut segments = value.split('/').filter(|_| is_path).chain((!is_path).then_some(value.as_str()));
            if segments.any(|segment| segment == "." || segment == "..") {
                return Err(format!("`{value}` would lead out of the path"));
            }
            // A base address begins a text and is one already.
            if text.is_empty() && value.contains("://") {
                text.push_str(value.trim_end_matches('/'));
            } else {
                text.extend(utf8_percent_encode(&value, if keeps_slashes { PATH } else { SEGMENT }));
            }
        }
        Ok(Some(text))
    }
}

fn placeholder(inside: &str) -> Result<Part, String> {
    let (name, format) = inside.split_once(':').map_or((inside, None), |(name, format)| (name, Some(format)));
    let time = || TimeFormat::parse(format.unwrap_or("rfc3339")).map_err(|error| format!("`${{{inside}}}`: {error}"));
    let plain = |part: Part| match format {
        None => Ok(part),
        Some(format) => Err(format!("`${{{inside}}}`: it has no format `{format}`")),
    };
    match name.split_once('.') {
        Some(("param", name)) => Ok(Part::Param(name.to_owned(), cut(format, inside)?)),
        Some(("secret", name)) => Ok(Part::Secret(name.to_owned(), cut(format, inside)?)),
        Some(("window", "start")) => Ok(Part::Start(time()?)),
        Some(("window", "end")) => Ok(Part::End(time()?)),
        None if name == "item" && format == Some("path") => Ok(Part::Item { keeps_slashes: true }),
        None if name == "item" => plain(Part::Item { keeps_slashes: false }),
        None if name == "parent" => plain(Part::Parent),
        None if name == "checkpoint" => plain(Part::Checkpoint),
        _ => Err(format!(
            "`${{{inside}}}` is no placeholder; known are ${{param.x}}, ${{secret.x}}, ${{item}}, ${{parent}}, ${{window.start:FMT}}, ${{window.end:FMT}}, ${{checkpoint}}"
        )),
    }
}

fn cut(format: Option<&str>, inside: &str) -> Result<Cut, String> {
    let Some(format) = format else { return Ok((None, None, false)) };
    if format == "path" {
        return Ok((None, None, true));
    }
    let number = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
    let (from, to) = format.split_once("..").ok_or_else(|| format!("`${{{inside}}}`: a cut is written N..M"))?;
    match (number(from), number(to)) {
        (Ok(from), Ok(to)) => Ok((from, to, false)),
        _ => Err(format!("`${{{inside}}}`: a cut is written N..M")),
    }
}

fn slice(value: &str, (from, to, _): Cut) -> String {
    let letters: Vec<char> = value.chars().collect();
    let place = |place: i64| {
        let distance = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
        if place < 0 { letters.len().saturating_sub(distance) } else { distance.min(letters.len()) }
    };
    let (from, to) = (from.map_or(0, place), to.map_or(letters.len(), place));
    letters.get(from..to.max(from)).unwrap_or_default().iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let time = |text: &str| text.parse().expect("a time");
        Values {
            params: [
                ("org".to_owned(), "a b/c".to_owned()),
                ("base".to_owned(), "https://example.org/api/".to_owned()),
            ]
            .into(),
            secrets: Secrets::new([("key".to_owned(), "name-12345-abcde".to_owned())].into()),
            item: Some("x/../y?z".to_owned()),
            parent: None,
            window: Some((time("2026-11-01T10:00:00.25Z"), time("2026-11-01T11:00:00Z"))),
            checkpoint: None,
        }
    }

    fn fill(text: &str, encoding: Encoding) -> Result<Option<String>, String> {
        Template::parse(text).expect(text).fill(&values(), encoding)
    }

    #[test]
    fn values_are_put_in_and_encoded_in_paths() {
        for (text, expected) in [
            ("${param.base}/v1/${param.org}", "https://example.org/api/v1/a%20b%2Fc"),
            ("/v1/${param.org:path}", "/v1/a%20b/c"),
            ("/v1/${item}", "/v1/x%2F..%2Fy%3Fz"),
            ("/${window.start:epoch_s}/${window.end:date}", "/1793527200/2026-11-01"),
        ] {
            assert_eq!(fill(text, Encoding::Path), Ok(Some(expected.to_owned())), "{text}");
        }
        assert_eq!(
            fill("since:>=${window.start:rfc3339_ms}", Encoding::Plain),
            Ok(Some("since:>=2026-11-01T10:00:00.250Z".into()))
        );
        assert_eq!(
            fill("${secret.key:-5..}|${secret.key:-11..-6}|${secret.key:..4}", Encoding::Plain),
            Ok(Some("abcde|12345|name".into()))
        );
        assert_eq!(fill("after=${checkpoint}", Encoding::Plain), Ok(None), "what is not there leaves the whole out");
    }

    #[test]
    fn no_value_leads_out_of_the_path() {
        fill("/v1/${item:path}", Encoding::Path).expect_err("dots between slashes");
        let mut values = values();
        for item in ["..", "."] {
            values.item = Some(item.into());
            Template::parse("/v1/${item}").expect("a template").fill(&values, Encoding::Path).expect_err(item);
        }
    }

    #[test]
    fn the_list_of_placeholders_is_closed() {
        for bad in [
            "${env.HOME}",
            "${param}",
            "${item",
            "${item:date}",
            "${window.start:iso}",
            "${window.middle}",
            "${secret.x:1}",
            "${}",
        ] {
            Template::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn times_are_read_as_systems_write_them() {
        let read = |format: TimeFormat, value: serde_json::Value| format.read(&value).map(|time| time.to_string());
        let ten = Some("2026-11-01T10:00:00Z".to_owned());
        for text in [
            "2026-11-01T10:00:00Z",
            "2026-11-01T11:00:00+01:00",
            "2026-11-01T10:00:00",
            "2026-11-01 10:00:00",
            "2026-11-01T11:00:00.000+0100",
        ] {
            assert_eq!(read(TimeFormat::Rfc3339, text.into()), ten, "{text}");
        }
        assert_eq!(read(TimeFormat::EpochS, 1_793_527_200.into()), ten);
        assert_eq!(read(TimeFormat::EpochS, "1793527200.0".into()), ten);
        assert_eq!(read(TimeFormat::EpochMs, 1_793_527_200_000_i64.into()), ten);
        assert_eq!(read(TimeFormat::Date, "2026-11-01".into()).as_deref(), Some("2026-11-01T00:00:00Z"));
        for odd in [serde_json::json!(null), serde_json::json!("soon"), serde_json::json!(1e300), serde_json::json!([])]
        {
            for (_, format) in TIME_FORMATS {
                assert_eq!(read(*format, odd.clone()), None, "{odd}");
            }
        }
    }

    #[test]
    fn a_time_of_before_the_logs_is_none() {
        use serde_json::json;
        for (format, value, expected) in [
            (TimeFormat::EpochMs, json!(1_793_527_200), None),
            (TimeFormat::EpochS, json!("1793527200"), Some("2026-11-01T10:00:00Z")),
            (TimeFormat::EpochS, json!(1_793_527_200_000_i64), None),
            (TimeFormat::EpochS, json!(0), None),
            (TimeFormat::Rfc3339, json!("0001-01-01T00:00:00Z"), None),
            (TimeFormat::Rfc3339, json!("1999-12-31T23:59:59Z"), None),
            (TimeFormat::Rfc3339, json!("2000-01-01T00:00:00Z"), Some("2000-01-01T00:00:00Z")),
        ] {
            let expected: Option<Timestamp> = expected.map(|text| text.parse().expect("a time"));
            assert_eq!(format.read(&value), expected, "{format:?} {value}");
        }
    }
}
