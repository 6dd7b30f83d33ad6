//! Progress of a wait, on standard error: a spinner on a terminal, a line per change elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows what is being waited for.
pub(crate) enum Progress {
    /// A terminal: one line that changes.
    Spinner(ProgressBar),
    /// Anything else: a line whenever the text changes.
    Lines(String),
}

impl Progress {
    /// Starts with a text.
    pub(crate) fn start(text: &str) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner().with_message(text.to_owned());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            return Progress::Spinner(bar);
        }
        let mut progress = Progress::Lines(String::new());
        progress.say(text);
        progress
    }

    /// Shows another text.
    pub(crate) fn say(&mut self, text: &str) {
        match self {
            Progress::Spinner(bar) => bar.set_message(text.to_owned()),
            Progress::Lines(last) if last == text => {}
            Progress::Lines(last) => {
                // Progress that nobody can read is no reason to fail.
                let _ = writeln!(std::io::stderr(), "{text}");
                text.clone_into(last);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Progress::Spinner(bar) = self {
            bar.finish_and_clear();
        }
    }
}
