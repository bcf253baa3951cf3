//! The only way to standard output and standard error. Escapes everything that a terminal or a CI system would act on, except acme's styles.

use std::{
    borrow::Cow,
    env, fmt,
    io::{self, Write},
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use super::style::styled_parts;
use crate::core::{is_unprintable, printable};

/// Size at which pending text is written, in bytes: one system call per thousand lines.
const FLUSH_THRESHOLD: usize = 64 * 1024;

/// Buffered standard output. Writes the rest when dropped.
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
        let has_color = has_color(&io::stdout());
        let text = rendered(&self.pending[..length], has_color);
        let written = match has_color {
            // An `AutoStream` without colour would write every line separately.
            false => write_whole(&mut io::stdout().lock(), text.as_bytes()),
            true => write_whole(&mut anstream::stdout().lock(), text.as_bytes()),
        };
        if let Err(error) = written {
            self.closed = true;
            // A reader that has seen enough is no failure.
            if error.kind() != io::ErrorKind::BrokenPipe {
                WRITE_FAILURE.set(error.to_string()).ok();
            }
        }
        self.pending.drain(..length);
    }
}

impl fmt::Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pending.push_str(text);
        if self.pending.len() >= FLUSH_THRESHOLD
            && let Some(end) = self.pending.rfind('\n')
        {
            // Whole lines, so that no escape sequence and no command of a CI system is split.
            self.write_pending(end + 1);
        }
        if self.closed { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        self.write_pending(self.pending.len());
    }
}

/// Whether this process works on the simulated cloud.
static SIMULATED: AtomicBool = AtomicBool::new(false);

/// Marks the questions of this process, because it works on the simulated cloud.
pub fn mark_simulated() {
    SIMULATED.store(true, Ordering::Relaxed);
}

/// Whether [`mark_simulated`] was called.
pub(super) fn is_simulated() -> bool {
    SIMULATED.load(Ordering::Relaxed)
}

/// Why stdout could not be written, such as a full disk.
static WRITE_FAILURE: OnceLock<String> = OnceLock::new();

/// Why something that was printed is lost, if it is. A reader that closed the pipe is no reason.
pub fn write_failure() -> Option<&'static str> {
    WRITE_FAILURE.get().map(String::as_str)
}

/// Pause before the next attempt to write to a full pipe.
const PIPE_PAUSE: Duration = Duration::from_millis(2);

/// Writes and flushes all of the text. A pipe whose other end set it to non-blocking, as Node.js does, is full now and then.
fn write_whole(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(error) => wait_if_full(error)?,
        }
    }
    loop {
        match out.flush() {
            Ok(()) => return Ok(()),
            Err(error) => wait_if_full(error)?,
        }
    }
}

/// Waits a moment after an error that passes.
fn wait_if_full(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock => std::thread::sleep(PIPE_PAUSE),
        io::ErrorKind::Interrupted => {}
        _ => return Err(error),
    }
    Ok(())
}

/// Writes text to stdout. Ignores a closed pipe, because a reader may stop early.
pub fn print(text: &str) {
    fmt::Write::write_str(&mut Stdout::default(), text).ok();
}

/// Writes a JSON document to stdout.
///
/// # Errors
/// Fails if the value can't be written as JSON.
pub fn print_json(value: &impl Serialize) -> serde_json::Result<()> {
    print(&format!("{}\n", escape_json(&serde_json::to_string_pretty(value)?)));
    Ok(())
}

/// Length of a line of JSON above which it is written in parts, in bytes.
static LONGEST_LINE: OnceLock<usize> = OnceLock::new();

/// Writes longer lines of JSON in parts: objects with the event `remote_part`, for a log that limits the length of lines.
pub fn split_long_lines(length: usize) {
    LONGEST_LINE.set(length).ok();
}

