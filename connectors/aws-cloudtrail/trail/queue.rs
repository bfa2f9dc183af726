//! Notifications: which objects have come, without listing for them.
//!
//! Messages are taken in rounds. What a round names is fetched, and only when the store has committed it are its
//! messages deleted; killed in between, they come back. The surprising fact: a queue is no promise. Notifications get
//! lost where a queue's policy is wrong for an hour, so the folders are still listed once a day.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html>

use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};

use super::super::explain::Context;
use super::notice::{self, Named, Notice};
use crate::Error;

/// Messages of one round: few enough to hold, many enough that a commit is worth it.
const ROUND: usize = 500;
/// Messages of one request: the API's limit.
const BATCH: i32 = 10;
/// Seconds for which nobody else gets a message that was taken: longer than a round lasts.
const HIDDEN: i32 = 1_800;
/// How often a request is made before it has failed: the SDK's own.
const ATTEMPTS: u32 = 3;

/// One queue.
#[derive(Debug)]
pub(super) struct Queue {
    client: Client,
    pub(super) url: String,
    context: Context,
}

/// The messages of a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What those that were understood name.
    pub(super) messages: Vec<Understood>,
    /// How many were not understood; they stay in the queue.
    pub(super) unknown: usize,
    /// Whether there was nothing left.
    pub(super) last: bool,
}

#[derive(Debug)]
pub(super) struct Understood {
    /// What deletes it.
    receipt: String,
    pub(super) objects: Vec<Named>,
}

impl Queue {
    pub(super) fn new(url: &str, config: &SdkConfig) -> Self {
        // https://sqs.REGION.amazonaws.com/ACCOUNT/NAME; an emulator's says nothing of regions.
        let host = url.split('/').nth(2).unwrap_or_default();
        let told = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next()).map(str::to_owned);
        let region = told.or_else(|| config.region().map(ToString::to_string)).unwrap_or_else(|| "us-east-1".into());
        let settings = aws_sdk_sqs::config::Builder::from(config).region(Region::new(region.clone())).build();
        let context = Context { target: format!("the queue {url}"), region, role: None };
        Self { client: Client::from_conf(settings), url: url.to_owned(), context }
    }

    /// Takes messages until there are enough for a round, or none left.
    pub(super) async fn round(&self) -> Result<Round, Error> {
        let mut round = Round::default();
        while round.messages.len() < ROUND && !round.last {
            let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(BATCH);
            let answer = request.visibility_timeout(HIDDEN).wait_time_seconds(1).send().await;
            let messages = answer.map_err(|error| self.failed("sqs:ReceiveMessage", error))?.messages;
            let messages = messages.unwrap_or_default();
            round.last = messages.is_empty();
            for message in messages {
                round.take(message);
            }
        }
        Ok(round)
    }

    /// Deletes messages whose objects are in the store.
    pub(super) async fn delete(&self, messages: Vec<Understood>) -> Result<(), Error> {
        for chunk in messages.chunks(10) {
            let mut request = self.client.delete_message_batch().queue_url(&self.url);
            for (number, message) in chunk.iter().enumerate() {
                let entry =
                    DeleteMessageBatchRequestEntry::builder().id(number.to_string()).receipt_handle(&message.receipt);
                request = request.entries(entry.build().map_err(|error| self.context.bad(error.to_string()))?);
            }
            let answer = request.send().await.map_err(|error| self.failed("sqs:DeleteMessage", error))?;
            if let Some(failed) = answer.failed.first() {
                // It comes again, is found to be in the store, and is deleted then.
                tracing::warn!(queue = %self.url, code = %failed.code, "a message was not deleted and will come again");
            }
        }
        Ok(())
    }

    fn failed<E>(&self, permission: &str, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.context.explain(permission, error).into_error(ATTEMPTS)
    }
}

impl Round {
    fn take(&mut self, message: Message) {
        let understood = match notice::parse(message.body.as_deref().unwrap_or_default()) {
            Notice::Objects(objects) => message.receipt_handle.map(|receipt| Understood { receipt, objects }),
            Notice::Unknown => None,
        };
        match understood {
            Some(understood) => self.messages.push(understood),
            None => self.unknown += 1,
        }
    }
}
