//! What a message of the queue says: which objects have come.
//!
//! S3 writes to the queue itself, or through SNS, or through `EventBridge`, and CloudTrail can announce its files through
//! SNS on its own. The surprising fact: S3's own form spells keys as web addresses do (`+` for a space), the others
//! spell them as they are.

use serde::Deserialize;

/// What a message comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Objects that have come; none where it is about something else that S3 says.
    Objects(Vec<Named>),
    /// Not understood.
    Unknown,
}

/// An object as a message names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) bucket: String,
    pub(super) key: String,
    /// Etag and size; CloudTrail does not say them.
    pub(super) known: Option<(String, u64)>,
}

/// The forms, told apart by what they must have.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    S3 {
        #[serde(rename = "Records")]
        records: Vec<Entry>,
    },
    EventBridge {
        #[serde(rename = "detail-type")]
        detail_type: String,
        detail: Place,
    },
    CloudTrail {
        #[serde(rename = "s3Bucket")]
        bucket: String,
        #[serde(rename = "s3ObjectKey")]
        keys: Vec<String>,
    },
    Test {
        #[serde(rename = "Event")]
        event: String,
    },
    Sns {
        #[serde(rename = "Message")]
        message: String,
    },
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "eventName")]
    name: String,
    s3: Place,
}

#[derive(Deserialize)]
struct Place {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, alias = "eTag")]
    etag: Option<String>,
}

impl Place {
    fn named(self, key: String) -> Named {
        Named { bucket: self.bucket.name, key, known: self.object.etag.zip(self.object.size) }
    }
}

/// Reads the body of a message.
pub(super) fn parse(body: &str) -> Notice {
    unwrapped(body, true)
}

fn unwrapped(body: &str, may_be_wrapped: bool) -> Notice {
    let Ok(form) = serde_json::from_str::<Form>(body) else { return Notice::Unknown };
    let objects = match form {
        Form::S3 { records } => {
            let created = records.into_iter().filter(|entry| entry.name.starts_with("ObjectCreated"));
            created
                .map(|entry| {
                    let key = decoded(&entry.s3.object.key);
                    entry.s3.named(key)
                })
                .collect()
        }
        Form::EventBridge { detail_type, detail } if detail_type == "Object Created" => {
            let key = detail.object.key.clone();
            vec![detail.named(key)]
        }
        Form::EventBridge { detail_type, .. } if detail_type.starts_with("Object ") => Vec::new(),
        Form::CloudTrail { bucket, keys } => {
            keys.into_iter().map(|key| Named { bucket: bucket.clone(), key, known: None }).collect()
        }
        Form::Test { event } if event == "s3:TestEvent" => Vec::new(),
        Form::Sns { message } if may_be_wrapped => return unwrapped(&message, false),
        Form::EventBridge { .. } | Form::Test { .. } | Form::Sns { .. } => return Notice::Unknown,
    };
    Notice::Objects(objects)
}

/// A key as web addresses spell it.
fn decoded(key: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(key.len()), key.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (first, others.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            (first, _) => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(key: &str, known: Option<(&str, u64)>) -> Named {
        let known = known.map(|(etag, size)| (etag.to_owned(), size));
        Named { bucket: "trail".into(), key: key.into(), known }
    }

    fn s3(name: &str, key: &str) -> serde_json::Value {
        json!({"Records": [{"eventSource": "aws:s3", "eventName": name,
            "s3": {"bucket": {"name": "trail"}, "object": {"key": key, "size": 7, "eTag": "e"}}}]})
    }

    #[test]
    fn every_form_names_its_objects() {
        let expected = Notice::Objects(vec![named("AWSLogs/a b/ü.json.gz", Some(("e", 7)))]);
        let direct = s3("ObjectCreated:Put", "AWSLogs/a+b/%C3%BC.json.gz").to_string();
        assert_eq!(parse(&direct), expected);
        let wrapped = json!({"Type": "Notification", "TopicArn": "t", "Message": direct}).to_string();
        assert_eq!(parse(&wrapped), expected);
        let bridge = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "trail"},
            "object": {"key": "AWSLogs/a b/ü.json.gz", "size": 7, "etag": "e"}}});
        assert_eq!(parse(&bridge.to_string()), expected);
        let own = json!({"s3Bucket": "trail", "s3ObjectKey": ["x+y.json.gz", "z.json.gz"]}).to_string();
        let expected = Notice::Objects(vec![named("x+y.json.gz", None), named("z.json.gz", None)]);
        assert_eq!(parse(&own), expected);
        assert_eq!(parse(&json!({"Type": "Notification", "Message": own}).to_string()), expected);
    }

    #[test]
    fn what_names_no_new_object_is_understood_all_the_same() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "trail"});
        let deleted = json!({"source": "aws.s3", "detail-type": "Object Deleted",
            "detail": {"bucket": {"name": "trail"}, "object": {"key": "x"}}});
        for body in [test, deleted, s3("ObjectRemoved:Delete", "x")] {
            assert_eq!(parse(&body.to_string()), Notice::Objects(Vec::new()), "{body}");
        }
    }

    #[test]
    fn anything_else_is_unknown() {
        let nested = json!({"Message": json!({"Message": s3("ObjectCreated:Put", "x").to_string()}).to_string()});
        for body in
            ["", "hello", "[]", "{}", "{\"Records\":5}", "{\"Records\":[{}]}", "{\"Event\":\"x\"}", &nested.to_string()]
        {
            assert_eq!(parse(body), Notice::Unknown, "{body}");
        }
    }

    #[test]
    fn odd_escapes_stay_as_they_are() {
        for (text, expected) in [("a%2", "a%2"), ("a%zz", "a%zz"), ("%", "%"), ("a%2Fb", "a/b")] {
            assert_eq!(decoded(text), expected);
        }
    }
}
