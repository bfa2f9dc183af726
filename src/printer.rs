//! The only place that writes to the terminal: results to stdout, everything else to stderr.
//!
//! Colour is decided for each stream on its own. With `--log-format json` every message is one JSON object on a line,
//! so that a nightly job's log can be read by a machine. Progress bars are drawn only where somebody can watch.

use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use owo_colors::{OwoColorize, Style};
use serde_json::json;

use crate::error::{Lines, says_nothing};
use crate::output::{TableOptions, inert, inert_json};
use crate::progress::Progress;
use crate::{config, reconcile, store};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    // For people.
    #[default]
    Text,
    // One JSON object per line.
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    // On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Writes results, messages and progress.
pub struct Printer {
    quiet: bool,
    format: LogFormat,
    color_stdout: bool,
    color_stderr: bool,
    all_bars: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Printer {
    /// A printer for this process's streams.
    #[must_use]
    pub fn new(quiet: bool, format: LogFormat, color: Color) -> Self {
        ColorChoice::from(color).write_global();
        let colored = |choice| !matches!(choice, ColorChoice::Never);
        let watched =
            !quiet && format == LogFormat::Text && io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            quiet,
            format,
            color_stdout: colored(AutoStream::choice(&io::stdout())),
            color_stderr: colored(AutoStream::choice(&io::stderr())),
            all_bars: MultiProgress::with_draw_target(target),
            bars: Mutex::default(),
        }
    }

    /// Where results go.
    #[must_use]
    pub fn stdout(&self) -> impl Write + 'static {
        BufWriter::new(io::stdout())
    }

    /// How a table on stdout has to look.
    #[must_use]
    pub fn table_options(&self) -> TableOptions {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(terminal_width).flatten();
        TableOptions { terminal, width, color: self.color_stdout, ..TableOptions::default() }
    }

    /// The style of a heading on stdout.
    #[must_use]
    pub fn heading(&self, text: &str) -> String {
        let style = if self.color_stdout { Style::new().bold() } else { Style::new() };
        inert(text).style(style).to_string()
    }

    /// Says something that is not a result.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.message("info", Style::new(), "", &[(text, false)], None);
        }
    }

    /// Says something that a person should know.
    pub fn warning(&self, text: &str) {
        self.message("warn", Style::new().yellow().bold(), "warning: ", &[(text, false)], None);
    }

    /// Says why the job, or a part of it, could not be done, and what to do about it.
    pub fn error(&self, error: &(dyn std::error::Error + 'static), hint: Option<&str>) {
        let mut links = vec![(error.to_string(), has_lines(error))];
        let mut next = error.source();
        let mut before = error;
        while let Some(cause) = next {
            let text = cause.to_string();
            if !says_nothing(&text) {
                // What the engine says shows the place in the statement.
                links.push((text, has_lines(cause) || before.is::<store::Error>()));
            }
            before = cause;
            next = cause.source();
        }
        let links: Vec<(&str, bool)> = links.iter().map(|(text, lines)| (&**text, *lines)).collect();
        self.message("error", Style::new().red().bold(), "error: ", &links, hint);
    }

    /// Writes one message: a text and its causes, each with whether its line breaks are meant.
    fn message(&self, level: &str, style: Style, label: &str, links: &[(&str, bool)], hint: Option<&str>) {
        const CAUSE: &str = "\n  caused by: ";
        let message = match self.format {
            LogFormat::Json => {
                let text = links.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(CAUSE);
                let mut object = json!({"timestamp": Timestamp::now().to_string(), "level": level, "message": text});
                if let Some(hint) = hint {
                    object["hint"] = json!(hint);
                }
                inert_json(&object.to_string()).into_owned()
            }
            LogFormat::Text => {
                let style = if self.color_stderr { style } else { Style::new() };
                // A name brings along whatever somebody put into it: no line that it begins may pass for one of ours.
                let shown = |&(text, has_lines): &(&str, bool)| {
                    if has_lines {
                        text.lines().map(inert).collect::<Vec<_>>().join("\n    ")
                    } else {
                        inert(text).into_owned()
                    }
                };
                let text = links.iter().map(shown).collect::<Vec<_>>().join(CAUSE);
                let hint = hint.map(|hint| format!("\n\nhint: {}", inert(hint))).unwrap_or_default();
                format!("{}{text}{hint}", label.style(style))
            }
        };
        // There is nowhere left to report that stderr is gone.
        let _ = self.all_bars.suspend(|| writeln!(io::stderr(), "{message}"));
    }

    /// Where log lines go: stderr, above the progress bars.
    #[must_use]
    pub fn log_writer(&self) -> LogWriter {
        LogWriter(self.all_bars.clone())
    }

    /// Whether log lines may be coloured.
    #[must_use]
    pub fn colors_log(&self) -> bool {
        self.color_stderr
    }

    fn with_bars(&self, change: impl FnOnce(&mut HashMap<String, ProgressBar>)) {
        change(&mut self.bars.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Columns of the terminal.
fn terminal_width() -> Option<u16> {
    comfy_table::Table::new().width().filter(|width| *width >= 20)
}

impl Progress for Printer {
    fn begin(&self, task: &str, total: Option<u64>) {
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{prefix:24} {bar:30} {human_pos}/{human_len} {wide_msg}"),
            None => (ProgressBar::new_spinner(), "{prefix:24} {spinner} {human_pos} {wide_msg}"),
        };
        // Without the style the bar is drawn in indicatif's own.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.all_bars.add(bar.with_style(style).with_prefix(inert(task).into_owned()));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.with_bars(|bars| {
            bars.insert(task.to_owned(), bar);
        });
    }

    fn advance(&self, task: &str, steps: u64, message: &str) {
        self.with_bars(|bars| {
            if let Some(bar) = bars.get(task) {
                bar.set_message(inert(message).into_owned());
                bar.inc(steps);
            }
        });
    }

    fn end(&self, task: &str) {
        self.with_bars(|bars| {
            if let Some(bar) = bars.remove(task) {
                bar.finish_and_clear();
                self.all_bars.remove(&bar);
            }
        });
    }

    fn warn(&self, message: &str) {
        self.warning(message);
    }
}

/// Whether an error is told in several lines of our own.
fn has_lines(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<config::Error>() || error.is::<reconcile::Error>() || error.is::<Lines>()
}

/// Writes log lines to stderr without breaking the progress bars.
#[derive(Clone)]
pub struct LogWriter(MultiProgress);

impl Write for LogWriter {
    /// Takes one event, which is one line: a line break in it came with a name.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut line = Vec::with_capacity(bytes.len());
        for byte in event {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                other => line.push(*other),
            }
        }
        line.extend_from_slice(&bytes[event.len()..]);
        self.0.suspend(|| io::stderr().write_all(&line))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
