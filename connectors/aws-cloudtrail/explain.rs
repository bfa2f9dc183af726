//! What AWS says when it does not answer, in the words that every connector shares.
//!
//! Most of it is told by the error's code. The surprising fact: a refusal for too many requests may come as HTTP 400,
//! and a key of KMS that may not be used as S3's own "access denied"; only code and message tell.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudtrail::error::{ProvideErrorMetadata, SdkError};

use super::regions;
use crate::Error;
use crate::http::aws::CREDENTIALS_HELP;

/// What a failed request means for the next one.
pub(super) enum Failure {
    /// Too many requests.
    Refused(Error),
    /// May go away by itself.
    Passing(Error),
    /// Stays until somebody does something.
    Lasting(Error),
}

impl Failure {
    pub(super) fn into_error(self, attempts: u32) -> Error {
        match self {
            Self::Refused(Error::RateLimited { target, source, .. }) => Error::RateLimited { target, attempts, source },
            Self::Refused(error) | Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

/// Who is asked, for messages.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) target: String,
    pub(super) region: String,
    pub(super) role: Option<String>,
}

impl Context {
    pub(super) fn bad(&self, problem: String) -> Error {
        Error::BadResponse { target: self.target.clone(), problem, source: None }
    }

    pub(super) fn explain<E>(&self, permission: &str, error: SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let target = self.target.clone();
        let code = error.code().map(str::to_owned);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let said = said(&error, code.as_deref(), error.message());
        match (error, code) {
            (SdkError::ServiceError(_), Some(code)) => self.explain_code(permission, &code, status, said),
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => {
                let problem = format!("status {}", status.unwrap_or_default());
                let error = Error::BadResponse { target, problem, source: Some(said.into()) };
                if status.is_some_and(|status| status < 500) {
                    Failure::Lasting(error)
                } else {
                    Failure::Passing(error)
                }
            }
            (error, _) => self.explain_silence(&error, said),
        }
    }

    /// The service answered with an error.
    fn explain_code(&self, permission: &str, code: &str, status: Option<u16>, said: String) -> Failure {
        // AWS itself knows best which permission it looked for, and on what.
        let permission = permission_in(&said).unwrap_or_else(|| permission.to_owned());
        let (target, source) = (self.target.clone(), said.into());
        // Some protocols put the service's namespace or "Exception" around the word that counts.
        let word = code.rsplit(['#', '.']).next().unwrap_or(code).trim_end_matches("Exception");
        match word {
            "Throttling" | "ThrottledRequest" | "TooManyRequests" | "RequestLimitExceeded" | "SlowDown" => {
                Failure::Refused(Error::RateLimited { target, attempts: 0, source })
            }
            "AccessDenied" | "UnauthorizedOperation" | "OperationNotPermitted" | "NotAuthorized" => {
                Failure::Lasting(Error::Forbidden { target, permission, source })
            }
            "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "ExpiredToken"
            | "InvalidSignature"
            | "AuthFailure"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "RequestExpired"
            | "InvalidAccessKeyId"
            | "OptInRequired" => {
                let help = format!(
                    "{CREDENTIALS_HELP}; if other regions work, `{}` may not be enabled for the account",
                    self.region
                );
                Failure::Lasting(Error::Auth { target, help, source })
            }
            _ => {
                let error = Error::BadResponse { target, problem: format!("error {code}"), source: Some(source) };
                if status.is_some_and(|status| status >= 500) {
                    Failure::Passing(error)
                } else {
                    Failure::Lasting(error)
                }
            }
        }
    }

    /// There was no answer: no credentials, or nobody there.
    fn explain_silence(&self, error: &(dyn StdError + 'static), said: String) -> Failure {
        let target = self.target.clone();
        if causes(error).any(|cause| cause.downcast_ref::<CredentialsError>().is_some()) {
            return Failure::Lasting(match &self.role {
                Some(role) if said.contains("AccessDenied") => {
                    Error::Forbidden { target, permission: format!("sts:AssumeRole of {role}"), source: said.into() }
                }
                _ => Error::Auth { target, help: CREDENTIALS_HELP.into(), source: said.into() },
            });
        }
        let help = match regions::meant(&self.region) {
            Some(meant) => format!("`{}` is no known region: did you mean `{meant}`?", self.region),
            None => "check the network, and `endpoint_url` if the source has one".to_owned(),
        };
        Failure::Passing(Error::Unreachable { target, help, source: said.into() })
    }
}

/// The permission that a refusal names: `… is not authorized to perform: kms:Decrypt on resource: arn:… because …`.
fn permission_in(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("not authorized to perform: ")?;
    let word = |text: &str| text.split_whitespace().next().map(|word| word.trim_matches(['"', ',', '.']).to_owned());
    let action = word(rest).filter(|action| action.contains(':'))?;
    let resource = rest.split_once("on resource: ").and_then(|(_, rest)| word(rest));
    Some(resource.map_or_else(|| action.clone(), |resource| format!("{action} on {resource}")))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Code and message of the service, else the words of all causes, each once.
fn said(error: &(dyn StdError + 'static), code: Option<&str>, message: Option<&str>) -> String {
    if let Some(code) = code {
        return message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    }
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_that_aws_names_is_the_one_that_is_told() {
        let said = "AccessDenied: User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: kms:Decrypt on \
            resource: \"arn:aws:kms:eu-west-2:1:key/k\" because no identity-based policy allows the kms:Decrypt action";
        assert_eq!(permission_in(said).as_deref(), Some("kms:Decrypt on arn:aws:kms:eu-west-2:1:key/k"));
        let said = "AccessDenied: User: u is not authorized to perform: cloudtrail:LookupEvents because …";
        assert_eq!(permission_in(said).as_deref(), Some("cloudtrail:LookupEvents"));
        assert_eq!(permission_in("AccessDenied: Access Denied"), None);
        assert_eq!(permission_in("not authorized to perform: "), None);
    }
}