/// Writes a JSON document to stdout, on one line.
///
/// # Errors
/// Fails if the value can't be written as JSON.
pub fn print_json_line(value: &impl Serialize) -> serde_json::Result<()> {
    let line = escape_json(&serde_json::to_string(value)?);
    match LONGEST_LINE.get() {
        Some(length) if line.len() > *length => {
            let parts = parts_of(&line, *length);
            for (number, text) in (1..).zip(&parts) {
                let part = serde_json::json!({ "event": "remote_part", "part": number, "of": parts.len(), "text": text });
                print(&format!("{}\n", escape_json(&serde_json::to_string(&part)?)));
            }
        }
        _ => print(&format!("{line}\n")),
    }
    Ok(())
}

/// Splits text into parts of about this length in bytes, between characters.
fn parts_of(text: &str, length: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = (length.max(1)..rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

/// Writes a YAML document to stdout; as JSON, which is YAML, too, if it contains characters that are escaped.
///
/// # Errors
/// Fails if the text is not YAML.
pub fn print_yaml(text: &str) -> anyhow::Result<()> {
    if rendered(text, false) == text {
        print(text);
        return Ok(());
    }
    Ok(print_json(&serde_yaml::from_str::<serde_json::Value>(text)?)?)
}

/// Writes a message to stderr.
pub fn eprint(text: &str) {
    write_stderr(&format!("{text}\n")).ok();
}

pub(super) fn write_stderr(text: &str) -> io::Result<()> {
    let text = rendered(text, has_color(&io::stderr()));
    write_whole(&mut anstream::stderr().lock(), text.as_bytes())
}

/// Writes a command for GitHub Actions to stderr. Its parts must be escaped.
pub(super) fn write_workflow_command(command: &str) {
    drop(writeln!(anstream::stderr().lock(), "{command}"));
}

/// Whether acme's styles are shown on stderr.
pub(super) fn stderr_has_color() -> bool {
    has_color(&io::stderr())
}

fn has_color(stream: &impl anstream::stream::RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Text as it is written: with acme's styles or without, and everything else escaped.
pub(super) fn rendered(text: &str, with_color: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (style, part) in styled_parts(text) {
        if let Some(style) = style.filter(|_| with_color) {
            out.push_str(&format!("\u{1b}[{style}m"));
        }
        out.push_str(&printable(part));
    }
    if *RUNS_IN_CI { without_commands(&out).into_owned() } else { out }
}

/// Text without styles, with everything else escaped.
pub(super) fn plain(text: &str) -> String {
    styled_parts(text).map(|(_, part)| printable(part)).collect()
}

/// Whether a CI system reads the output and takes some lines as commands.
static RUNS_IN_CI: LazyLock<bool> =
    LazyLock::new(|| ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"].iter().any(|name| env::var_os(name).is_some()));

/// Breaks commands of CI systems with a backslash: `::error::…` at the begin of a line, and `##[error]…` or `##vso[…]` anywhere.
///
/// GitHub's runner: <https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs>
fn without_commands(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        let command = after_blanks_and_styles(line);
        let line = match command.strip_prefix("::") {
            // A command has a second pair of colons; an IPv6 address such as `::/0` has none.
            Some(rest) if rest.contains("::") => format!("{}\\{command}", &line[..line.len() - command.len()]),
            _ => line.to_owned(),
        };
        break_hash_commands(&line, "\\[")
    };
    Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}

/// Rest of a line after blanks and styles: a CI system may remove styles before it looks for commands.
fn after_blanks_and_styles(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some((_, after)) = rest.strip_prefix("\u{1b}[").and_then(|style| style.split_once('m')) {
        rest = after.trim_start();
    }
    rest
}

/// Replaces the bracket in `##[` and `##word[`.
pub(super) fn break_hash_commands(line: &str, bracket: &str) -> String {
    let mut parts = line.split("##");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let word = part.len() - part.trim_start_matches(|c: char| c == '#' || c.is_ascii_alphanumeric()).len();
        out.push_str("##");
        match part[word..].strip_prefix('[') {
            Some(rest) => out.extend([&part[..word], bracket, rest]),
            None => out.push_str(part),
        }
    }
    out
}

/// JSON text with escapes for characters that JSON allows and terminals act on. Its meaning is the same: they occur only in strings.
fn escape_json(json: &str) -> String {
    let json = if *RUNS_IN_CI { Cow::Owned(break_hash_commands(json, "\\u005b")) } else { Cow::Borrowed(json) };
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => out.push(c),
            _ if is_unprintable(c) => {
                let mut units = [0; 2];
                out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::report::Style;

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// A pipe that takes three bytes at a time, and is full every other time.
    struct SlowPipe(Vec<u8>, bool);

    impl Write for SlowPipe {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = text.len().min(3);
            self.0.extend(&text[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn parts_of_a_line_are_the_whole_line() {
        let line = "añb→c".repeat(7);
        for length in 1..20 {
            let parts = parts_of(&line, length);
            assert_eq!(parts.concat(), line);
            assert!(parts.iter().all(|part| part.len() < length + 3), "{parts:?}");
        }
        assert!(parts_of("", 5).is_empty());
    }

    #[test]
    fn a_slow_pipe_gets_everything() {
        let mut pipe = SlowPipe(Vec::new(), false);
        write_whole(&mut pipe, b"all of the text").expect("it takes it");
        assert_eq!(pipe.0, b"all of the text");
    }

    /// Texts that go around the printer would not be escaped.
    #[test]
    fn nothing_else_writes_to_the_terminal() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = ["src", "resources/src"].into_iter().flat_map(|folder| sources(&root.join(folder)));
        for path in all.filter(|path| path.extension().is_some_and(|end| end == "rs") && !path.ends_with("report/printer.rs")) {
            let text = fs::read_to_string(&path).expect("a source");
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//") && !line.contains(".is_terminal()")) {
                for way in ["println!(", "print!(", "io::stdout()", "io::stderr()", "anstream::std", "dbg!("] {
                    assert!(!line.contains(way), "{}: {line}", path.display());
                }
            }
        }
    }

    #[test]
    fn shows_only_its_own_styles() {
        let text = format!("{} \u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}", Style::Added.paint("\u{1b}[2J"));
        assert_eq!(rendered(&text, true), "\u{1b}[32m\\u{1b}[2J\u{1b}[0m \\u{1b}[31mred\\u{1b}[0m \\u{1b}]0;title\\u{7}");
        assert_eq!(rendered(&text, false), "\\u{1b}[2J \\u{1b}[31mred\\u{1b}[0m \\u{1b}]0;title\\u{7}");
    }

    #[test]
    fn breaks_commands_of_ci_systems() {
        let broken = [
            ("::error::x", "\\::error::x"),
            ("one\n \t ::set-output name=a::b\ntwo", "one\n \t \\::set-output name=a::b\ntwo"),
            ("\u{1b}[1m \u{1b}[31m::error::x", "\u{1b}[1m \u{1b}[31m\\::error::x"),
            ("a ##[error]x ##[group]", "a ##\\[error]x ##\\[group]"),
            ("##vso[task.setvariable]##teamcity[x] ###[debug]", "##vso\\[task.setvariable]##teamcity\\[x] ###\\[debug]"),
        ];
        for (raw, shown) in broken {
            assert_eq!(without_commands(raw), shown);
        }
        for harmless in ["::/0", "fe80::1", "arn:aws:iam::123456789012:role/x ::", "## [title]", "# a #[b]"] {
            assert_eq!(without_commands(harmless), harmless);
        }
    }

    #[test]
    fn escaped_json_has_the_same_meaning() {
        let value = serde_json::json!({ "k\u{9b}": "\u{1b}[2J \u{202e} \u{7f} \u{e0041} \n \t ##[error] é" });
        let text = escape_json(&break_hash_commands(&value.to_string(), "\\u005b"));
        assert!(!text.contains(is_unprintable) && !text.contains("##["), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
