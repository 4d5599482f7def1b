//! What a person should know besides an error code, on standard error.
//!
//! `VGPU_LOG=off` is silent; by default every unsupported function, refused image and fault of a kernel is told once;
//! `VGPU_LOG=calls` also tells every call that failed.

use crate::status::Status;
use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Off,
    Problems,
    Calls,
}

fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| match std::env::var("VGPU_LOG").as_deref() {
        Ok("off") => Level::Off,
        Ok("calls") => Level::Calls,
        _ => Level::Problems,
    })
}

/// Tells something.
pub(crate) fn problem(text: &str) {
    if level() >= Level::Problems {
        eprintln!("vgpu: {text}");
    }
}

/// Tells something about a thing, the first time that exactly this is told of it.
pub(crate) fn once(thing: &str, text: &str) {
    static TOLD: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    if level() == Level::Off {
        return;
    }
    let line = format!("{thing} {text}");
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.get_or_insert_default().insert(line.clone()) {
        eprintln!("vgpu: {line}");
    }
}

/// A call failed.
pub(crate) fn trace_failure(name: &str, status: Status) {
    if level() == Level::Calls {
        eprintln!("vgpu: {name} returned {}", status.name().unwrap_or("an unknown code"));
    }
}
