//! Tokens that are signed here: HMAC for a system that shares a secret, RSA for one that knows a public key.

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::Clock;
use crate::Error;
use crate::http::{self, Authorise};

/// Seconds for which an assertion holds; some systems allow three minutes and no more.
const HOLDS: i64 = 170;

/// What a token says, besides when it was made.
#[derive(Debug, Clone)]
pub(super) struct Claims(pub(super) Vec<(String, String)>);

impl Claims {
    /// Header and claims, as they are signed.
    fn unsigned(&self, algorithm: &str, now: Timestamp, expires: bool) -> String {
        let mut claims = serde_json::Map::new();
        claims.insert("iat".into(), now.as_second().into());
        if expires {
            claims.insert("exp".into(), (now.as_second() + HOLDS).into());
        }
        for (name, text) in &self.0 {
            claims.insert(name.clone(), text.clone().into());
        }
        let header = serde_json::json!({"alg": algorithm, "typ": "JWT"}).to_string();
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(serde_json::Value::from(claims).to_string())
        )
    }
}

/// Signs a token for every request: they hold for seconds only.
pub(super) struct Hs256 {
    pub(super) key: String,
    pub(super) claims: Claims,
    pub(super) clock: Clock,
}

impl std::fmt::Debug for Hs256 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hs256")
    }
}

impl Hs256 {
    fn sign(&self, now: Timestamp) -> String {
        let unsigned = self.claims.unsigned("HS256", now, false);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).expect("a key of any length will do");
        mac.update(unsigned.as_bytes());
        format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

#[async_trait]
impl Authorise for Hs256 {
    async fn authorise(&self, request: &mut reqwest::Request, _fresh: bool) -> Result<(), Error> {
        http::bearer(request, &self.sign(self.clock.now()))
    }
}

/// A key that signs and opens nothing: for tests of connector folders.
///
/// # Panics
/// The machine has no randomness.
#[must_use]
pub fn throwaway_rsa_key() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a machine with randomness");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key that was just made");
    let lines: Vec<String> = STANDARD
        .encode(der.as_ref())
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", lines.join("\n"))
}

/// A private key.
pub(super) struct RsaKey(KeyPair);

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RsaKey")
    }
}

impl RsaKey {
    /// Reads PEM: `BEGIN PRIVATE KEY` or `BEGIN RSA PRIVATE KEY`.
    pub(super) fn parse(pem: &str) -> Result<Self, Error> {
        let unusable = |problem: &str| Error::Auth {
            target: "the system".into(),
            help: "the key must be an RSA private key in PEM, without a passphrase".into(),
            source: problem.into(),
        };
        let inside: String = pem
            .lines()
            .map(str::trim)
            .skip_while(|line| !line.starts_with("-----BEGIN"))
            .skip(1)
            .take_while(|line| !line.starts_with("-----"))
            .collect();
        let der = STANDARD.decode(inside).map_err(|_| unusable("the key is no PEM"))?;
        let pair = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der));
        pair.map(Self).map_err(|_| unusable("the key is no RSA private key"))
    }

    /// A signed assertion.
    pub(super) fn assert(&self, claims: &Claims, clock: Clock) -> Result<String, Error> {
        let unsigned = claims.unsigned("RS256", clock.now(), true);
        let mut signature = vec![0; self.0.public_modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), unsigned.as_bytes(), &mut signature);
        signed.map_err(|_| Error::Auth {
            target: "the system".into(),
            help: String::new(),
            source: "the key does not sign".into(),
        })?;
        Ok(format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_others_make_of_the_same() {
        // Made by another implementation (Python, hmac and base64).
        let claims = Claims(vec![("iss".into(), "service".into())]);
        let clock = Clock::at("2026-11-01T10:00:00Z".parse().expect("a time"));
        let token = Hs256 { key: "secret".into(), claims, clock }.sign("2026-11-01T10:00:00Z".parse().expect("a time"));
        let parts: Vec<&str> = token.split('.').collect();
        let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("UTF-8");
        assert_eq!(decoded(parts[0]), r#"{"alg":"HS256","typ":"JWT"}"#);
        assert_eq!(decoded(parts[1]), r#"{"iat":1793527200,"iss":"service"}"#);
        assert_eq!(parts[2], "d2CJ9VdLCVtruyFQfp5J5z8yPbR8EOMaq9B78cWYj0c");
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_repeated() {
        for bad in [
            "",
            "s3cret",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----",
        ] {
            let error = RsaKey::parse(bad).expect_err("no key");
            assert!(!format!("{error:?}").contains("s3cret"));
        }
    }
}
