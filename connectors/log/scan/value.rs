//! Goes over the bytes of one value: counts brackets, steps over texts, and can stop anywhere and go on.

use memchr::{memchr, memchr3};

/// Why an element did not come to its end.
pub(super) enum Broken {
    End,
    TooLong,
    Syntax(&'static str),
}

/// Where a value is being scanned.
#[derive(Default)]
pub(super) struct Nest {
    depth: u32,
    pub(super) deepest: u32,
    in_string: bool,
    escaped: bool,
}

pub(super) enum Progress {
    Ends(usize),
    More,
    Broken,
}

impl Broken {
    pub(super) fn reason(&self) -> String {
        match self {
            Self::End => "the file ends before its JSON does".into(),
            Self::TooLong => "the record is longer than a record can be".into(),
            Self::Syntax(problem) => (*problem).into(),
        }
    }
}

/// Goes over the bytes of one value.
pub(super) fn advance(bytes: &[u8], nest: &mut Nest) -> Progress {
    let mut at = 0;
    if nest.escaped && !bytes.is_empty() {
        nest.escaped = false;
        at = 1;
    }
    loop {
        while nest.in_string {
            let Some(found) = memchr3(b'"', b'\\', b'\n', &bytes[at..]) else { return Progress::More };
            at += found + 1;
            match bytes[at - 1] {
                b'"' => nest.in_string = false,
                b'\\' if at == bytes.len() => {
                    nest.escaped = true;
                    return Progress::More;
                }
                b'\\' => at += 1,
                _ => return Progress::Broken,
            }
        }
        if nest.depth == 0 && at > 0 {
            return Progress::Ends(at);
        }
        loop {
            let Some(byte) = bytes.get(at) else { return Progress::More };
            at += 1;
            match byte {
                b'"' => {
                    nest.in_string = true;
                    break;
                }
                b'{' | b'[' => {
                    nest.depth += 1;
                    nest.deepest = nest.deepest.max(nest.depth);
                }
                b'}' | b']' => {
                    nest.depth -= 1;
                    if nest.depth == 0 {
                        return Progress::Ends(at);
                    }
                }
                _ => {}
            }
        }
    }
}

/// `{` and the first key of an element, as they are written.
pub(super) fn start_of(element: &[u8]) -> Option<Vec<u8>> {
    let open = memchr(b'"', element)?;
    let close = open + 1 + memchr(b'"', &element[open + 1..])?;
    let is_start = element[0] == b'{' && element[1..open].iter().all(u8::is_ascii_whitespace) && close < 64;
    is_start.then(|| element[..=close].to_vec())
}
