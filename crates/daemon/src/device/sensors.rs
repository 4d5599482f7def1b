//! What the machine says about itself: temperature, power, memory pressure. A sensor that is missing is missing, with a reason.

use crate::api::types::Sensor;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Readings of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Hottest temperature in degrees Celsius.
    pub temperature_c: Sensor,
    /// Power in watts.
    pub power_w: Sensor,
    /// Percent of time that something waited for memory, over ten seconds.
    pub memory_pressure_percent: Sensor,
}

/// The machine's sensors, under a root that is `/` except in tests.
#[derive(Debug)]
pub struct Sensors {
    root: PathBuf,
    /// Energy counter and when it was read.
    energy: Option<(u64, Instant)>,
}

impl Default for Sensors {
    fn default() -> Self {
        Self::under(Path::new("/"))
    }
}

impl Sensors {
    /// Sensors of the system whose files are under this folder.
    pub fn under(root: &Path) -> Self {
        Self { root: root.to_path_buf(), energy: None }
    }

    /// Reads all of them.
    pub fn read(&mut self, now: Instant) -> Snapshot {
        Snapshot {
            temperature_c: self.temperature(),
            power_w: self.power(now),
            memory_pressure_percent: self.pressure(),
        }
    }

    fn folders(&self, path: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.root.join(path)) else { return Vec::new() };
        let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.sort();
        folders
    }

    fn temperature(&self) -> Sensor {
        let mut readings: Vec<(f64, String)> = Vec::new();
        for zone in self.folders("sys/class/thermal") {
            readings.extend(number(&zone.join("temp")).map(|mc| (mc / 1000.0, name(&zone))));
        }
        for chip in self.folders("sys/class/hwmon") {
            for idx in 1..=16 {
                readings.extend(number(&chip.join(format!("temp{idx}_input"))).map(|mc| (mc / 1000.0, name(&chip))));
            }
        }
        // Sensors that are not connected read as absolute zero or as hundreds of degrees.
        readings.retain(|(degrees, _)| (-50.0..200.0).contains(degrees));
        match readings.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((degrees, from)) => Sensor { value: Some(degrees), reason: from },
            None => missing("neither /sys/class/thermal nor /sys/class/hwmon has a temperature"),
        }
    }

    fn power(&mut self, now: Instant) -> Sensor {
        let counter = self.root.join("sys/class/powercap/intel-rapl:0/energy_uj");
        let text = match std::fs::read_to_string(&counter) {
            Ok(text) => text,
            Err(error) => return missing(&format!("cannot read {}: {error}", counter.display())),
        };
        let Ok(energy) = text.trim().parse::<u64>() else { return missing("the energy counter is not a number") };
        let before = self.energy.replace((energy, now));
        match before {
            Some((then, at)) if energy >= then && now > at => {
                let watts = (energy - then) as f64 / 1e6 / (now - at).as_secs_f64();
                Sensor { value: Some(watts), reason: "intel-rapl:0".to_owned() }
            }
            _ => missing("the energy counter was read once so far, or wrapped"),
        }
    }

    fn pressure(&self) -> Sensor {
        let path = self.root.join("proc/pressure/memory");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return missing(&format!("cannot read {}: {error}", path.display())),
        };
        let some = text.lines().find_map(|line| line.strip_prefix("some "));
        let percent = some.and_then(|line| line.split(' ').find_map(|part| part.strip_prefix("avg10=")));
        match percent.and_then(|number| number.parse().ok()) {
            Some(percent) => Sensor { value: Some(percent), reason: "/proc/pressure/memory".to_owned() },
            None => missing("/proc/pressure/memory has no line of the expected form"),
        }
    }
}

fn missing(reason: &str) -> Sensor {
    Sensor { value: None, reason: reason.to_owned() }
}

fn number(path: &Path) -> Option<f64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sensors_are_read_or_missing_with_a_reason() {
        let root = std::env::temp_dir().join(format!("vgpu-sensors-{}", std::process::id()));
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let mut sensors = Sensors::under(&root);
        let now = Instant::now();
        let nothing = sensors.read(now);
        for sensor in [&nothing.temperature_c, &nothing.power_w, &nothing.memory_pressure_percent] {
            assert!(sensor.value.is_none() && !sensor.reason.is_empty(), "{sensor:?}");
        }
        put("sys/class/thermal/thermal_zone0/temp", "41000\n");
        put("sys/class/hwmon/hwmon0/temp1_input", "52500\n");
        put("sys/class/hwmon/hwmon0/temp2_input", "-273150\n");
        put("sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n");
        put("proc/pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.10 total=1\nfull avg10=0.00\n");
        assert_eq!(sensors.read(now).power_w.value, None, "one reading is no power");
        put("sys/class/powercap/intel-rapl:0/energy_uj", "61000000\n");
        let read = sensors.read(now + Duration::from_secs(2));
        assert_eq!(read.temperature_c.value, Some(52.5));
        assert_eq!(read.power_w.value, Some(30.0));
        assert_eq!(read.memory_pressure_percent.value, Some(12.5));
        std::fs::remove_dir_all(&root).expect("removed");
    }
}
