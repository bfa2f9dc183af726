//! Resource Graph is asked beside the log.

use super::*;

/// As `read`, with Resource Graph.
async fn read_compared(fake: &Fake) -> (Vec<Unit>, Result<(), Error>) {
    read_with(fake, &one(), run_since("2026-10-01T12:00:00Z"), true).await
}

/// An answer of Resource Graph.
fn compared(ids: &[&str], next: Option<&str>, truncated: &str) -> Answer {
    let one = |id: &&str| {
        json!({"id": format!("/subscriptions/S/providers/Microsoft.Resources/changes/{id}"),
               "properties": {"changeAttributes": {"timestamp": "2026-10-01T12:40:00Z"}}})
    };
    let data: Vec<_> = ids.iter().map(one).collect();
    let mut body = json!({"totalRecords": 3, "count": ids.len(), "resultTruncated": truncated, "data": data});
    if let Some(next) = next {
        body["$skipToken"] = next.into();
    }
    Answer::new(200, body.to_string())
}

#[tokio::test]
async fn resource_graph_is_asked_page_by_page_beside_the_log() {
    let fake = fake(|ask, count| {
        if !ask.path.ends_with("/Microsoft.ResourceGraph/resources") {
            return page(&[record("logged", "2026-10-01T12:30:00Z")], None);
        }
        let body: serde_json::Value = serde_json::from_str(&ask.body).expect("JSON");
        match body["options"]["$skipToken"].as_str() {
            None if count < 2 => Answer::new(429, "slow down").header("retry-after", "0"),
            None => compared(&["1", "2"], Some("next"), "true"),
            Some(token) => compared(&["3"], None, if token == "next" { "false" } else { "true" }),
        }
    })
    .await;
    let (units, result) = read_compared(&fake).await;
    result.expect("a whole window");
    let ids = ids(&units);
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert!(ids[0].ends_with("/changes/1") && ids[3] == "logged", "{ids:?}");
    let name = format!("subscriptions/{SUBSCRIPTION}/before-after");
    assert!(units.iter().any(|unit| unit.cursor.as_ref().is_some_and(|(stream, _)| *stream == name)));
    let asked: Vec<Ask> = fake.asked().into_iter().filter(|ask| !ask.body.is_empty()).collect();
    assert_eq!(asked[0].query["api-version"], "2022-10-01");
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).expect("JSON");
    assert_eq!(body["subscriptions"], json!([SUBSCRIPTION]));
    let query = body["query"].as_str().expect("a query");
    let window =
        "changed >= datetime(2026-10-01T12:00:00.0000000Z) and changed < datetime(2026-10-01T14:00:00.0000000Z)";
    assert!(query.contains(window) && asked.iter().all(|ask| ask.token == "token-1"), "{query}");
}

#[tokio::test]
async fn a_resource_graph_that_does_not_tell_all_is_an_error() {
    for (next, truncated, problem) in
        [(None, "true", "does not say where it goes on"), (Some("again"), "false", "named twice")]
    {
        let fake = fake(move |ask, _| match ask.body.as_str() {
            "" => page(&[], None),
            _ => compared(&["1"], next, truncated),
        })
        .await;
        let (units, result) = read_compared(&fake).await;
        assert!(told(&result.expect_err("not all")).contains(problem), "{problem}");
        let name = format!("subscriptions/{SUBSCRIPTION}/before-after");
        assert!(!units.iter().any(|unit| unit.cursor.as_ref().is_some_and(|(stream, _)| *stream == name)));
    }
}
