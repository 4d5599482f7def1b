//! A trace as text: one line per call, in the order of their start.

use crate::reader::Trace;
use crate::record::{Api, Record};
use std::fmt::Write as _;

/// Calls with time since the first one, duration, process, arguments and result. Driver calls that a runtime call made are
/// indented under it.
pub fn listing(trace: &Trace) -> String {
    let mut calls: Vec<(u32, &Record)> = Vec::new();
    for process in &trace.processes {
        let of = process.records.iter().filter(|record| matches!(record, Record::Call { .. }));
        calls.extend(of.map(|record| (process.pid, record)));
    }
    calls.sort_by_key(|(_, record)| record.start_ns());
    let Some(first) = calls.first().map(|(_, record)| record.start_ns()) else { return String::new() };
    let mut text = String::new();
    // The runtime call that each thread is in: thread and end.
    let mut inside: Vec<(u32, u64, u64)> = Vec::new();
    for (pid, record) in calls {
        let Record::Call { api, name, arguments, result, answer, thread, start_ns, ns, .. } = record else { continue };
        let end = start_ns.saturating_add(*ns);
        let mut indent = "";
        match api {
            Api::Runtime => {
                inside.retain(|(other, number, _)| (*other, *number) != (pid, *thread));
                inside.push((pid, *thread, end));
            }
            Api::Driver => {
                let outer = inside.iter().find(|(other, number, _)| (*other, *number) == (pid, *thread));
                if outer.is_some_and(|(.., outer)| end <= *outer) {
                    indent = "  ";
                }
            }
        }
        let (at, took) = ((start_ns - first) as f64 / 1e6, *ns as f64 / 1e3);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{at:>12.3} ms {took:>12.1} us  {pid} {thread}  {indent}{name}({arguments}) = {result} {answer}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Process;

    fn call(api: Api, name: &str, start_ns: u64, ns: u64) -> Record {
        let (arguments, answer) = ("n=1".to_owned(), "fine".to_owned());
        let name = name.to_owned();
        Record::Call { api, name, arguments, result: 0, answer, thread: 1, correlation: 2, start_ns, ns }
    }

    #[test]
    fn driver_calls_stand_under_the_runtime_call_that_made_them() {
        let records = vec![
            call(Api::Runtime, "cudaMalloc", 1000, 5000),
            call(Api::Driver, "cuMemAlloc_v2", 2000, 1000),
            call(Api::Driver, "cuInit", 9000, 100),
        ];
        let processes = vec![Process { pid: 9, records, ..Process::default() }];
        let text = listing(&Trace { processes, n_broken_lines: 0 });
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("9 1  cudaMalloc(n=1) = 0 fine"), "{text}");
        assert!(lines[1].ends_with("9 1    cuMemAlloc_v2(n=1) = 0 fine"), "{text}");
        assert!(lines[2].ends_with("9 1  cuInit(n=1) = 0 fine"), "{text}");
        assert!(lines[1].starts_with("       0.001 ms          1.0 us"), "{text}");
    }
}
