//! Why a command ends without success, and its exit status.

use crate::output::out;
use serde_json::json;
use std::process::ExitCode;

/// Why a command failed.
pub enum Failure {
    /// The input is at fault, or the launch failed: status 1.
    Input(anyhow::Error),
    /// The command line is at fault: status 2.
    Usage(anyhow::Error),
    /// The command has already said everything: status 1.
    Reported,
    /// The status of a program that ran, which has said what it had to say.
    Status(u8),
}

impl Failure {
    /// The command line is at fault.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::Usage(anyhow::anyhow!("{message}"))
    }

    /// Says why, on standard error or as JSON, and gives the exit status.
    pub fn report(&self, json: bool) -> ExitCode {
        let (kind, status, error) = match self {
            Self::Input(error) => ("input", 1, error),
            Self::Usage(error) => ("usage", 2, error),
            Self::Reported => return ExitCode::from(1),
            Self::Status(status) => return ExitCode::from(*status),
        };
        if json {
            out!("{:#}", json!({ "error": { "kind": kind, "message": format!("{error:#}") } }));
        } else {
            eprintln!("vgpu: {error:#}");
        }
        ExitCode::from(status)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Input(error.into())
    }
}
