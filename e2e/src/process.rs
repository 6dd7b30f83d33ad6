//! A child process that serves something until it is dropped.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::eventually;

/// A running server. Dropping it kills it (SIGKILL), also while a test panics. Output goes to a log file.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a program; `log` is appended to.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> Self {
        Self::start_with(program, arguments, &[], log)
    }

    /// The same with more environment variables.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with(program: &Path, arguments: &[String], environment: &[(String, String)], log: &Path) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
            environment: environment.to_vec(),
            log: log.to_owned(),
            child: spawn(program, arguments, environment, log),
        }
    }

    /// Kills it without warning, as a crash would.
    pub fn kill(&mut self) {
        // Both fail only when it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again with the same arguments.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.arguments, &self.environment, &self.log);
    }

    /// Asks it to end (SIGTERM) and returns its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill(1) exists");
        assert!(sent.success(), "process {pid} is gone already; see {}", self.log.display());
        eventually(&format!("{} ends after SIGTERM", self.program.display()), || {
            self.child.try_wait().expect("a child can be waited for").ok_or("still running")
        })
        .code()
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error that quotes the end of the log when the process has died.
    pub fn alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(format!("{} has died:\n{}", self.program.display(), self.log_tail())),
        }
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &Path, arguments: &[String], environment: &[(String, String)], log: &Path) -> Child {
    let open = || OpenOptions::new().create(true).append(true).open(log).expect("the log directory exists");
    Command::new(program)
        .args(arguments)
        .env("NO_COLOR", "1")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(open())
        .stderr(open())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()))
}
