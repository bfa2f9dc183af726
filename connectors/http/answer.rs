//! What an answer says besides its body: whether it is whole, where it leads, and in which words it refuses.

use reqwest::header::{CONTENT_LENGTH, HeaderMap, LOCATION, TRANSFER_ENCODING};
use reqwest::{Method, Response, StatusCode, Url, Version};

use super::Ask;
use crate::redact::scrub;

/// Bytes of an error's text that are shown.
const MAX_SAID: usize = 500;
/// Redirections of one request that are followed.
const MAX_REDIRECTS: usize = 5;

/// What stands before the body of a good answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The end of the body is told. Else a connection that broke looks as if the answer had been read whole.
    pub(crate) has_end: bool,
}

impl Head {
    /// Takes the headers out of the answer.
    pub(super) fn of(response: &mut Response) -> Self {
        let (status, version) = (response.status(), response.version());
        let headers = std::mem::take(response.headers_mut());
        let is_told = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        Self { status, headers, has_end: is_told || version >= Version::HTTP_2 }
    }
}

/// Where an answer sends the request on to, or why it does not get there.
pub(super) fn redirected(ask: &Ask<'_>, from: &Url, headers: &HeaderMap, count: usize) -> Result<Url, String> {
    let to = headers.get(LOCATION).ok_or("a redirection that names no address")?;
    let to = std::str::from_utf8(to.as_bytes()).map_err(|_| "a redirection to an address that is no UTF-8")?;
    // An address may hold secrets.
    let to = from.join(to).map_err(|error| format!("a redirection to what is no address: {error}"))?;
    if ask.method != Method::GET {
        return Err(format!("a redirection, which {} does not follow", ask.method));
    }
    if count > MAX_REDIRECTS {
        return Err(format!("more than {MAX_REDIRECTS} redirections"));
    }
    Ok(to)
}

/// Secrets that a request carries: a system may send them back in its error.
pub(super) fn credentials(headers: &HeaderMap) -> Vec<String> {
    let secret = headers.values().filter(|value| value.is_sensitive()).filter_map(|value| value.to_str().ok());
    let words = secret.filter_map(|value| value.split(' ').next_back()).filter(|word| word.len() >= 6);
    words.map(str::to_owned).collect()
}

/// Code and message of an error, whatever the case of their keys; else the beginning of the text. Secrets are replaced before
/// it is cut: a part of one is one too.
pub(super) fn said(body: &str, mask: impl Fn(&str) -> Option<String>) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let member = |value: &serde_json::Value, name: &str| {
        let found = value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let error = member(&value, "error").filter(serde_json::Value::is_object).unwrap_or_else(|| value.clone());
    let text = |name: &str| member(&error, name).and_then(|value| value.as_str().map(str::to_owned));
    let words: Vec<String> = [text("code"), text("message")].into_iter().flatten().collect();
    let words = if words.is_empty() { body.to_owned() } else { words.join(": ") };
    let words = scrub(&mask(&words).unwrap_or(words));
    let words = if words.trim().is_empty() { "no explanation".to_owned() } else { words };
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> String {
        super::said(body, |text| text.contains("é-secret").then(|| text.replace("é-secret", "***")))
    }

    #[test]
    fn an_error_is_told_in_the_words_of_the_system() {
        let arm = r#"{"error":{"code":"AuthorizationFailed","message":"may not"}}"#;
        assert_eq!(said(arm), "AuthorizationFailed: may not");
        let old = r#"{"Code":"BadRequest","Message":"The start time cannot be more than 90 days in the past."}"#;
        assert!(said(old).starts_with("BadRequest: The start time"));
        assert_eq!(said("<html>\n\x1b[2J"), "<html>  [2J");
        assert_eq!(said(" "), "no explanation");
        assert_eq!(said(&"é".repeat(9_000)).chars().count(), MAX_SAID);
        assert_eq!(said("[[1]]"), "[[1]]");
        let cut = said(&format!("{}é-secret", "x".repeat(MAX_SAID - 3)));
        assert!(cut.ends_with("x***"), "{cut}");
        let echo = said(r#"{"record":{"id":1,"password":"HUSH","note":"client_secret=HUSH&x=1"}}"#);
        assert!(!echo.contains("HUSH") && echo.contains("\"id\":1"), "{echo}");
    }
}
