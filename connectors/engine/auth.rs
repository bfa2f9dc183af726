//! How requests are allowed: what `[auth]` may say, checked, and made into credentials when a source is read.
//!
//! The surprising fact: every token is made or fetched here and goes into a request behind the check of its address, so
//! that no description can send one elsewhere.

mod jwt;
mod sigv4;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName};
use tokio::sync::Mutex;

use super::ask;
use super::stream::Request;
use super::tables::{self, AuthType, Place};
use super::template::{Encoding, Template, Values};
use crate::http::aws::Access;
use crate::http::azure::Chain;
use crate::http::{self, Authorise, Connection};
use crate::{Error, Spec};

pub use jwt::throwaway_rsa_key;

use jwt::Claims;
use sigv4::Signer;
use token::{Cached, ClientCredentials, JwtBearer, Session};

/// `[auth]`, checked.
#[derive(Debug, Clone)]
pub(super) enum Auth {
    None,
    /// A value in a header or in the query.
    Value {
        place: Place,
        name: String,
        prefix: String,
        value: Template,
    },
    Basic {
        username: Template,
        password: Template,
    },
    ClientCredentials {
        token_url: Template,
        client_id: Template,
        client_secret: Template,
        scope: Option<Template>,
        extra: Vec<(String, Template)>,
    },
    JwtHs256 {
        key: Template,
        claims: Vec<(String, Template)>,
    },
    JwtBearerRs256 {
        token_url: Template,
        key: Template,
        claims: Vec<(String, Template)>,
        scope: Option<Template>,
    },
    Session {
        login: Box<Request>,
        pointer: String,
        name: String,
        prefix: String,
    },
    Azure {
        scope: Template,
    },
    AwsSigv4 {
        service: Template,
        region: Template,
    },
}

/// Parts of an API key of GOV.UK Notify, which is NAME-SERVICE-SECRET, the last two of 36 characters each.
const NOTIFY: [&str; 2] = ["${secret.KEY:-36..}", "${secret.KEY:-73..-37}"];
/// Keys of `[auth]` that hold a secret.
const SECRET_KEYS: &[&str] = &["token", "value", "password", "client_secret", "key"];

/// What a key of `[auth]` is where nothing is said: the secret or parameter of the same name, else the only secret.
fn usual(spec: &Spec, key: &str) -> Option<String> {
    if spec.secrets.iter().any(|secret| secret == key) {
        return Some(format!("${{secret.{key}}}"));
    }
    if spec.params.contains_key(key) {
        return Some(format!("${{param.{key}}}"));
    }
    match spec.secrets.as_slice() {
        [only] if SECRET_KEYS.contains(&key) => Some(format!("${{secret.{only}}}")),
        _ => None,
    }
}

impl Auth {
    pub(super) fn check(spec: &Spec) -> Result<Self, String> {
        let table = &spec.auth;
        let text = |key: &str, value: &Option<String>| match value.clone().or_else(|| usual(spec, key)) {
            Some(text) => Template::parse(&text),
            None => Err(format!("type needs `{key}`")),
        };
        let optional = |value: &Option<String>| value.as_deref().map(Template::parse).transpose();
        let texts = |values: &BTreeMap<String, String>| {
            values
                .iter()
                .map(|(name, text)| Ok((name.clone(), Template::parse(text)?)))
                .collect::<Result<Vec<_>, String>>()
        };
        let name = || table.name.clone().unwrap_or_else(|| AUTHORIZATION.as_str().to_owned());
        let auth = match table.kind {
            AuthType::None => Self::None,
            AuthType::Bearer => {
                let (place, prefix, name) = (Place::Header, "Bearer ".to_owned(), AUTHORIZATION.as_str().to_owned());
                Self::Value { place, name, prefix, value: text("token", &table.token)? }
            }
            AuthType::ApiKey => {
                let place = table.place.ok_or("type needs `in`: header or query")?;
                if place == Place::Query && table.name.is_none() {
                    return Err("type needs `name`: the parameter of the query".into());
                }
                Self::Value {
                    place,
                    name: name(),
                    prefix: table.prefix.clone().unwrap_or_default(),
                    value: text("value", &table.value)?,
                }
            }
            AuthType::Basic => Self::Basic {
                username: text("username", &table.username)?,
                password: text("password", &table.password)?,
            },
            AuthType::Oauth2ClientCredentials => Self::ClientCredentials {
                token_url: text("token_url", &table.token_url)?,
                client_id: text("client_id", &table.client_id)?,
                client_secret: text("client_secret", &table.client_secret)?,
                scope: optional(&table.scope)?,
                extra: texts(Self::extra(table)?)?,
            },
            AuthType::JwtHs256 if table.key.is_none() && table.claims.is_empty() && spec.secrets.len() == 1 => {
                let [key, issuer] = NOTIFY.map(|part| Template::parse(&part.replace("KEY", &spec.secrets[0])));
                Self::JwtHs256 { key: key?, claims: vec![("iss".to_owned(), issuer?)] }
            }
            AuthType::JwtHs256 => Self::JwtHs256 { key: text("key", &table.key)?, claims: texts(&table.claims)? },
            AuthType::JwtBearerRs256 => Self::JwtBearerRs256 {
                token_url: text("token_url", &table.token_url)?,
                key: text("key", &table.key)?,
                claims: texts(&table.claims)?,
                scope: optional(&table.scope)?,
            },
            AuthType::Session => Self::session(table, name())?,
            AuthType::Azure => Self::Azure { scope: text("scope", &table.scope)? },
            AuthType::AwsSigv4 => {
                Self::AwsSigv4 { service: text("service", &table.service)?, region: text("region", &table.region)? }
            }
        };
        if let Self::Value { place: Place::Header, name, .. } | Self::Session { name, .. } = &auth {
            name.parse::<HeaderName>().map_err(|_| format!("`{name}` is no name of a header"))?;
        }
        Ok(auth)
    }

