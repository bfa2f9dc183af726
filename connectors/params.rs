//! The keys of a `[[source]]`, checked against the connector's description and turned into values.

use crate::{ConfigError, Source, Spec, catalog};

/// The parameters of one source.
pub(crate) struct Params<'a> {
    source: &'a Source,
    spec: &'a Spec,
}

impl<'a> Params<'a> {
    /// Checks that all keys are known and all required ones are given.
    pub(crate) fn new(source: &'a Source, spec: &'a Spec) -> Result<Self, ConfigError> {
        for key in source.params.keys() {
            if !spec.known_keys().any(|known| known == key) {
                let nearest = catalog::nearest(key, spec.known_keys()).map(str::to_owned);
                let known = spec.known_keys().map(str::to_owned).collect();
                let (source_name, key) = (source.name.clone(), key.clone());
                return Err(ConfigError::UnknownKey { source_name, key, nearest, known });
            }
        }
        let params = Self { source, spec };
        for (key, param) in &spec.params {
            if param.required && !params.has(key) {
                return Err(params.missing(key));
            }
        }
        Ok(params)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.source.params.contains_key(key)
    }

    pub(crate) fn missing(&self, key: &str) -> ConfigError {
        let help = self.spec.params.get(key).map(|param| param.help.clone()).unwrap_or_default();
        ConfigError::MissingKey { source_name: self.source.name.clone(), key: key.to_owned(), help }
    }

    pub(crate) fn missing_secret(&self, key: &str) -> ConfigError {
        let (source_name, help) = (
            self.source.name.clone(),
            format!("write {key} = {{ env = \"NAME\" }}, {{ file = \"PATH\" }} or {{ exec = [\"COMMAND\"] }}"),
        );
        ConfigError::MissingKey { source_name, key: key.to_owned(), help }
    }

    /// As `missing`, where any of several keys would do.
    pub(crate) fn missing_one_of(&self, keys: &[&str]) -> ConfigError {
        let help = |key: &&str| self.spec.params.get(*key).map(|param| format!("`{key}`: {}", param.help));
        let help: Vec<String> = keys.iter().filter_map(help).collect();
        let (source_name, key) = (self.source.name.clone(), keys.join("` or `"));
        ConfigError::MissingKey { source_name, key, help: help.join("; or ") }
    }

    /// Checks that none of `others` is given together with `key`.
    pub(crate) fn alone(&self, key: &str, others: &[&str]) -> Result<(), ConfigError> {
        match others.iter().find(|other| self.has(other)) {
            Some(other) => Err(self.bad(other, format!("it cannot be given together with `{key}`"))),
            None => Ok(()),
        }
    }

    /// Checks that none of `keys` is given, because `other` is not.
    pub(crate) fn needed_for(&self, other: &str, keys: &[&str]) -> Result<(), ConfigError> {
        match keys.iter().find(|key| self.has(key)) {
            Some(key) => Err(self.bad(key, format!("it belongs to `{other}`, which is not given"))),
            None => Ok(()),
        }
    }

    pub(crate) fn bad(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let help = self.spec.params.get(key).map(|param| param.help.clone()).unwrap_or_default();
        let (source_name, key) = (self.source.name.clone(), key.to_owned());
        ConfigError::BadValue { source_name, key, problem: problem.into(), help }
    }

    pub(crate) fn string(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.source.params.get(key) {
            None => Ok(None),
            Some(toml::Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
            Some(toml::Value::String(_)) => Err(self.bad(key, "it is empty")),
            Some(other) => Err(self.bad(key, format!("a text is needed, not {}", other.type_str()))),
        }
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn strings(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        let Some(toml::Value::Array(items)) = self.source.params.get(key) else {
            return Ok(self.string(key)?.into_iter().collect());
        };
        let mut texts: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            match item {
                toml::Value::String(text) if !text.trim().is_empty() => {
                    if texts.contains(text) {
                        return Err(self.bad(key, format!("`{text}` is listed twice")));
                    }
                    texts.push(text.clone());
                }
                _ => return Err(self.bad(key, "a list of texts is needed")),
            }
        }
        if texts.is_empty() {
            return Err(self.bad(key, "the list is empty"));
        }
        Ok(texts)
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(toml::Value::Float(number)) => Ok(Some(*number)),
            Some(toml::Value::Integer(number)) => match i32::try_from(*number) {
                Ok(small) => Ok(Some(f64::from(small))),
                Err(_) => Err(self.bad(key, "the number is too large")),
            },
            Some(other) => Err(self.bad(key, format!("a number is needed, not {}", other.type_str()))),
        }
    }

    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(toml::Value::Integer(number)) => Ok(Some(*number)),
            Some(other) => Err(self.bad(key, format!("a whole number is needed, not {}", other.type_str()))),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(toml::Value::Boolean(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.bad(key, format!("true or false is needed, not {}", other.type_str()))),
        }
    }

    /// What the source says, else the default.
    fn value(&self, key: &str) -> Option<&toml::Value> {
        self.source.params.get(key).or_else(|| self.spec.params.get(key)?.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws_cloudtrail::AwsCloudTrail;
    use crate::{Connector, Source};

    fn configure(text: &str) -> Result<(), ConfigError> {
        let params = toml::from_str(text).expect("valid TOML");
        let source = Source { name: "aws".into(), params, base: ".".into() };
        AwsCloudTrail.configure(&source).map(|_| ())
    }

    fn problem(text: &str) -> String {
        let error = configure(text).expect_err("a bad configuration");
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn good_sources_are_accepted() {
        configure("path = 'aws'").expect("a path");
        configure("regions = ['eu-west-2', 'us-east-1']\nshare = 0.5\nrole_arn = 'arn:aws:iam::111122223333:role/r'")
            .expect("regions");
        configure("regions = 'eu-west-2'\nshare = 1").expect("one region");
    }

    #[test]
    fn mistakes_are_named_with_what_would_be_right() {
        assert!(problem("pth = 'aws'").contains("did you mean `path`?"));
        assert!(problem("").contains("`path` or `bucket` or `regions`"));
        assert!(problem("path = 3").contains("a text is needed"));
        assert!(problem("path = 'a'\nregions = ['eu-west-2']").contains("`path`"));
        assert!(problem("path = 'a'\nshare = 0.5").contains("`share`"));
        assert!(problem("regions = []").contains("empty"));
        assert!(problem("regions = ['eu-west-2', 'eu-west-2']").contains("twice"));
        assert!(problem("regions = ['eu-wset-2']").contains("eu-west-2"));
        assert!(problem("regions = ['eu-west-2']\nshare = 0").contains("share"));
        assert!(problem("regions = ['eu-west-2']\nshare = 1.5").contains("share"));
    }
}
