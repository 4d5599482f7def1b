//! How much of a resource there is, from what sensors say: the pure part of protecting the machine.
//!
//! * Above its thermal threshold a device computes and moves less: in proportion, down to a tenth at the critical
//!   temperature.
//! * Above its power limit, as much less as it draws too much.
//! * Under memory pressure there is less memory to lease: in proportion, from the threshold down to half.
//! * A failed device takes its part of everything away.
//!
//! The factors multiply. A sensor that is missing reduces nothing and is reported as missing, never as fine.
//! The caller applies the outcome with [`crate::Command::Supply`], before a clearing or at once.

use crate::config::{Class, Resource};

/// Thresholds of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Above this temperature, in thousandths of a degree Celsius, compute and bandwidth shrink.
    pub thermal_mc: i32,
    /// At this temperature a tenth is left.
    pub critical_mc: i32,
    /// Power limit, in milliwatts.
    pub power_mw: u32,
    /// Memory pressure, in thousandths of time stalled, above which memory shrinks.
    pub pressure_permille: u32,
}

impl Default for Thresholds {
    /// 80 degrees (critical: 95), 250 W, a tenth of the time stalled.
    fn default() -> Self {
        Self { thermal_mc: 80_000, critical_mc: 95_000, power_mw: 250_000, pressure_permille: 100 }
    }
}

/// What the sensors say; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Hottest temperature, in thousandths of a degree Celsius.
    pub temperature_mc: Option<i32>,
    /// Power drawn, in milliwatts.
    pub power_mw: Option<u32>,
    /// Part of the time stalled for memory, in thousandths.
    pub pressure_permille: Option<u32>,
    /// Devices there are.
    pub devices: u32,
    /// Devices of these that failed.
    pub failed: u32,
}

/// Why supply is below capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Temperature above its threshold.
    Thermal,
    /// Power above its limit.
    Power,
    /// Memory pressure above its threshold.
    MemoryPressure,
    /// Devices failed.
    FailedDevice,
}

/// Supply of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// Units there are.
    pub units: u32,
    /// What reduced them.
    pub causes: Vec<Cause>,
}

/// A factor, in millionths.
type Ppm = u64;
const ALL: Ppm = 1_000_000;

/// The supply of each resource.
pub fn derate(resources: &[Resource], readings: &Readings, thresholds: &Thresholds) -> Vec<Supply> {
    let factors = [
        (Cause::Thermal, thermal(readings, thresholds)),
        (Cause::Power, power(readings, thresholds)),
        (Cause::MemoryPressure, pressure(readings, thresholds)),
        (Cause::FailedDevice, working(readings)),
    ];
    let one = |resource: &Resource| {
        let acting = factors.iter().filter(|(cause, factor)| *factor < ALL && concerns(*cause, resource.class));
        let units = acting.clone().fold(u64::from(resource.capacity), |units, (_, factor)| units * factor / ALL);
        Supply { units: units as u32, causes: acting.map(|(cause, _)| *cause).collect() }
    };
    resources.iter().map(one).collect()
}

const fn concerns(cause: Cause, class: Class) -> bool {
    match cause {
        Cause::Thermal | Cause::Power => matches!(class, Class::Compute | Class::Bandwidth),
        Cause::MemoryPressure => matches!(class, Class::Memory),
        Cause::FailedDevice => true,
    }
}

/// From all of it at `from` down to `rest` at `to` and beyond.
fn falling(at: i64, from: i64, to: i64, rest: Ppm) -> Ppm {
    if at <= from {
        return ALL;
    }
    if at >= to {
        return rest;
    }
    ALL - (ALL - rest) * (at - from) as u64 / (to - from) as u64
}

fn thermal(readings: &Readings, thresholds: &Thresholds) -> Ppm {
    let at = |mc: i32| falling(mc.into(), thresholds.thermal_mc.into(), thresholds.critical_mc.into(), ALL / 10);
    readings.temperature_mc.map_or(ALL, at)
}

fn power(readings: &Readings, thresholds: &Thresholds) -> Ppm {
    match readings.power_mw {
        Some(drawn) if drawn > thresholds.power_mw => ALL * u64::from(thresholds.power_mw) / u64::from(drawn),
        _ => ALL,
    }
}

fn pressure(readings: &Readings, thresholds: &Thresholds) -> Ppm {
    let at = |permille: u32| falling(permille.into(), thresholds.pressure_permille.into(), 1000, ALL / 2);
    readings.pressure_permille.map_or(ALL, at)
}

fn working(readings: &Readings) -> Ppm {
    if readings.devices == 0 {
        return ALL;
    }
    ALL * u64::from(readings.devices.saturating_sub(readings.failed)) / u64::from(readings.devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(readings: &Readings) -> Vec<u32> {
        let resources = [Resource::share("compute", Class::Compute), Resource::share("ram", Class::Memory)];
        derate(&resources, readings, &Thresholds::default()).iter().map(|supply| supply.units).collect()
    }

    #[test]
    fn each_cause_reduces_what_it_concerns() {
        let none = Readings::default();
        assert_eq!(units(&none), [10_000, 10_000]);
        assert_eq!(units(&Readings { temperature_mc: Some(80_000), ..none }), [10_000, 10_000]);
        assert_eq!(units(&Readings { temperature_mc: Some(87_500), ..none }), [5_500, 10_000]);
        assert_eq!(units(&Readings { temperature_mc: Some(200_000), ..none }), [1_000, 10_000]);
        assert_eq!(units(&Readings { power_mw: Some(500_000), ..none }), [5_000, 10_000]);
        assert_eq!(units(&Readings { pressure_permille: Some(550), ..none }), [10_000, 7_500]);
        assert_eq!(units(&Readings { devices: 4, failed: 1, ..none }), [7_500, 7_500]);
        assert_eq!(units(&Readings { devices: 1, failed: 3, ..none }), [0, 0]);
        let both = Readings { power_mw: Some(500_000), devices: 2, failed: 1, ..none };
        assert_eq!(units(&both), [2_500, 5_000]);
    }

    #[test]
    fn causes_are_named() {
        let readings = Readings { temperature_mc: Some(90_000), devices: 2, failed: 1, ..Readings::default() };
        let supply = derate(&[Resource::share("compute", Class::Compute)], &readings, &Thresholds::default());
        assert_eq!(supply[0].causes, [Cause::Thermal, Cause::FailedDevice]);
    }
}
