//! Makes requests of their description and the values of the moment.

use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::pages::Token;
use super::stream::{Body, Request, Stream};
use super::template::{Encoding, Template, Values};
use crate::Error;
use crate::http::{Ask, bad_response};

/// The first request. A parameter whose value is not there (yet) is left out.
pub(super) fn first<'a>(base: &Url, request: &Request, values: &Values, target: &'a str) -> Result<Ask<'a>, Error> {
    made(base, request, values, target).map_err(|problem| bad_response(target, problem))
}

/// Why nothing can be asked for an item, where it could be for another: it would lead out of the path, or is no address.
/// The system named it, and would name it each time.
pub(super) fn unfit(base: &Url, stream: &Stream, values: &Values) -> Option<String> {
    let ask = |values: &Values| {
        let mut requests = stream.setup.iter().chain([&stream.request]);
        requests.try_for_each(|request| made(base, request, values, &stream.name).map(drop))
    };
    let problem = ask(values).err()?;
    let other = Values { item: Some("x".into()), parent: Some("x".into()), ..values.clone() };
    ask(&other).is_ok().then_some(problem)
}

fn made<'a>(base: &Url, request: &Request, values: &Values, target: &'a str) -> Result<Ask<'a>, String> {
    let mut url = address(base, &request.path, values)?;
    for (name, template) in &request.query {
        if let Some(value) = template.fill(values, Encoding::Plain)? {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    for (name, template) in &request.headers {
        if let Some(value) = template.fill(values, Encoding::Plain)? {
            let mut value: HeaderValue = value.parse().map_err(|_| format!("no value of the header {name}"))?;
            value.set_sensitive(template.secrets().next().is_some());
            headers.insert(name.clone(), value);
        }
    }
    let body = request.body.as_ref().map(|body| content(body, values)).transpose()?.flatten();
    if matches!(request.body, Some(Body::Json { .. })) && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(Ask { target, method: request.method.clone(), url, headers, body, is_secret: false })
}

fn address(base: &Url, path: &Template, values: &Values) -> Result<Url, String> {
    if path.is_item() {
        // Where it leads is checked before it is asked.
        let item = values.item.as_deref().unwrap_or_default();
        return base.join(item).map_err(|error| format!("`{item}` is no address: {error}"));
    }
    let path = path.fill(values, Encoding::Path)?.ok_or("a value of the path is missing")?;
    // An item or a parameter in front may be an address itself; where it leads is checked before it is asked.
    let text =
        if path.contains("://") { path.clone() } else { format!("{}{path}", base.as_str().trim_end_matches('/')) };
    text.parse().map_err(|error| format!("`{path}` is no path: {error}"))
}

fn content(body: &Body, values: &Values) -> Result<Option<Vec<u8>>, String> {
    match body {
        Body::Text(text) => Ok(text.fill(values, Encoding::Plain)?.map(String::into_bytes)),
        Body::Json { value, texts } => {
            let mut value = value.clone();
            for (pointer, template) in texts {
                let text = template.fill(values, Encoding::Plain)?;
                let number = text.as_ref().filter(|_| template.is_number()).and_then(|text| text.parse::<i64>().ok());
                match number.map(Value::from).or(text.map(Value::from)) {
                    Some(text) => value.pointer_mut(pointer).map(|place| *place = text),
                    None => leave_out(&mut value, pointer),
                };
            }
            Ok(Some(value.to_string().into_bytes()))
        }
    }
}

/// Takes a member out of a body; an entry of a list is null, for others have their place after it.
fn leave_out(body: &mut Value, pointer: &str) -> Option<()> {
    let (parent, name) = pointer.rsplit_once('/')?;
    match body.pointer_mut(parent)? {
        Value::Object(members) => members.remove(&name.replace("~1", "/").replace("~0", "~")).map(drop),
        _ => body.pointer_mut(pointer).map(|place| *place = Value::Null),
    }
}

/// Gives a parameter of the query this value and no other.
pub(super) fn set(url: &mut Url, param: &str, text: &str) {
    unset(url, param);
    url.query_pairs_mut().append_pair(param, text);
}

/// Takes a parameter out of the query.
pub(super) fn unset(url: &mut Url, param: &str) {
    if !url.query_pairs().any(|(name, _)| name == param) {
        return;
    }
    let others = url.query_pairs().filter(|(name, _)| name != param);
    let others: Vec<(String, String)> = others.map(|(name, value)| (name.into(), value.into())).collect();
    url.query_pairs_mut().clear().extend_pairs(others);
}

/// Stands in a body for a number, which may have more digits than a number here: no text has it.
const NUMBER: &str = "\u{ffff}number";

/// Puts what a page needs into a request: into the query, or where `param` begins with `/`, into the body, where a text
/// stays a text and a number a number.
pub(super) fn put(ask: &mut Ask<'_>, param: &str, token: &Token) -> Result<(), String> {
    if !param.starts_with('/') {
        set(&mut ask.url, param, token.text());
        return Ok(());
    }
    let mut body: Value = serde_json::from_slice(ask.body.as_deref().unwrap_or(b"{}"))
        .map_err(|error| format!("the body is no JSON: {error}"))?;
    let (parent, key) = param.rsplit_once('/').unwrap_or(("", param));
    let Some(Value::Object(parent)) = body.pointer_mut(parent) else {
        return Err(format!("the body has no place {param}"));
    };
    let value = if matches!(token, Token::Text(_)) { token.text() } else { NUMBER };
    parent.insert(key.to_owned(), value.into());
    ask.body = Some(body.to_string().replace(&format!("\"{NUMBER}\""), token.text()).into_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::content;
    use crate::engine::stream::Body;
    use crate::engine::template::{Template, Values};

    #[test]
    fn a_member_of_the_body_whose_value_is_not_there_is_left_out() {
        let template = |text: &str| Template::parse(text).expect("a template");
        let body = Body::Json {
            value: json!({"cursor": "", "of": {"a/b": ""}, "list": ["", ""], "limit": 50}),
            texts: vec![
                ("/cursor".to_owned(), template("${checkpoint}")),
                ("/of/a~1b".to_owned(), template("${checkpoint}")),
                ("/list/0".to_owned(), template("${checkpoint}")),
                ("/list/1".to_owned(), template("${item}")),
            ],
        };
        let sent = |checkpoint: Option<&str>| {
            let values =
                Values { checkpoint: checkpoint.map(str::to_owned), item: Some("x".to_owned()), ..Values::default() };
            let sent = content(&body, &values).expect("a body").expect("a body");
            serde_json::from_slice::<Value>(&sent).expect("JSON")
        };
        assert_eq!(sent(None), json!({"of": {}, "list": [null, "x"], "limit": 50}));
        assert_eq!(sent(Some("c")), json!({"cursor": "c", "of": {"a/b": "c"}, "list": ["c", "x"], "limit": 50}));
    }
}
