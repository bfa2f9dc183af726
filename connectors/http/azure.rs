//! Tokens for Azure Resource Manager, from wherever this machine gets them.
//!
//! What the environment names is used and nothing else: a federated token file (workload identity), then a client
//! secret, then a client certificate. Where it names nothing, the machine's managed identity is tried, then the Azure
//! CLI. What worked is kept, and keeps its token until that runs out. The surprising fact: a token that was refused has to be asked for anew with a
//! credential made anew, since credentials do not let go of a token that still looks good to them.

mod certificate;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential, ClientSecretCredential,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use tokio::sync::Mutex;

use super::Authorise;
use crate::Error;

use certificate::Certificate;

/// Where a machine has no managed identity, nobody answers.
const SILENCE: Duration = Duration::from_secs(10);
/// The Azure CLI takes its time to start, and a token service may want to be asked twice.
const PATIENCE: Duration = Duration::from_mins(1);

const HELP: &str = "sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or \
                    AZURE_CLIENT_CERTIFICATE_PATH, or AZURE_FEDERATED_TOKEN_FILE), or give the machine a managed identity";

/// Who hands out tokens.
#[async_trait]
pub(crate) trait Tokens: std::fmt::Debug + Send + Sync {
    /// A token; `fresh` if the last one was refused.
    async fn token(&self, fresh: bool) -> Result<Secret, Error>;
}

#[async_trait]
impl<T: Tokens> Authorise for T {
    async fn authorise(&self, request: &mut reqwest::Request, fresh: bool) -> Result<(), Error> {
        let token = self.token(fresh).await?;
        super::bearer(request, token.secret())
    }
}

/// The credentials of this machine.
#[derive(Debug)]
pub(crate) struct Chain {
    tenant: Option<String>,
    scope: String,
    chosen: Mutex<Option<Arc<dyn TokenCredential>>>,
}

type Made = azure_core::Result<Arc<dyn TokenCredential>>;

impl Chain {
    /// Tokens for the system at `endpoint` (its scheme and host), in a tenant if one is named.
    pub(crate) fn new(tenant: Option<String>, endpoint: &str) -> Self {
        Self { tenant, scope: format!("{}/.default", endpoint.trim_end_matches('/')), chosen: Mutex::new(None) }
    }

    /// What there is to try, with its name and how long to wait for it.
    fn candidates(&self) -> Vec<(&'static str, Duration, Made)> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let tenant = || self.tenant.clone().or_else(|| variable("AZURE_TENANT_ID"));
        if variable("AZURE_FEDERATED_TOKEN_FILE").is_some() {
            let options = WorkloadIdentityCredentialOptions { tenant_id: tenant(), ..Default::default() };
            return vec![("workload identity", PATIENCE, made(WorkloadIdentityCredential::new(Some(options))))];
        }
        if let Some(secret) = variable("AZURE_CLIENT_SECRET") {
            let (tenant, client) = (tenant().unwrap_or_default(), variable("AZURE_CLIENT_ID").unwrap_or_default());
            let credential = ClientSecretCredential::new(&tenant, client, Secret::new(secret), None);
            return vec![("client secret", PATIENCE, made(credential))];
        }
        if let Some(path) = variable("AZURE_CLIENT_CERTIFICATE_PATH") {
            let (tenant, client) = (tenant().unwrap_or_default(), variable("AZURE_CLIENT_ID").unwrap_or_default());
            let authority =
                variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| "https://login.microsoftonline.com".into());
            let audience = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            let credential = Certificate::read(path.as_ref(), &client, audience)
                .map_err(|problem| azure_core::Error::with_message(ErrorKind::Credential, problem))
                .and_then(|certificate| ClientAssertionCredential::new(tenant, client, certificate, None));
            return vec![("client certificate", PATIENCE, made(credential))];
        }
        let assigned = variable("AZURE_CLIENT_ID").map(UserAssignedId::ClientId);
        let options = ManagedIdentityCredentialOptions { user_assigned_id: assigned, ..Default::default() };
        let managed = ManagedIdentityCredential::new(Some(options));
        let options = AzureCliCredentialOptions { tenant_id: self.tenant.clone(), ..Default::default() };
        let cli = AzureCliCredential::new(Some(options));
        vec![("managed identity", SILENCE, made(managed)), ("Azure CLI", PATIENCE, made(cli))]
    }

    async fn ask(&self, credential: &dyn TokenCredential) -> azure_core::Result<Secret> {
        Ok(credential.get_token(&[&self.scope], None).await?.token)
    }
}

fn made<T: TokenCredential + 'static>(credential: azure_core::Result<Arc<T>>) -> Made {
    credential.map(|credential| credential as Arc<dyn TokenCredential>)
}

#[async_trait]
impl Tokens for Chain {
    async fn token(&self, fresh: bool) -> Result<Secret, Error> {
        let mut chosen = self.chosen.lock().await;
        if fresh {
            *chosen = None;
        }
        let mut problems = Vec::new();
        if let Some(credential) = chosen.as_ref() {
            match self.ask(credential.as_ref()).await {
                Ok(token) => return Ok(token),
                Err(error) => problems.push(error.to_string()),
            }
        }
        for (name, patience, candidate) in self.candidates() {
            let asked = async {
                let credential = candidate?;
                Ok::<_, azure_core::Error>((self.ask(credential.as_ref()).await?, credential))
            };
            match tokio::time::timeout(patience, asked).await {
                Ok(Ok((token, credential))) => {
                    tracing::debug!(credential = name, "signed in to Azure");
                    *chosen = Some(credential);
                    return Ok(token);
                }
                Ok(Err(error)) => problems.push(format!("{name}: {error}")),
                Err(_) => problems.push(format!("{name}: no answer")),
            }
        }
        let source = problems.join("; ").into();
        Err(Error::Auth { target: "Azure Resource Manager".into(), help: HELP.into(), source })
    }
}
