//! Signs in with a client certificate: a short statement about oneself, signed with the certificate's key.
//!
//! The surprising fact: `azure_identity` can do this too, but only with OpenSSL, which nothing else here needs. So the
//! statement is made here, with the cryptography that TLS uses, and `azure_identity` sends it.
//!
//! <https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials>

use std::path::Path;

use async_trait::async_trait;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::files::hex;

/// Seconds for which a statement holds: long enough for a clock that is a little off.
const LIFETIME: i64 = 600;

/// A certificate with its key.
pub(super) struct Certificate {
    key: KeyPair,
    thumbprint: String,
    client: String,
    /// Who is to read the statement: the address that hands out tokens.
    audience: String,
}

impl Certificate {
    /// Reads a PEM file with a certificate and its RSA key, not encrypted.
    pub(super) fn read(path: &Path, client: &str, audience: String) -> Result<Self, String> {
        let pem = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Self::parse(&pem, client, audience).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(pem: &[u8], client: &str, audience: String) -> Result<Self, String> {
        // The first is the client's own, others are who vouches for it.
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|error| {
            format!("no certificate: {error}; a PEM file with certificate and key is needed (`openssl pkcs12 -nodes` makes one of a .pfx)")
        })?;
        let key =
            PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("no key that is not encrypted: {error}"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err("its key is not an RSA key".into()),
        };
        let key = key.map_err(|error| format!("its key is not an RSA key: {error}"))?;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate));
        Ok(Self { key, thumbprint, client: client.to_owned(), audience })
    }

    /// The statement, signed at `now`.
    fn statement(&self, now: Timestamp) -> Result<String, aws_lc_rs::error::Unspecified> {
        let mut number = [0; 16];
        rand::fill(&mut number)?;
        let now = now.as_second();
        let head = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": self.audience, "iss": self.client, "sub": self.client,
            "jti": hex(&number), "nbf": now, "exp": now + LIFETIME,
        });
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&head), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)?;
        Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificate").field("client", &self.client).finish_non_exhaustive()
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    // A statement is about a moment: the one connector that looks at the clock.
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let told = |_| azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, "it cannot be signed");
        self.statement(Timestamp::now()).map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    }

    fn parsed(pem: &str) -> Result<Certificate, String> {
        Certificate::parse(pem.as_bytes(), "app", "https://login.example.org/t/oauth2/v2.0/token".into())
    }

    #[test]
    fn the_statement_is_signed_with_the_key_and_names_the_certificate() {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = key.as_der().expect("an encoding");
        let text = format!("Bag Attributes\n{}{}", pem("PRIVATE KEY", der.as_ref()), pem("CERTIFICATE", b"own"));
        let certificate = parsed(&(text + &pem("CERTIFICATE", b"issuer"))).expect("a certificate");
        let now: Timestamp = "2026-10-01T12:00:00Z".parse().expect("a time");
        let statement = certificate.statement(now).expect("a signature");
        let parts: Vec<&str> = statement.split('.').collect();
        let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64");
        let json = |part: &str| serde_json::from_slice::<serde_json::Value>(&decoded(part)).expect("JSON");
        assert_eq!(json(parts[0])["x5t#S256"], BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(b"own")));
        let claims = json(parts[1]);
        assert_eq!((&claims["sub"], &claims["nbf"]), (&json!("app"), &json!(now.as_second())));
        assert_eq!(claims["aud"], "https://login.example.org/t/oauth2/v2.0/token");
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("an encoding");
        let signed = format!("{}.{}", parts[0], parts[1]);
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public.as_ref())
            .verify(signed.as_bytes(), &decoded(parts[2]))
            .expect("the key's own signature");
        let again = certificate.statement(now).expect("a signature");
        assert_ne!(json(parts[1])["jti"], json(again.split('.').nth(1).expect("claims"))["jti"]);
        assert!(!format!("{certificate:?}").contains("key"));
    }

    #[test]
    fn what_is_no_certificate_with_a_key_is_told() {
        let certificate = pem("CERTIFICATE", b"own");
        let problem = |text: &str| parsed(text).expect_err("no certificate");
        assert!(problem("").contains("no certificate"));
        assert!(problem("\u{0}\u{1}PFX").contains("PEM file"));
        assert!(problem(&certificate).contains("not encrypted"));
        assert!(problem(&(certificate.clone() + &pem("ENCRYPTED PRIVATE KEY", b"x"))).contains("not encrypted"));
        assert!(problem(&(certificate.clone() + &pem("PRIVATE KEY", b"x"))).contains("RSA"));
        assert!(problem(&(certificate + &pem("EC PRIVATE KEY", b"x"))).contains("RSA"));
    }
}
