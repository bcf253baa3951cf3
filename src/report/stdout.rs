//! Buffered standard output for data.

use std::{
    fmt,
    io::{self, Write},
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

/// Size at which pending text is written, in bytes: one system call per thousand lines.
const FLUSH_THRESHOLD: usize = 64 * 1024;

/// Buffered standard output. Removes escape sequences if colour is disabled. Writes the rest when dropped.
///
/// Fails once the reader has closed the pipe, so that rendering can end early.
#[derive(Default)]
pub struct Stdout {
    pending: String,
    closed: bool,
}

impl Stdout {
    /// Writes the first `length` bytes of the pending text.
    fn write_pending(&mut self, length: usize) {
        let chunk = &self.pending[..length];
        let written = match AutoStream::choice(&io::stdout()) {
            // Stripping while writing to stdout would write every line separately.
            ColorChoice::Never => io::stdout().lock().write_all(strip_str(chunk).to_string().as_bytes()),
            _ => anstream::stdout().lock().write_all(chunk.as_bytes()),
        };
        self.closed |= written.and_then(|()| io::stdout().flush()).is_err();
        self.pending.drain(..length);
    }
}

impl fmt::Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pending.push_str(text);
        if self.pending.len() >= FLUSH_THRESHOLD {
            // Whole lines, so that no escape sequence is split.
            let length = self.pending.rfind('\n').map_or(self.pending.len(), |end| end + 1);
            self.write_pending(length);
        }
        if self.closed { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        self.write_pending(self.pending.len());
    }
}
