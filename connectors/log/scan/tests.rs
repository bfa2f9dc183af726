use proptest::prelude::*;

use super::*;

/// A reader that gives a few bytes at a time, so that every boundary falls inside something.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Element(String),
    Malformed(String),
    Cut(String),
}

/// Everything that is found; what is no JSON is rejected, as the reader does.
fn scan_by(text: &[u8], step: usize, limit: usize) -> Vec<Seen> {
    scan_knowing(text, step, limit, |_, _| None)
}

/// As [`scan_by`], asking `look` first.
fn scan_knowing(text: &[u8], step: usize, limit: usize, look: fn(&str, u64) -> Option<(Seen, usize)>) -> Vec<Seen> {
    let mut scanner = Scanner::new(Drip(text, step), limit);
    let mut seen = Vec::new();
    loop {
        let take = |known| {
            seen.push(known);
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(()) = scanner.known(look, take);
        assert!(seen.len() as u64 <= scanner.count);
        let Some(item) = scanner.next() else { return seen };
        let text =
            |range: &Range<usize>, scanner: &Scanner<_>| String::from_utf8_lossy(scanner.bytes(range)).into_owned();
        seen.push(match item {
            Item::Element(range) => {
                let element = text(&range, &scanner);
                if serde_json::from_str::<serde_json::Value>(&element).is_ok() {
                    Seen::Element(element)
                } else {
                    let lost = scanner.reject(range);
                    Seen::Malformed(text(&lost, &scanner))
                }
            }
            Item::Malformed(range, _) => Seen::Malformed(text(&range, &scanner)),
            Item::Cut(range, _) => Seen::Cut(text(&range, &scanner)),
        });
    }
}

/// Knows what is whole and JSON.
fn whole(text: &str, _: u64) -> Option<(Seen, usize)> {
    assert!(text.starts_with('{'), "{text} is no object");
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    values.next()?.ok()?;
    let length = values.byte_offset();
    Some((Seen::Element(text[..length].into()), length))
}

/// How much of the damage is shown depends on what has been read; what is found does not.
fn outline(seen: &[Seen]) -> Vec<Seen> {
    let plain = |seen: &Seen| match seen {
        Seen::Element(text) => Seen::Element(text.clone()),
        Seen::Malformed(_) => Seen::Malformed(String::new()),
        Seen::Cut(_) => Seen::Cut(String::new()),
    };
    seen.iter().map(plain).collect()
}

fn scan(text: &str) -> Vec<Seen> {
    let all = scan_by(text.as_bytes(), usize::MAX, 1 << 20);
    for step in [1, 2, 3, 7] {
        assert_eq!(outline(&scan_by(text.as_bytes(), step, 1 << 20)), outline(&all), "in steps of {step}");
        assert_eq!(outline(&scan_knowing(text.as_bytes(), step, 1 << 20, whole)), outline(&all), "knowing, {step}");
    }
    assert_eq!(scan_knowing(text.as_bytes(), usize::MAX, 1 << 20, whole), all);
    all
}

fn elements(texts: &[&str]) -> Vec<Seen> {
    texts.iter().map(|text| Seen::Element((*text).into())).collect()
}

const A: &str = r#"{"eventVersion":"1","n":{"x":["]}",1]}}"#;
const B: &str = r#"{"eventVersion":"1","q":"\"{\\"}"#;

#[test]
fn every_known_shape_gives_its_elements() {
    let both = elements(&[A, B]);
    assert_eq!(scan(&format!(r#"{{"Records":[{A},{B}]}}"#)), both);
    assert_eq!(scan(&format!("\u{feff} {{ \"x\" : 1, \"records\" :\n [ {A} ,\n {B} ] , \"y\" : {{}} }}\n")), both);
    assert_eq!(scan(&format!("[{A},{B}]")), both);
    assert_eq!(scan(&format!("{A}\n{B}\n")), both);
    assert_eq!(scan(&format!("{A}{B}")), both);
    assert_eq!(scan(&format!("{{\"Records\":[{A}]}}\n{{\"Records\":[{B}]}}")), both);
    assert_eq!(scan(A), elements(&[A]));
    assert_eq!(scan(r#"{"Records":[]}"#), []);
    assert_eq!(scan(r#"{"Records":null}"#), elements(&[r#"{"Records":null}"#]));
    assert_eq!(scan(r#"{"Records":["text",5,null]}"#), elements(&["\"text\"", "5", "null"]));
    assert_eq!(scan(&format!("[{A},[1],5,{B}]")), elements(&[A, "[1]", "5", B]));
}

#[test]
fn a_malformed_element_does_not_take_others_with_it() {
    let bad = r#"{"eventVersion":}"#;
    for text in [format!(r#"{{"Records":[{A},{bad},{B}]}}"#), format!("{A}\n{bad}\n{B}\n")] {
        let seen = scan(&text);
        assert_eq!((seen.len(), &seen[0], &seen[2]), (3, &Seen::Element(A.into()), &Seen::Element(B.into())));
        assert!(matches!(&seen[1], Seen::Malformed(text) if text.trim_end() == bad), "{seen:?}");
    }
}

#[test]
fn damage_that_turns_quotes_inside_out_ends_at_the_next_start() {
    for bad in [r#"{"eventVersion":"1,"a":"b"}"#, r#"{"eventVersion":{"a":[1}"#, "{\"eventVersion\":\"1\nx\"}"] {
        let seen = scan(&format!(r#"{{"Records":[{A},{bad},{B},{A}]}}"#));
        let good: Vec<Seen> = seen.iter().filter(|seen| matches!(seen, Seen::Element(_))).cloned().collect();
        assert_eq!(good, elements(&[A, B, A]), "{bad}: {seen:?}");
        assert!(seen.iter().any(|seen| matches!(seen, Seen::Malformed(_))));
        let seen = scan(&format!("{A}\n{bad}\n{B}\n"));
        assert!(seen.contains(&Seen::Element(B.into())), "{bad}: {seen:?}");
    }
}

#[test]
fn stray_bytes_between_elements_are_one_rejection() {
    let seen = scan(&format!("[{A},}}}},{B}]"));
    assert_eq!(seen.len(), 3);
    assert_eq!((&seen[0], &seen[2]), (&Seen::Element(A.into()), &Seen::Element(B.into())));
    let seen = scan(&format!("{A}\nnonsense\n{B}\n"));
    assert_eq!(seen[1], Seen::Malformed("nonsense\n".into()));
    assert_eq!(seen[2], Seen::Element(B.into()));
}

#[test]
fn what_is_no_json_is_one_cut() {
    assert_eq!(scan(""), [Seen::Cut(String::new())]);
    assert_eq!(scan(" \n "), [Seen::Cut(String::new())]);
    assert_eq!(scan("garbage").len(), 1);
    assert!(matches!(&scan(&format!("{{\"Records\":[{A}]}} trailing"))[1], Seen::Cut(_)));
}

#[test]
fn an_element_that_is_too_long_is_given_up_and_found_past() {
    let long = format!(r#"{{"eventVersion":"{}"}}"#, "x".repeat(5_000));
    let text = format!(r#"{{"Records":[{A},{long},{B}]}}"#);
    for step in [1, 64, usize::MAX] {
        let seen = scan_by(text.as_bytes(), step, 512);
        let good: Vec<Seen> = seen.iter().filter(|seen| matches!(seen, Seen::Element(_))).cloned().collect();
        assert_eq!(good, elements(&[A, B]), "{seen:?}");
        let lost: usize = seen.iter().map(|seen| if let Seen::Malformed(text) = seen { text.len() } else { 0 }).sum();
        assert!(lost <= 2_048, "{lost} bytes held");
    }
}

#[test]
fn damage_does_not_make_the_buffer_grow() {
    let text = format!("[{}]", [A, B, A, r#"{"eventVersion":}"#].repeat(5_000).join(","));
    let mut scanner = Scanner::new(text.as_bytes(), 1 << 20);
    loop {
        let Ok(()) = scanner.known(whole, |_| Ok::<_, std::convert::Infallible>(()));
        if scanner.next().is_none() {
            break;
        }
    }
    assert_eq!(scanner.count, 20_000);
    assert_eq!(scanner.buffer.len(), BUFFER);
}

#[test]
fn a_record_that_is_nested_too_deep_is_rejected() {
    let deep = format!("{{\"eventVersion\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for text in [format!("[{deep},{B}]"), format!("{deep}\n{B}")] {
        let seen = scan(&text);
        assert!(matches!(seen[0], Seen::Malformed(_)));
        assert_eq!(seen[1], Seen::Element(B.into()));
    }
}

#[test]
fn cut_at_every_byte_the_whole_records_remain() {
    let text = format!("{{\"Records\": [{A},{B}, {A}] }}");
    let all = scan(&text);
    for end in 0..text.len() {
        let seen = scan_by(&text.as_bytes()[..end], 5, 1 << 20);
        let (last, whole) = seen.split_last().expect("a cut");
        assert!(matches!(last, Seen::Cut(_)), "at {end}: {seen:?}");
        assert_eq!(whole, &all[..whole.len()], "at {end}");
    }
}

#[test]
fn elements_know_their_number_and_place() {
    let text = format!("[{A},{B}]");
    let mut scanner = Scanner::new(text.as_bytes(), 1 << 20);
    let first = scanner.next();
    assert_eq!(scanner.index(), 0);
    let Some(Item::Element(range)) = scanner.next() else { panic!("an element after {first:?}") };
    assert_eq!(scanner.index(), 1);
    assert_eq!(scanner.offset(&range), 2 + A.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic_or_run_on(bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..40) {
        prop_assert!(scan_by(&bytes, step, 64).len() <= bytes.len() + 2);
    }

    #[test]
    fn no_json_like_text_makes_it_panic_or_run_on(
        text in r#"(\{|\}|\[|\]|"|\\|:|,|\n| |"Records":\[|\{"eventVersion":|1|a){0,80}"#,
        step in 1usize..40,
    ) {
        prop_assert!(scan_by(text.as_bytes(), step, 48).len() <= text.len() + 2);
    }

    #[test]
    fn steps_do_not_matter(text in r#"(\{|\}|\[|\]|"|\\|:|,|\n|"Records":\[|\{"eventVersion":|1){0,40}"#, step in 1usize..9) {
        let (steps, whole) = (scan_by(text.as_bytes(), step, 1 << 20), scan_by(text.as_bytes(), usize::MAX, 1 << 20));
        prop_assert_eq!(outline(&steps), outline(&whole));
    }

    #[test]
    fn what_is_known_beforehand_is_what_is_found(
        text in r#"(\{|\}|\[|\]|"|,|\n|é|"Records":\[|\{"eventVersion":1\},?|\{"a":\["b"\]\},?|1){0,40}"#,
        step in 1usize..99,
    ) {
        let array = format!("[{text}");
        let (known, found) = (scan_knowing(array.as_bytes(), step, 1 << 20, whole), scan_by(array.as_bytes(), step, 1 << 20));
        // In how many pieces the damage is told depends on what has been read, as the end of the file may have been met.
        let outline = |seen: &[Seen]| {
            let mut outline = outline(seen);
            outline.dedup_by(|one, other| !matches!((&*one, &*other), (Seen::Element(_), _) | (_, Seen::Element(_))));
            outline.into_iter().map(|seen| if let Seen::Element(text) = seen { text } else { String::new() }).collect::<Vec<_>>()
        };
        prop_assert_eq!(outline(&known), outline(&found));
    }
}
