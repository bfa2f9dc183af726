//! Where requests may go: the places that a source names, whatever a page or a redirection says.

use reqwest::Url;

/// Scheme, host and port.
type Place = (String, String, Option<u16>);

/// Every place that may be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<Place>);

impl Hosts {
    /// Adds the place of an address, which must be encrypted unless it is on this machine.
    pub(crate) fn allow(&mut self, url: &Url) -> Result<(), String> {
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("`{url}` names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address must not hold credentials".into());
        }
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local(url)) {
            return Err(format!("`{url}` must start with https://, or a secret would be sent in clear"));
        }
        let place = place(url);
        if !self.0.contains(&place) {
            self.0.push(place);
        }
        Ok(())
    }

    /// Says why an address must not be asked.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        if self.0.contains(&place(url)) && url.username().is_empty() && url.password().is_none() {
            return Ok(());
        }
        let known: Vec<String> = self.0.iter().map(told).collect();
        Err(format!("it leads to {}, not to {}: no token is sent there", told(&place(url)), known.join(" or ")))
    }
}

/// A place as it is written.
fn told((scheme, host, port): &Place) -> String {
    let port = port.filter(|port| !matches!((scheme.as_str(), port), ("https", 443) | ("http", 80)));
    format!("{scheme}://{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default())
}

fn place(url: &Url) -> Place {
    (url.scheme().to_owned(), url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default())
}

/// Whether an address is on this machine: only there may it go without encryption.
pub(crate) fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("an address")
    }

    #[test]
    fn only_named_places_are_asked() {
        let mut hosts = Hosts::default();
        hosts.allow(&url("https://api.example.org/v1")).expect("a good place");
        hosts.check(&url("https://API.example.org:443/v2?x=1")).expect("the same place");
        for other in [
            "http://api.example.org/",
            "https://api.example.org.evil.example/",
            "https://api.example.org:8443/",
            "https://evil.example/api.example.org",
            "https://user@api.example.org/",
            "https://api.example.org@evil.example/",
        ] {
            assert!(hosts.check(&url(other)).is_err(), "{other}");
        }
        let problem = hosts.check(&url("https://api.example.org:8443/")).expect_err("another port");
        assert!(
            problem.starts_with("it leads to https://api.example.org:8443, not to https://api.example.org:"),
            "{problem}"
        );
    }

    #[test]
    fn encryption_is_left_out_on_this_machine_only() {
        let mut hosts = Hosts::default();
        for good in ["http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1/"] {
            hosts.allow(&url(good)).expect(good);
        }
        for bad in ["http://example.org", "http://127.0.0.1.example.org", "ftp://127.0.0.1/", "https://a:b@example.org"]
        {
            hosts.allow(&url(bad)).expect_err(bad);
        }
    }
}
