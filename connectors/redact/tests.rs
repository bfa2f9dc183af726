use proptest::prelude::*;

use super::*;

fn redactor() -> Redactor {
    Redactor::new([7; 32])
}

/// The secret is gone, the rest is still there, and what was JSON is JSON.
fn check(body: &str, secrets: &[&str], kept: &[&str]) {
    let (redacted, hmac) = redactor().apply(body);
    for secret in secrets {
        assert!(!redacted.contains(secret), "{secret} is left in {redacted}");
    }
    for text in kept {
        assert!(redacted.contains(text), "{text} is gone from {redacted}");
    }
    assert_eq!(hmac.is_some(), !secrets.is_empty());
    serde_json::from_str::<serde_json::Value>(&redacted).expect("valid JSON");
    let (again, second) = redactor().apply(&redacted);
    assert_eq!((again.as_ref(), second), (redacted.as_ref(), None), "a second time changes nothing");
}

#[test]
fn session_credentials_lose_their_secrets_and_keep_their_id() {
    check(
        r#"{"responseElements":{"credentials":{"accessKeyId":"ASIAEXAMPLE","sessionToken":"IQoJb3", "secretAccessKey" : "wJalr"}}}"#,
        &["IQoJb3", "wJalr"],
        &["ASIAEXAMPLE", "sessionToken", "secretAccessKey\" : "],
    );
}

