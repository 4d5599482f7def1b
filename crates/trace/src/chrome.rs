//! A trace in Chrome's format with the keys of PyTorch's Kineto.
//!
//! Calls are slices of their thread in the categories `cuda_runtime` and `cuda_driver`; the device's work is in `kernel`,
//! `gpu_memcpy` and `gpu_memset`, in the process that stands for the device, one row per stream; an arrow `ac2g` leads from a call
//! to its work. Times are microseconds, as the format asks, after `baseTimeNanoseconds`.
//! Source: Chrome's "Trace Event Format"; Kineto's `output_json.cpp`.

use crate::reader::{Process, Trace};
use crate::record::{Api, DeviceFacts, Note, Record, Work};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of the processes that stand for devices when several processes have one; above those of real processes.
const FIRST_DEVICE_PID: u64 = 1 << 30;

/// The trace as one JSON value; `name` is shown as its title.
pub fn chrome(trace: &Trace, name: &str) -> Value {
    let times = trace.processes.iter().flat_map(|process| &process.records).map(Record::start_ns);
    let base = times.filter(|start| *start != 0).min().unwrap_or(0);
    let mut events = Vec::new();
    for (idx, process) in trace.processes.iter().enumerate() {
        Writer { process, base, idx: idx as u64, events: &mut events }.write();
    }
    let devices = trace.processes.iter().find(|process| !process.devices.is_empty());
    let devices: Vec<_> = devices.map_or(&[][..], |process| &process.devices).iter().map(properties).collect();
    json!({
        "schemaVersion": 1,
        "deviceProperties": devices,
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": base,
        "traceName": name,
        "traceEvents": events,
    })
}

fn properties(device: &DeviceFacts) -> Value {
    json!({
        "id": device.id,
        "name": device.name,
        "totalGlobalMem": device.memory_bytes,
        "computeMajor": device.capability.0,
        "computeMinor": device.capability.1,
        "maxThreadsPerBlock": device.block_threads,
        "maxThreadsPerMultiprocessor": device.multiprocessor_threads,
        "regsPerBlock": device.block_registers,
        "warpSize": 32,
        "sharedMemPerBlock": device.block_shared_bytes.0,
        "numSms": device.multiprocessors,
        "regsPerMultiprocessor": device.block_registers,
        "sharedMemPerBlockOptin": device.block_shared_bytes.1,
        "sharedMemPerMultiprocessor": device.multiprocessor_shared_bytes,
    })
}

struct Writer<'t> {
    process: &'t Process,
    base: u64,
    idx: u64,
    events: &'t mut Vec<Value>,
}

