//! A system on the loopback that answers as it is told.
//!
//! It speaks as much HTTP as the collector does, on threads of its own, and remembers everything that it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    /// As it was sent: percent-encoded.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the query.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What comes back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The connection ends in the middle of the body.
    pub is_cut: bool,
}

impl Answer {
    /// A good answer.
    #[must_use]
    pub fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    /// An answer with another status.
    #[must_use]
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// The answer with a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

type Handler = dyn FnMut(&Asked) -> Answer + Send;

/// The system; gone when it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Mutex<Box<Handler>>,
    asked: Mutex<Vec<Asked>>,
    is_closing: AtomicBool,
}

impl Server {
    /// Starts a system that answers so.
    ///
    /// # Errors
    /// There is no port.
    pub fn start(handler: impl FnMut(&Asked) -> Answer + Send + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (asked, is_closing) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { handler: Mutex::new(Box::new(handler)), asked, is_closing });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.is_closing.load(Ordering::SeqCst) {
                    return;
                }
                let served = Arc::clone(&served);
                thread::spawn(move || serve(stream, &served));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers otherwise from now on.
    pub fn answer_by(&self, handler: impl FnMut(&Asked) -> Answer + Send + 'static) {
        *lock(&self.shared.handler) = Box::new(handler);
    }

    /// Everything that it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(reading) = stream.try_clone() else { return };
    let (mut reader, mut stream) = (BufReader::new(reading), stream);
    while let Some(asked) = request(&mut reader) {
        lock(&shared.asked).push(asked.clone());
        let answer = lock(&shared.handler)(&asked);
        if write(&mut stream, &answer).is_err() || answer.is_cut {
            return;
        }
    }
}

fn write(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let length = answer.body.len() + usize::from(answer.is_cut) * 64;
    let mut head =
        format!("HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n{}", answer.body).as_bytes())
}

/// The next request of a connection; `None` at its end.
fn request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut lines = lines.into_iter();
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header =
        |line: String| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)));
    Some(Asked {
        method,
        path: path.to_owned(),
        query: query.collect(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// A percent-encoded text as it was.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            result.push(byte);
            at += 3;
        } else {
            result.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8_lossy(&result).into_owned()
}
