//! Credentials for AWS, from wherever this machine gets them: the SDK's default chain, then a role if a source names one.

use aws_config::meta::region::RegionProviderChain;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::ConfigError;
use crate::params::Params;

/// What to do where there are no credentials, or none that are accepted.
pub(crate) const CREDENTIALS_HELP: &str = "give credentials the way the AWS tools take them: `profile` or AWS_PROFILE, \
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, `aws sso login`, or the machine's role; \
    `aws sts get-caller-identity` shows whether they work";

/// How to get in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) profile: Option<String>,
    pub(crate) endpoint_url: Option<String>,
}

impl Access {
    pub(crate) fn configure(params: &Params<'_>) -> Result<Self, ConfigError> {
        let access = Self { profile: params.string("profile")?, endpoint_url: params.string("endpoint_url")? };
        if access.endpoint_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(params.bad("endpoint_url", "it must start with http:// or https://"));
        }
        Ok(access)
    }

    /// The configuration of the SDK, in the region that the environment names, if it names one.
    pub(crate) async fn load_anywhere(&self) -> SdkConfig {
        let fallback = RegionProviderChain::default_provider().or_else("us-east-1");
        self.loader().region(fallback).load().await
    }

    /// The configuration of the SDK, from its default chain.
    pub(crate) async fn load(&self, region: &str) -> SdkConfig {
        self.loader().region(Region::new(region.to_owned())).load().await
    }

    fn loader(&self) -> ConfigLoader {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Ok(name) = AppName::new("changetrail") {
            loader = loader.app_name(name);
        }
        loader
    }
}

/// The same configuration, as a role.
pub(crate) async fn with_role(config: SdkConfig, role: &str) -> SdkConfig {
    let provider = AssumeRoleProvider::builder(role).session_name("changetrail").configure(&config);
    let provider = SharedCredentialsProvider::new(provider.build().await);
    config.into_builder().credentials_provider(provider).build()
}
