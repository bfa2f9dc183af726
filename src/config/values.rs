//! The values that configuration keys take, with errors that a person understands.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};

use crate::time::{TimeError, parse_absolute, parse_duration};

/// A time: a TOML date-time or text, RFC 3339; without an offset it is UTC, and a date is its midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Datetime(moment) => moment.to_string(),
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        parse_absolute(&text).map(Self).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a time: write for example \"2026-11-03T09:30:00Z\""))
        })
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A duration: text such as `5m` or `24h`; seconds in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

impl Period {
    pub(super) const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_mins(minutes))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let period = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => parse_duration(&text),
            other => Err(TimeError::Duration(other.to_string())),
        };
        period.map(Self).map_err(de::Error::custom)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.as_secs())
    }
}

/// What kind of environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Dev,
    Preprod,
    Live,
}

/// What kind of service: which controls apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceType {
    #[default]
    Deployed,
    StaticApp,
    ThirdParty,
}

/// What makes a pre-production deployment a manual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ManualMeans {
    Trigger,
    #[default]
    Approval,
    Both,
}

/// What a source's approvals are worth: `evidence` of a platform, or what a pipeline claims about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Approvals {
    #[default]
    Evidence,
    Claimed,
}

/// The judgement on a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Platform,
    Released,
    Exempted,
    Unapproved,
    Nonconforming,
    Manual,
    Unrecorded,
    Unattributed,
}

/// Who may release and approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    Senior,
    Manager,
}

/// A role that a person has: for all services or some, for all time or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    pub role: RoleName,
    /// Empty: all services.
    pub services: Vec<String>,
    /// Inclusive.
    pub from: Option<Moment>,
    /// Exclusive.
    pub to: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    role: RoleName,
    #[serde(default)]
    services: Vec<String>,
    from: Option<Moment>,
    to: Option<Moment>,
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A name alone, or a table: an untagged enum would lose what is wrong with the table.
        struct RoleVisitor;
        impl<'de> Visitor<'de> for RoleVisitor {
            type Value = Role;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"senior\", \"manager\" or { role = \"…\", services = […], from = \"…\", to = \"…\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Role, E> {
                let role = RoleName::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Role { role, services: Vec::new(), from: None, to: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Role, A::Error> {
                let RoleTable { role, services, from, to } = RoleTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Role { role, services, from, to })
            }
        }
        deserializer.deserialize_any(RoleVisitor)
    }
}
