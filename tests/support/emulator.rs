//! An AWS that runs on this machine for one test.

use std::net::TcpListener;
use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};

use super::{Place, checkout, skip};

/// The emulator; it stops when this goes, whatever the test came to.
pub(crate) struct Emulator {
    pub(crate) place: Place,
    port: String,
}

impl Emulator {
    /// `None` where it cannot be installed.
    pub(crate) fn start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port().to_string();
        drop(free);
        let emulator = Self { place: Place::empty(), port };
        let started = emulator.script("start").output().expect("bash runs");
        if started.status.success() {
            return Some(emulator);
        }
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        // What is there and does not start is broken; what cannot be had is skipped.
        assert!(!checkout("localstack/.venv/bin/ministack").exists(), "{said}");
        skip("the emulator", &said);
        None
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its S3, with the credentials of the program's own runs: a bucket belongs to whoever makes it.
    pub(crate) fn s3(&self) -> Client {
        let settings = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .credentials_provider(Credentials::new("AKIAEXAMPLE", "no secret", None, None, "test"))
            .endpoint_url(self.url())
            .force_path_style(true)
            .build();
        Client::from_conf(settings)
    }

    /// Its SQS.
    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        let settings = aws_sdk_sqs::config::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .credentials_provider(Credentials::new("AKIAEXAMPLE", "no secret", None, None, "test"))
            .endpoint_url(self.url())
            .build();
        aws_sdk_sqs::Client::from_conf(settings)
    }

    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(checkout("localstack").join(name));
        command.env("CHANGETRAIL_AWS_PORT", &self.port).env("CHANGETRAIL_AWS_STATE", self.place.path(""));
        command
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Best effort: a test that failed has said why.
        let _ = self.script("stop").output();
    }
}
