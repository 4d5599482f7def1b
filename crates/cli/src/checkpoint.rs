//! `vgpu checkpoint`: what a checkpoint file holds, with every byte of it checked.

use crate::failure::Failure;
use crate::output::out;
use serde_json::json;
use std::path::PathBuf;
use vgpu::checkpoint::Checkpoint;

/// What to look at.
#[derive(clap::Args)]
pub struct Options {
    /// The checkpoint file.
    file: PathBuf,
}

/// Checks the newest whole checkpoint of a file and lists it.
pub fn checkpoint(options: &Options, json: bool) -> Result<(), Failure> {
    let checkpoint = Checkpoint::open(&options.file)?;
    checkpoint.verify()?;
    let sections: Vec<(&str, u64)> = checkpoint.sections().collect();
    if json {
        let sections: Vec<_> = sections.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
        out!("{:#}", json!({ "number": checkpoint.number(), "sections": sections }));
        return Ok(());
    }
    let total: u64 = sections.iter().map(|(_, bytes)| bytes).sum();
    out!("checkpoint {}: {} sections, {total} bytes, all intact", checkpoint.number(), sections.len());
    for (name, bytes) in sections {
        out!("{bytes:>16}  {name}");
    }
    Ok(())
}
