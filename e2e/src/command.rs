//! Runs a command to its end, bounded in time.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest life of one command; `logs -f` and `wait` included.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command said and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Shown in failures.
    pub command: String,
    /// Exit code; `None` when killed by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output of a command that must succeed.
    ///
    /// # Panics
    /// When it failed, with everything it said.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == Some(0), "{self}");
        self.stdout
    }

    /// Standard error of a command that must fail with an exit code.
    ///
    /// # Panics
    /// When it succeeded or was killed.
    #[track_caller]
    pub fn fails(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "should have failed: {self}");
        self.stderr
    }

    /// As a result, for [`crate::eventually`].
    pub fn result(self) -> Result<String, Output> {
        if self.code == Some(0) { Ok(self.stdout) } else { Err(self) }
    }

    /// An error unless it succeeded and `text` is in its standard output, for [`crate::eventually`].
    pub fn contains(self, text: &str) -> Result<String, Output> {
        if self.code == Some(0) && self.stdout.contains(text) { Ok(self.stdout) } else { Err(self) }
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}  -> {:?}", self.command, self.code)?;
        write!(f, "{}{}", self.stdout, self.stderr)
    }
}

/// Runs a program that finds its cluster by `KUBECONFIG`. Killed after two minutes.
///
/// # Panics
/// When it cannot be started.
pub fn with_kubeconfig(program: &Path, arguments: &[&str], kubeconfig: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("KUBECONFIG", kubeconfig);
    complete(command, "")
}

/// Runs a program of the system to its end. Killed after two minutes.
///
/// # Panics
/// When it cannot be started.
pub fn run(program: &str, arguments: &[&str]) -> Output {
    run_with_input(program, arguments, "")
}

/// The same with `input` on its standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run_with_input(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    complete(command, input)
}

/// Runs a command with `input` on its standard input. Killed after [`LIMIT`].
///
/// # Panics
/// When it cannot be started.
pub(crate) fn complete(mut command: Command, input: &str) -> Output {
    let program = command.get_program().to_string_lossy();
    let mut shown = program.rsplit('/').next().unwrap_or_default().to_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    let input_pipe = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child = command
        .stdin(input_pipe)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let writer = child.stdin.take().map(|pipe| feed(pipe, input.to_owned()));
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => {
                child.kill().expect("a child can be killed");
                break child.wait().expect("a child can be waited for");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    if let Some(writer) = writer {
        // A command may exit without reading its input; that is its business.
        let _ = writer.join();
    }
    let text = |reader: std::thread::JoinHandle<String>| reader.join().expect("the reader does not panic");
    Output { command: shown, code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn feed(mut pipe: std::process::ChildStdin, input: String) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut pipe, input.as_bytes());
    })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
