//! Requests signed with AWS credentials (Signature Version 4).
//!
//! Credentials are kept until shortly before they run out. The surprising fact: a signature covers the body and the time,
//! so a request that is asked for again is signed again.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tokio::sync::Mutex;

use super::Clock;
use crate::Error;
use crate::error::Cause;
use crate::http::aws::{Access, CREDENTIALS_HELP, with_role};
use crate::http::{self, Authorise};

/// Credentials that run out sooner than this are not used any more.
const NEARLY_OUT: Duration = Duration::from_mins(5);

/// Signs requests to one service in one region.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) access: Access,
    /// A role to take first.
    pub(super) role: Option<String>,
    pub(super) service: String,
    pub(super) region: String,
    pub(super) clock: Clock,
    pub(super) known: Mutex<Option<Credentials>>,
}

impl Signer {
    async fn credentials(&self, fresh: bool) -> Result<Credentials, Error> {
        let mut known = self.known.lock().await;
        let soon = self.now() + NEARLY_OUT;
        let lasts = |credentials: &&Credentials| credentials.expiry().is_none_or(|expiry| expiry > soon);
        if let Some(credentials) = known.as_ref().filter(|_| !fresh).filter(lasts) {
            return Ok(credentials.clone());
        }
        let mut config = self.access.load(&self.region).await;
        if let Some(role) = &self.role {
            config = with_role(config, role).await;
        }
        let provider = config.credentials_provider().ok_or_else(|| self.failed("there are none".into()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| self.failed(error.into()))?;
        *known = Some(credentials.clone());
        Ok(credentials)
    }

    fn now(&self) -> SystemTime {
        self.clock.now().into()
    }

    fn failed(&self, source: Cause) -> Error {
        let target = match &self.role {
            Some(role) => format!("AWS as {role}"),
            None => "AWS".to_owned(),
        };
        Error::Auth { target, help: CREDENTIALS_HELP.into(), source }
    }
}

#[async_trait]
impl Authorise for Signer {
    async fn authorise(&self, request: &mut reqwest::Request, fresh: bool) -> Result<(), Error> {
        let identity = self.credentials(fresh).await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| self.failed(error.into()))?
            .into();
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable =
            SignableRequest::new(request.method().as_str(), request.url().as_str(), headers, SignableBody::Bytes(body));
        let signed = signable.and_then(|request| sign(request, &params)).map_err(|error| self.failed(error.into()))?;
        let (headers, _) = signed.into_parts().0.into_parts();
        for header in headers {
            let name = header.name().parse().map_err(|_| self.failed("a header without a name".into()))?;
            http::header(request, name, header.value())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request of the signature test suite (`post-x-www-form-urlencoded` without its length) would need its clock; what
    /// matters here is that what is signed is what is sent.
    #[tokio::test]
    async fn the_signature_covers_target_body_and_session() {
        let signer = |secret: &str| Signer {
            access: Access::default(),
            role: None,
            service: "codepipeline".into(),
            region: "eu-west-2".into(),
            clock: Clock::at("2026-11-01T10:00:00Z".parse().expect("a time")),
            known: Mutex::new(Some(Credentials::new("AKIDEXAMPLE", secret, Some("session".into()), None, "test"))),
        };
        let asked = async |secret: &str, target: &str, body: &str| {
            let url = "https://codepipeline.eu-west-2.amazonaws.com/".parse().expect("an address");
            let mut request = reqwest::Request::new(reqwest::Method::POST, url);
            request.headers_mut().insert("x-amz-target", target.parse().expect("a value"));
            *request.body_mut() = Some(body.to_owned().into());
            signer(secret).authorise(&mut request, false).await.expect("credentials");
            request
        };
        let one = asked("secret", "CodePipeline_20150709.ListPipelines", "{}").await;
        let header = |request: &reqwest::Request, name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let authorization = header(&one, "authorization");
        let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261101/eu-west-2/codepipeline/aws4_request, ";
        assert!(authorization.starts_with(scope), "{authorization}");
        assert!(authorization.contains("host;x-amz-date;x-amz-security-token;x-amz-target"), "{authorization}");
        assert_eq!(header(&one, "x-amz-security-token"), "session");
        assert!(one.headers()["authorization"].is_sensitive() && one.headers()["x-amz-security-token"].is_sensitive());
        for (secret, target, body) in [
            ("other", "CodePipeline_20150709.ListPipelines", "{}"),
            ("secret", "CodePipeline_20150709.GetPipeline", "{}"),
            ("secret", "CodePipeline_20150709.ListPipelines", "{\"nextToken\":\"x\"}"),
        ] {
            assert_ne!(header(&asked(secret, target, body).await, "authorization"), authorization);
        }
    }
}
