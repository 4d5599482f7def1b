//! The devices of a process: one with all processors, or those that `VGPU_DEVICES` names, each with processors of its own.
//!
//! Model. `VGPU_DEVICES` is a number of devices, which then all have the whole machine, or a list of devices separated by
//! semicolons. Each is a list of processors (`0-3,8`), after `software:`
//! when it should be said, or after `eco:` for a coprocessor, which has one processor; `eco` alone takes the last processor
//! that no other device has. Devices never share a processor. A device's threads run on its own processors and nowhere else, so
//! a thread that waits for one of these devices does not help it, as it would help the device that has the whole machine.
//!
//! The devices share the machine's memory: each may use its part of it, and each reaches the others' (see
//! [`crate::Replicated`] for memory of which each has its own copy).

use crate::device::{Device, DeviceConfig};
use crate::error::Error;
use crate::exec::os;
use std::sync::{Mutex, PoisonError};

/// Devices that a number may ask for.
const MAX_DEVICES: usize = 16;

const ACCEPTED: &str = "accepted are a number of devices from 1 to 16, or lists of processors such as 0-3,8 separated by \
                        semicolons, each after \"software:\" or, with one processor, \"eco:\"";

/// What `VGPU_DEVICES` says of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spec {
    /// `software(0)`, `software-eco`.
    label: String,
    cores: Vec<usize>,
}

/// All devices of the process, in the order of `VGPU_DEVICES`; made once.
pub(crate) fn all() -> Result<Vec<Device>, Error> {
    static ALL: Mutex<Vec<Device>> = Mutex::new(Vec::new());
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if all.is_empty() {
        *all = make(std::env::var("VGPU_DEVICES").ok().as_deref())?;
    }
    Ok(all.clone())
}

fn make(setting: Option<&str>) -> Result<Vec<Device>, Error> {
    let config = DeviceConfig::from_environment()?;
    let Some(text) = setting.filter(|text| !text.trim().is_empty()) else {
        return Ok(vec![Device::new(config)?]);
    };
    if let Ok(n) = text.trim().parse() {
        if !(1..=MAX_DEVICES).contains(&n) {
            return Err(Error::Setting(format!("VGPU_DEVICES is \"{text}\"; {ACCEPTED}")));
        }
        let label = |idx| format!("software({idx})");
        return (0..n).map(|idx| Device::new(DeviceConfig { label: label(idx), ..config.clone() })).collect();
    }
    let specs = parse(text, &os::allowed_processors())?;
    let n = specs.len() as u64;
    let device = |spec: Spec| {
        Device::new(DeviceConfig {
            n_workers: spec.cores.len() as u32,
            cores: spec.cores,
            label: spec.label,
            memory_bytes: config.memory_bytes / n,
            memory_budget: config.memory_budget.as_ref().map(|budget| budget.shared_by(n)),
            ..config.clone()
        })
    };
    specs.into_iter().map(device).collect()
}

fn parse(text: &str, allowed: &[usize]) -> Result<Vec<Spec>, Error> {
    let wrong = |what: String| Error::Setting(format!("VGPU_DEVICES is \"{text}\": {what}; {ACCEPTED}"));
    let mut specs: Vec<Spec> = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    let mut unplaced = Vec::new();
    for item in text.split(';').map(str::trim) {
        let (kind, cores) =
            item.split_once(':').unwrap_or(if item == "eco" { ("eco", "") } else { ("software", item) });
        let eco = match kind.trim() {
            "eco" => true,
            "software" => false,
            other => return Err(wrong(format!("\"{other}\" is no kind of device"))),
        };
        if eco && specs.iter().any(|spec| spec.label == "software-eco") {
            return Err(wrong("there is one coprocessor at most".to_owned()));
        }
        let cores = if eco && cores.trim().is_empty() {
            unplaced.push(specs.len());
            Vec::new()
        } else {
            core_list(cores).ok_or_else(|| wrong(format!("\"{}\" is no list of processors", cores.trim())))?
        };
        if eco && cores.len() > 1 {
            return Err(wrong(format!("the coprocessor has one processor, not {}", cores.len())));
        }
        for &core in &cores {
            if !allowed.contains(&core) {
                return Err(wrong(format!("processor {core} is not one of those this process may use, {allowed:?}")));
            }
            if taken.contains(&core) {
                return Err(wrong(format!("processor {core} is named twice")));
            }
            taken.push(core);
        }
        let n_full = specs.iter().filter(|spec| spec.label != "software-eco").count();
        let label = if eco { "software-eco".to_owned() } else { format!("software({n_full})") };
        specs.push(Spec { label, cores });
    }
    for idx in unplaced {
        let free = allowed.iter().rev().find(|core| !taken.contains(core));
        let core = *free.ok_or_else(|| wrong("no processor is left for the coprocessor".to_owned()))?;
        specs[idx].cores.push(core);
    }
    Ok(specs)
}

/// Processors of a list such as `0-3,8`.
fn core_list(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= 1 << 16 {
            return None;
        }
        cores.extend(first..=last);
    }
    (!cores.is_empty()).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Vec<(String, Vec<usize>)>, String> {
        let specs = parse(text, &(0..8).collect::<Vec<_>>()).map_err(|error| error.to_string())?;
        Ok(specs.into_iter().map(|spec| (spec.label, spec.cores)).collect())
    }

    #[test]
    fn devices_are_named_with_their_processors() {
        let expected = [("software(0)", vec![0, 1, 2]), ("software(1)", vec![4, 6]), ("software-eco", vec![7])];
        let expected: Vec<_> = expected.into_iter().map(|(label, cores)| (label.to_owned(), cores)).collect();
        assert_eq!(said("0-2; software: 4,6 ;eco").unwrap(), expected);
        assert_eq!(said("0-2;4,6;eco:7").unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said() {
        let message = |text: &str| said(text).unwrap_err();
        for (text, part) in [
            ("0-1;1-2", "processor 1 is named twice"),
            ("0-8", "processor 8 is not one of those this process may use, [0, 1, 2, 3, 4, 5, 6, 7]"),
            ("eco:0,1", "the coprocessor has one processor, not 2"),
            ("eco;eco", "there is one coprocessor at most"),
            ("0-7;eco", "no processor is left for the coprocessor"),
            ("gpu:0", "\"gpu\" is no kind of device"),
            ("3-1", "\"3-1\" is no list of processors"),
            ("0;", "\"\" is no list of processors"),
            ("0-99999999999", "is no list of processors"),
        ] {
            assert!(message(text).contains(part), "{text}: {}", message(text));
            assert!(message(text).contains("accepted are a number"), "{text}: {}", message(text));
        }
    }

    #[test]
    fn devices_of_a_list_run_where_it_says() {
        let allowed = os::allowed_processors();
        let last = *allowed.last().unwrap();
        let devices = make(Some(&format!("eco:{last}"))).unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!((devices[0].label(), devices[0].properties().multiprocessor_count), ("software-eco", 1));
        assert_eq!(make(None).unwrap()[0].label(), "software(0)");
        let labels: Vec<_> = make(Some("2")).unwrap().iter().map(|device| device.label().to_owned()).collect();
        assert_eq!(labels, ["software(0)", "software(1)"]);
        assert!(make(Some("17")).unwrap_err().to_string().contains("1 to 16"));
    }
}