impl Writer<'_> {
    fn microseconds(&self, ns: u64) -> f64 {
        ns.saturating_sub(self.base) as f64 / 1e3
    }

    /// The process that stands for a device. Kineto uses the ordinal, which is enough for one process.
    fn device_pid(&self, device: i32) -> u64 {
        let ordinal = u64::try_from(device).unwrap_or(0);
        if self.idx == 0 { ordinal } else { FIRST_DEVICE_PID + self.idx * 64 + ordinal }
    }

    fn label(&mut self, name: &str, pid: u64, tid: u64, key: &str, value: impl Into<Value>) {
        let args = json!({ key: value.into() });
        self.events.push(json!({ "name": name, "ph": "M", "ts": 0, "pid": pid, "tid": tid, "args": args }));
    }

    fn write(&mut self) {
        let process = self.process;
        // Calls by correlation, for the arrows: thread and time.
        let mut calls = BTreeMap::new();
        let mut streams = BTreeSet::new();
        for record in &process.records {
            match record {
                Record::Call { thread, correlation, start_ns, .. } => {
                    calls.insert(*correlation, (*thread, *start_ns));
                }
                Record::Work { note, .. } => {
                    streams.insert((note.device, note.stream));
                }
                Record::Process { .. } | Record::Device(_) => {}
            }
        }
        self.label("process_name", process.pid.into(), 0, "name", process.command.clone());
        self.label("process_labels", process.pid.into(), 0, "labels", "CPU");
        for &(device, stream) in &streams {
            let pid = self.device_pid(device);
            let facts = process.devices.iter().find(|facts| facts.id == device);
            let name = facts.map_or("device", |facts| facts.name.as_str());
            self.label("process_name", pid, 0, "name", format!("{name} (process {})", process.pid));
            self.label("process_labels", pid, 0, "labels", format!("GPU {device}"));
            self.label("thread_name", pid, stream, "name", format!("stream {stream}"));
        }
        for record in &process.records {
            match record {
                Record::Call { .. } => self.call(record),
                Record::Work { work, note, start_ns, ns } => {
                    self.work(work, *note, *start_ns, *ns);
                    if let Some((thread, called_ns)) = calls.get(&note.correlation) {
                        self.arrow(*note, *thread, *called_ns, *start_ns);
                    }
                }
                Record::Process { .. } | Record::Device(_) => {}
            }
        }
    }

    fn call(&mut self, record: &Record) {
        let Record::Call { api, name, arguments, result, answer, thread, correlation, start_ns, ns } = record else {
            return;
        };
        let cat = if *api == Api::Runtime { "cuda_runtime" } else { "cuda_driver" };
        let args = json!({
            "External id": correlation, "correlation": correlation,
            "arguments": arguments, "result": result, "answer": answer,
        });
        self.slice(cat, name, (self.process.pid.into(), *thread), (*start_ns, *ns), args);
    }

    fn slice(&mut self, cat: &str, name: &str, (pid, tid): (u64, u64), (start_ns, ns): (u64, u64), args: Value) {
        let (ts, dur) = (self.microseconds(start_ns), ns as f64 / 1e3);
        self.events.push(json!({
            "ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": args,
        }));
    }

    fn work(&mut self, work: &Work, note: Note, start_ns: u64, ns: u64) {
        let Note { correlation, stream, context, device } = note;
        let mut args = json!({
            "External id": correlation, "correlation": correlation,
            "device": device, "context": context, "stream": stream,
        });
        let rate = |bytes: u64| if ns == 0 { 0.0 } else { bytes as f64 / ns as f64 };
        let (cat, name) = match work {
            Work::Kernel { name, grid, block, shared_bytes } => {
                args["queued"] = 0.into();
                args["grid"] = json!(grid);
                args["block"] = json!(block);
                args["shared memory"] = (*shared_bytes).into();
                let facts = self.process.devices.iter().find(|facts| facts.id == device);
                if let Some(n) = facts.map(|facts| f64::from(facts.multiprocessors.max(1))) {
                    let volume = |dim: &[u32; 3]| dim.iter().map(|n| f64::from(*n)).product::<f64>();
                    args["blocks per SM"] = json!(volume(grid) / n);
                    args["warps per SM"] = json!(volume(grid) * (volume(block) / 32.0).ceil() / n);
                }
                ("kernel", name.clone())
            }
            Work::Copy { to_device, from_device, bytes } => {
                args["bytes"] = (*bytes).into();
                args["memory bandwidth (GB/s)"] = json!(rate(*bytes));
                let side = |device| if device { ("D", "Device") } else { ("H", "Pageable") };
                let (from, to) = (side(*from_device), side(*to_device));
                ("gpu_memcpy", format!("Memcpy {}to{} ({} -> {})", from.0, to.0, from.1, to.1))
            }
            Work::Fill { bytes } => {
                args["bytes"] = (*bytes).into();
                args["memory bandwidth (GB/s)"] = json!(rate(*bytes));
                ("gpu_memset", "Memset (Device)".to_owned())
            }
        };
        self.slice(cat, &name, (self.device_pid(device), stream), (start_ns, ns), args);
    }

    fn arrow(&mut self, note: Note, thread: u64, called_ns: u64, start_ns: u64) {
        let (from, to) = (self.microseconds(called_ns), self.microseconds(start_ns));
        let (pid, device, id) = (self.process.pid, self.device_pid(note.device), note.correlation);
        self.events
            .push(json!({ "ph": "s", "id": id, "pid": pid, "tid": thread, "ts": from, "cat": "ac2g", "name": "ac2g" }));
        self.events.push(json!({
            "ph": "f", "id": id, "pid": device, "tid": note.stream, "ts": to, "cat": "ac2g", "name": "ac2g", "bp": "e",
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_has_kinetos_keys_and_an_arrow_from_its_call() {
        let note = Note { correlation: 4, stream: 7, context: 1, device: 0 };
        let work = Work::Kernel { name: "k".to_owned(), grid: [4, 1, 1], block: [48, 1, 1], shared_bytes: 16 };
        let call = Record::Call {
            api: Api::Driver,
            name: "cuLaunchKernel".to_owned(),
            arguments: String::new(),
            result: 0,
            answer: "CUDA_SUCCESS".to_owned(),
            thread: 11,
            correlation: 4,
            start_ns: 5_000,
            ns: 2_000,
        };
        let records = vec![call, Record::Work { work, note, start_ns: 6_000, ns: 500 }];
        let devices = vec![DeviceFacts { multiprocessors: 2, ..DeviceFacts::default() }];
        let processes = vec![Process { pid: 10, records, devices, ..Process::default() }];
        let value = chrome(&Trace { processes, n_broken_lines: 0 }, "t");
        let events = value["traceEvents"].as_array().unwrap();
        let find = |cat: &str| events.iter().filter(|event| event["cat"] == cat).collect::<Vec<_>>();
        let kernel = find("kernel")[0];
        assert_eq!((kernel["ts"].as_f64(), kernel["dur"].as_f64()), (Some(1.0), Some(0.5)));
        assert_eq!((&kernel["pid"], &kernel["tid"], &kernel["args"]["correlation"]), (&json!(0), &json!(7), &json!(4)));
        assert_eq!((&kernel["args"]["grid"], &kernel["args"]["blocks per SM"]), (&json!([4, 1, 1]), &json!(2.0)));
        assert_eq!(kernel["args"]["warps per SM"], json!(4.0));
        assert_eq!(find("cuda_driver")[0]["args"]["correlation"], 4);
        assert_eq!(find("ac2g").iter().map(|event| event["ph"].as_str()).collect::<Vec<_>>(), [Some("s"), Some("f")]);
        assert_eq!((&value["baseTimeNanoseconds"], &value["deviceProperties"][0]["numSms"]), (&json!(5000), &json!(2)));
    }
}
