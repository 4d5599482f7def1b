//! Bringing the files of a traced program together.

use crate::record::{DeviceFacts, Record};
use std::io;
use std::path::Path;

/// What one process did.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// Devices that it opened.
    pub devices: Vec<DeviceFacts>,
    /// Its calls and its devices' work, by their start.
    pub records: Vec<Record>,
}

/// What a program did.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Its processes, in the order in which they began.
    pub processes: Vec<Process>,
    /// Lines that were cut off, as by a process that was killed.
    pub n_broken_lines: usize,
}

impl Record {
    /// When it began; 0 for what has no time.
    pub const fn start_ns(&self) -> u64 {
        match self {
            Self::Call { start_ns, .. } | Self::Work { start_ns, .. } => *start_ns,
            Self::Process { .. } | Self::Device(_) => 0,
        }
    }
}

impl Trace {
    fn process(&mut self, pid: u32) -> &mut Process {
        let place = self.processes.iter().position(|process| process.pid == pid).unwrap_or_else(|| {
            self.processes.push(Process { pid, ..Process::default() });
            self.processes.len() - 1
        });
        &mut self.processes[place]
    }

    fn add_file(&mut self, text: &str) {
        let mut pid = 0;
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Record::Process { pid: own, command }) => {
                    pid = own;
                    self.process(pid).command = command;
                }
                Ok(Record::Device(facts)) => self.process(pid).devices.push(facts),
                Ok(record) => self.process(pid).records.push(record),
                Err(_) => self.n_broken_lines += 1,
            }
        }
    }
}

/// Reads all trace files of a folder.
///
/// # Errors
/// The folder or a file cannot be read. Lines that are no records are counted, not refused.
pub fn read(dir: &Path) -> io::Result<Trace> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut trace = Trace::default();
    for path in paths {
        trace.add_file(&String::from_utf8_lossy(&std::fs::read(path)?));
    }
    for process in &mut trace.processes {
        process.records.sort_by_key(Record::start_ns);
        process.devices.sort_by_key(|device| device.id);
        process.devices.dedup_by_key(|device| device.id);
    }
    trace.processes.sort_by_key(|process| process.records.first().map_or(u64::MAX, Record::start_ns));
    Ok(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_process_come_together_and_cut_lines_are_counted() {
        let mut trace = Trace::default();
        let process = r#"{"process":{"pid":7,"command":"a b"}}"#;
        trace.add_file(&format!("{process}\n{}\n{{\"call\":{{\"api\":", r#"{"device":{"id":0}}"#));
        trace.add_file(&format!(
            "{process}\n{}\n",
            r#"{"call":{"api":"driver","name":"cuInit","arguments":"flags=0","result":0,"answer":"CUDA_SUCCESS","thread":7,"correlation":2,"start_ns":5,"ns":1}}"#
        ));
        assert_eq!((trace.processes.len(), trace.n_broken_lines), (1, 2));
        let process = &trace.processes[0];
        assert_eq!((process.pid, process.command.as_str(), process.records.len()), (7, "a b", 1));
        assert_eq!(process.records[0].start_ns(), 5);
    }
}