#[test]
fn names_are_known_whatever_their_letters() {
    for name in [
        "password",
        "PASSWORD",
        "MasterUserPassword",
        "master_user_password",
        "new-password",
        "oldPassword",
        "userData",
        "SecretString",
        "secretBinary",
        "clientSecret",
        "privateKey",
        "authToken",
        "secretKey",
        "plaintext",
        "token",
        "spring.datasource.access.token",
        "pass\\u0077ord",
        "\\u0070assword",
    ] {
        check(&format!(r#"{{"a":{{"{name}":"hunter2"}}}}"#), &["hunter2"], &["\"a\""]);
    }
}

#[test]
fn every_name_and_trace_is_found_wherever_it_stands() {
    for trace in SECRET_NAMES.iter().chain(OTHER_TRACES).chain([&ESCAPE]) {
        for between in BETWEEN {
            let trace = trace.replace(' ', between);
            assert!(trace.len() <= NEAR);
            for text in [trace.clone(), trace.to_uppercase(), format!("é{trace}é"), format!("secretoken{trace}token")]
            {
                let start = text.to_ascii_lowercase().find(&trace).expect("it is in there");
                assert!(traces(&text).contains(&start), "{trace} in {text}: {:?}", traces(&text));
            }
        }
    }
}

#[test]
fn a_secret_may_be_any_value() {
    check(r#"{"userData":{"value":"IyEv"},"x":1}"#, &["IyEv"], &["\"x\":1"]);
    check(r#"{"password":["a1b2","c3d4"]}"#, &["a1b2", "c3d4"], &[]);
    check(r#"{"password":12345678}"#, &["12345678"], &[]);
    check(r#"{"password":"one","password":"two"}"#, &["one", "two"], &[]);
    check(r#"{"password":"quo\"ted\\","x":"y"}"#, &["quo"], &[r#""x":"y""#]);
}

#[test]
fn an_object_that_describes_a_token_keeps_what_tells_it_apart() {
    check(
        r#"{"token":{"_id":"tok1","name":"ci","serviceToken":true,"value":"hunter2","ending":"er2x"}}"#,
        &["hunter2", "er2x"],
        &["\"tok1\"", "\"ci\"", "true"],
    );
    check(r#"{"token":{"id":{"password":"hunter2"},"data":["a1b2"]}}"#, &["hunter2", "a1b2"], &[]);
}

#[test]
fn what_is_no_secret_stays_as_it_is() {
    for body in [
        r#"{"accessKeyId":"AKIA", "nextToken":"abc","clientToken":"def", "n":123456789012345678901234567890.10}"#,
        r#"{"password":null,"passwordReset":true,"hasPassword":false,"requireLowercaseCharacters":true}"#,
        r#"{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","userData":"<sensitiveDataRemoved>"}"#,
        r#"{"responseElements":{"subjectFromWebIdentityToken":"repo:org/app:environment:prod"}}"#,
        r#"{"eventSource":"secretsmanager.amazonaws.com","requestParameters":{"secretId":"db"}}"#,
        r#"{"environment":"live","stages":[{"environment":"dev"}]}"#,
        r#"{"environment":{"type":"LINUX_CONTAINER","image":"aws/codebuild"}}"#,
        r#"{"tags":[{"key":"environment","value":"live"}],"value":"x"}"#,
        "not json, no secret",
    ] {
        let (redacted, hmac) = redactor().apply(body);
        assert_eq!(redacted, body);
        assert_eq!(hmac, None, "{body}");
    }
}

#[test]
fn environment_variables_keep_their_names() {
    check(
        r#"{"environment":{"variables":{"DB_HOST":"db.example.org","N":5}},"timeout":3}"#,
        &["db.example.org", ":5"],
        &["DB_HOST", "\"timeout\":3"],
    );
    check(r#"{"environment":[{"name":"DB","value":"s3cr"}]}"#, &["s3cr"], &["\"DB\""]);
    check(r#"{"environmentVariablesOverride":[{"name":"DB","value":"s3cr","type":"PLAINTEXT"}]}"#, &["s3cr"], &["DB"]);
    check(
        r#"{"environment":{"image":"i","environmentVariables":[{"name":"DB","value":"s3cr"}]}}"#,
        &["s3cr"],
        &["\"i\""],
    );
}

#[test]
fn a_parameter_that_is_put_loses_its_value() {
    check(
        r#"{"requestParameters":{"name":"/db/url","type":"String","value":"postgres"},"eventName":"PutParameter"}"#,
        &["postgres"],
        &["/db/url"],
    );
}

#[test]
fn a_value_whose_name_is_a_value_is_replaced() {
    check(r#"{"parameters":[{"parameterValue":"s3cr","parameterKey":"DBPassword"}]}"#, &["s3cr"], &["DBPassword"]);
    check(r#"[{"name":"API_TOKEN","value":"s3cr"},{"name":"N","value":"kept"}]"#, &["s3cr"], &["kept"]);
}

#[test]
fn json_inside_texts_is_looked_into() {
    let inner = r#"{"password":"hunter2","keep":"me"}"#;
    let once = serde_json::json!({ "input": inner }).to_string();
    check(&once, &["hunter2"], &["keep"]);
    let twice = serde_json::json!({ "input": once, "password": "hunter2" }).to_string();
    check(&twice, &["hunter2"], &["keep"]);
    let mut deep = inner.to_owned();
    for _ in 0..12 {
        deep = serde_json::json!([deep]).to_string();
    }
    check(&deep, &["hunter2"], &[]);
}

#[test]
fn tokens_in_addresses_are_replaced() {
    check(
        r#"{"url":"https://s3.example/x?X-Amz-Security-Token=IQoJ&X-Amz-Signature=abcd&y=1"}"#,
        &["IQoJ", "abcd"],
        &["&y=1"],
    );
}

#[test]
fn very_deep_values_are_replaced_whole() {
    let body = format!("{}\"password\"{}", "[".repeat(400), "]".repeat(400));
    let (redacted, _) = redactor().apply(&body);
    assert!(redacted.contains(REPLACED));
}

#[test]
fn rejected_bytes_lose_what_looks_like_a_secret() {
    for bytes in [
        &br#"{"password":"hunter2"#[..],
        br#"{"sessionToken": "hunter2", "x":"#,
        b"{'sessionToken': 'hunter2', 'x': 1}",
        b"password=hunter2&user=x",
        b"\xff\xfe password : hunter2",
        br#""{\"secretAccessKey\":\"hunter2\"}"#,
        br#"}{"userData":{"a":["hunter2"#,
    ] {
        let text = redactor().scrub(bytes);
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(redactor().scrub(b"just text"), "just text");
}

#[test]
fn the_hash_is_keyed_and_of_the_received_bytes() {
    let body = r#"{"password":"a"}"#;
    let (_, one) = redactor().apply(body);
    let (_, other) = Redactor::new([8; 32]).apply(body);
    assert!(one.is_some() && one != other);
    assert_eq!(one, redactor().apply(body).1);
    assert_eq!(format!("{:?}", redactor()), "Redactor");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in r#"(\{|\}|\[|\]|"|\\|:|,|password|token|ü|\\u00|a|1| ){0,60}"#) {
        let _ = redactor().apply(&text);
        let _ = redactor().scrub(text.as_bytes());
    }

    #[test]
    fn a_planted_secret_never_survives(
        key in prop::sample::select(vec!["password", "sessionToken", "secretString", "userData"]),
        before in "[a-z{}:,\\[\\] ]{0,12}",
        levels in 0usize..4,
    ) {
        let mut text = serde_json::json!({ "a": before, key: "pl4nt3d", "b": [{ key: { "x": "pl4nt3d" } }] }).to_string();
        for _ in 0..levels {
            text = serde_json::json!({ "body": text }).to_string();
        }
        let (redacted, hmac) = redactor().apply(&text);
        prop_assert!(!redacted.contains("pl4nt3d"));
        prop_assert!(hmac.is_some());
    }
}