    /// What the form of a sign-in has besides what `[auth]` has keys for, which would stand there twice.
    fn extra(table: &tables::Auth) -> Result<&BTreeMap<String, String>, String> {
        match ["client_id", "client_secret", "scope"].into_iter().find(|name| table.extra.contains_key(*name)) {
            Some(name) => Err(format!(
                "extra: `{name}` is a key of its own, and would be sent twice: say {name} = \"…\" beside `extra`"
            )),
            None => Ok(&table.extra),
        }
    }

    fn session(table: &tables::Auth, name: String) -> Result<Self, String> {
        let login = table.login.as_ref().ok_or("type needs [auth.login]: the request that signs in")?;
        let pointer = table.pointer.clone().ok_or("type needs `pointer`: where the answer has the token")?;
        let login = Box::new(super::check::request(login).map_err(|problem| format!("login: {problem}"))?);
        Ok(Self::Session { login, pointer, name, prefix: table.prefix.clone().unwrap_or_else(|| "Bearer ".into()) })
    }

    pub(super) fn templates(&self) -> Vec<&Template> {
        match self {
            Self::None => Vec::new(),
            Self::Value { value, .. } => vec![value],
            Self::Basic { username, password } => vec![username, password],
            Self::ClientCredentials { token_url, client_id, client_secret, scope, extra } => {
                let fixed = [token_url, client_id, client_secret].into_iter().chain(scope);
                fixed.chain(extra.iter().map(|(_, text)| text)).collect()
            }
            Self::JwtHs256 { key, claims } => std::iter::once(key).chain(claims.iter().map(|(_, text)| text)).collect(),
            Self::JwtBearerRs256 { token_url, key, claims, scope } => {
                [token_url, key].into_iter().chain(scope).chain(claims.iter().map(|(_, text)| text)).collect()
            }
            Self::Session { login, .. } => login.templates(),
            Self::Azure { scope } => vec![scope],
            Self::AwsSigv4 { service, region } => vec![service, region],
        }
    }

    /// Another place than that of the requests, which tokens come from.
    pub(super) fn token_url(&self) -> Option<&Template> {
        match self {
            Self::ClientCredentials { token_url, .. } | Self::JwtBearerRs256 { token_url, .. } => Some(token_url),
            _ => None,
        }
    }

    /// Credentials for requests. `connection` has none itself: tokens are fetched over it.
    pub(super) fn authority(
        &self,
        values: &Values,
        connection: &Connection,
        clock: Clock,
    ) -> Result<Option<Arc<dyn Authorise>>, Error> {
        let text = |template: &Template| filled(template, values);
        let texts = |templates: &[(String, Template)]| {
            templates
                .iter()
                .map(|(name, template)| Ok((name.clone(), text(template)?)))
                .collect::<Result<Vec<_>, Error>>()
        };
        let bearer = || (AUTHORIZATION, "Bearer ".to_owned());
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::Value { place, name, prefix, value } => {
                let value = format!("{prefix}{}", text(value)?);
                Arc::new(Fixed { place: *place, name: name.clone(), value })
            }
            Self::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{}:{}", text(username)?, text(password)?));
                Arc::new(Fixed {
                    place: Place::Header,
                    name: AUTHORIZATION.as_str().into(),
                    value: format!("Basic {pair}"),
                })
            }
            Self::ClientCredentials { token_url, client_id, client_secret, scope, extra } => {
                let mut form = texts(extra)?;
                // Some have a grant of their own for the same thing, and refuse two.
                if !form.iter().any(|(name, _)| name == "grant_type") {
                    form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
                }
                form.extend(scope.as_ref().map(|scope| Ok::<_, Error>(("scope".into(), text(scope)?))).transpose()?);
                Arc::new(Cached::new(
                    ClientCredentials {
                        connection: connection.clone(),
                        token_url: url(token_url, values)?,
                        client: (text(client_id)?, text(client_secret)?),
                        form,
                    },
                    bearer(),
                ))
            }
            Self::JwtHs256 { key, claims } => {
                Arc::new(jwt::Hs256 { key: text(key)?, claims: Claims(texts(claims)?), clock })
            }
            Self::JwtBearerRs256 { token_url, key, claims, scope } => {
                let mut claims = texts(claims)?;
                claims.extend(scope.as_ref().map(|scope| Ok::<_, Error>(("scope".into(), text(scope)?))).transpose()?);
                let key = jwt::RsaKey::parse(&text(key)?)?;
                Arc::new(Cached::new(
                    JwtBearer {
                        connection: connection.clone(),
                        token_url: url(token_url, values)?,
                        key,
                        claims: Claims(claims),
                        clock,
                    },
                    bearer(),
                ))
            }
            Self::Session { login, pointer, name, prefix } => {
                let name = name.parse().unwrap_or(AUTHORIZATION);
                let session = Session {
                    connection: connection.clone(),
                    login: (**login).clone(),
                    pointer: pointer.clone(),
                    values: values.clone(),
                };
                Arc::new(Cached::new(session, (name, prefix.clone())))
            }
            Self::Azure { scope } => Arc::new(Chain::new(
                values.params.get("tenant_id").cloned(),
                text(scope)?.trim_end_matches("/.default"),
            )),
            Self::AwsSigv4 { service, region } => {
                let param = |name: &str| values.params.get(name).cloned();
                Arc::new(Signer {
                    access: Access { profile: param("profile"), endpoint_url: None },
                    role: param("role_arn"),
                    service: text(service)?,
                    region: text(region)?,
                    clock,
                    known: Mutex::default(),
                })
            }
        }))
    }
}

/// The time while a source is read: the run's, going on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    now: Timestamp,
    started: tokio::time::Instant,
}

impl Clock {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, started: tokio::time::Instant::now() }
    }

    fn now(&self) -> Timestamp {
        self.now + SignedDuration::try_from(self.started.elapsed()).unwrap_or_default()
    }
}

/// A value that stays.
struct Fixed {
    place: Place,
    name: String,
    value: String,
}

impl std::fmt::Debug for Fixed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Fixed {}", self.name)
    }
}

#[async_trait]
impl Authorise for Fixed {
    async fn authorise(&self, request: &mut reqwest::Request, _fresh: bool) -> Result<(), Error> {
        match self.place {
            Place::Query => {
                // A link may repeat it.
                ask::set(request.url_mut(), &self.name, &self.value);
                Ok(())
            }
            Place::Header => http::header(request, self.name.parse().unwrap_or(AUTHORIZATION), &self.value),
        }
    }

    fn clean(&self, address: &mut Url) {
        if self.place == Place::Query {
            ask::unset(address, &self.name);
        }
    }
}

fn filled(template: &Template, values: &Values) -> Result<String, Error> {
    let unusable = |problem: String| Error::Auth {
        target: "the system".into(),
        help: "check [auth] and what the source gives for it".into(),
        source: problem.into(),
    };
    template.fill(values, Encoding::Plain).map_err(&unusable)?.ok_or_else(|| unusable("a value is missing".into()))
}

fn url(template: &Template, values: &Values) -> Result<reqwest::Url, Error> {
    let text = filled(template, values)?;
    text.parse().map_err(|_| http::bad_response("the place of tokens", format!("`{text}` is no address")))
}
