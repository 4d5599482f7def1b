//! The emergency cool-down: what a device does when it gets too hot, as a state machine that alone moves itself.
//!
//! ```text
//! Normal --threshold--> Throttled --critical--> Emergency --below resume--> Cooling --hold time--> Recovering --steps--> Normal
//!    \------------------critical----------------^   ^---------critical--------/            /
//!                                                    \-----------------critical-----------/
//! ```
//! * **Normal**: full pace. **Throttled**: the pace falls with the temperature; back to normal below the resume temperature.
//! * **Emergency**: nothing runs. It ends only below the resume temperature, so it cannot flutter at the threshold.
//! * **Cooling**: still nothing runs, for a hold time; a rise above the threshold starts the time again.
//! * **Recovering**: the pace rises in steps; a step too hot falls back to throttled.
//!
//! A missing reading changes nothing for a grace period; after it, a device that cannot say how hot it is is treated as if
//! it were at its threshold.

/// Where the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Full pace.
    Normal,
    /// Slower.
    Throttled,
    /// Stopped.
    Emergency,
    /// Stopped until the hold time is over.
    Cooling,
    /// Getting faster, step by step.
    Recovering,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Normal, Self::Throttled, Self::Emergency, Self::Cooling, Self::Recovering];
}

/// Temperatures in thousandths of a degree, times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Below this a stopped or slowed device may go on.
    pub resume_mc: i32,
    /// At this it slows down.
    pub threshold_mc: i32,
    /// At this it stops.
    pub critical_mc: i32,
    /// How long it stays stopped after it has cooled.
    pub hold_ns: u64,
    /// How long each step of the recovery lasts.
    pub step_ns: u64,
    /// How long a reading is good for.
    pub grace_ns: u64,
}

impl Default for Limits {
    /// 70, 80 and 95 degrees; 5 s of hold, steps of 1 s, readings good for 2 s.
    fn default() -> Self {
        let second = 1_000_000_000;
        Self {
            resume_mc: 70_000,
            threshold_mc: 80_000,
            critical_mc: 95_000,
            hold_ns: 5 * second,
            step_ns: second,
            grace_ns: 2 * second,
        }
    }
}

/// Steps of the recovery.
const STEPS: u32 = 4;

/// The state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    limits: Limits,
    phase: Phase,
    /// Since when it is in this phase, or in this step of it.
    since_ns: u64,
    step: u32,
    temperature_mc: i32,
    read_ns: u64,
}

impl Cooldown {
    /// A device that is cold at this time.
    pub const fn new(limits: Limits, now_ns: u64) -> Self {
        let temperature_mc = limits.resume_mc;
        Self { limits, phase: Phase::Normal, since_ns: now_ns, step: 0, temperature_mc, read_ns: now_ns }
    }

    /// The phase.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The pace at which launches may go on, in thousandths.
    pub fn pace_permille(&self) -> u32 {
        let Limits { threshold_mc, critical_mc, .. } = self.limits;
        match self.phase {
            Phase::Normal => 1000,
            Phase::Throttled => {
                let above = i64::from(self.temperature_mc.clamp(threshold_mc, critical_mc) - threshold_mc);
                let range = i64::from(critical_mc - threshold_mc).max(1);
                (900 - 800 * above / range) as u32
            }
            Phase::Emergency | Phase::Cooling => 0,
            Phase::Recovering => 1000 * (self.step + 1) / (STEPS + 1),
        }
    }

    /// Time passes; `reading` is the temperature, if there is one now. Returns the new phase when it changed.
    pub fn update(&mut self, now_ns: u64, reading: Option<i32>) -> Option<Phase> {
        match reading {
            Some(temperature) => (self.temperature_mc, self.read_ns) = (temperature, now_ns),
            None if now_ns.saturating_sub(self.read_ns) > self.limits.grace_ns => {
                self.temperature_mc = self.temperature_mc.max(self.limits.threshold_mc);
            }
            None => {}
        }
        let next = self.next(now_ns);
        if next == self.phase {
            return None;
        }
        (self.phase, self.since_ns, self.step) = (next, now_ns, 0);
        Some(next)
    }

    fn next(&mut self, now_ns: u64) -> Phase {
        let Limits { resume_mc, threshold_mc, critical_mc, hold_ns, step_ns, .. } = self.limits;
        let (hot, waited) = (self.temperature_mc, now_ns.saturating_sub(self.since_ns));
        if hot >= critical_mc {
            return Phase::Emergency;
        }
        match self.phase {
            Phase::Normal | Phase::Recovering if hot >= threshold_mc => Phase::Throttled,
            Phase::Normal => Phase::Normal,
            Phase::Throttled if hot < resume_mc => Phase::Normal,
            Phase::Throttled => Phase::Throttled,
            Phase::Emergency if hot < resume_mc => Phase::Cooling,
            Phase::Emergency => Phase::Emergency,
            Phase::Cooling if hot >= threshold_mc => {
                self.since_ns = now_ns;
                Phase::Cooling
            }
            Phase::Cooling if waited >= hold_ns => Phase::Recovering,
            Phase::Cooling => Phase::Cooling,
            Phase::Recovering if waited < step_ns => Phase::Recovering,
            Phase::Recovering if self.step + 1 < STEPS => {
                (self.step, self.since_ns) = (self.step + 1, now_ns);
                Phase::Recovering
            }
            Phase::Recovering => Phase::Normal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { resume_mc: 70, threshold_mc: 80, critical_mc: 95, hold_ns: 50, step_ns: 10, grace_ns: 20 };

    /// Every phase at every temperature, at once and after a long time: the whole table.
    #[test]
    fn all_transitions() {
        use Phase::{Cooling, Emergency, Normal, Recovering, Throttled};
        // Cold, warm, above the threshold, critical: at once.
        let table = [
            (Normal, [Normal, Normal, Throttled, Emergency]),
            (Throttled, [Normal, Throttled, Throttled, Emergency]),
            (Emergency, [Cooling, Emergency, Emergency, Emergency]),
            (Cooling, [Cooling, Cooling, Cooling, Emergency]),
            (Recovering, [Recovering, Recovering, Throttled, Emergency]),
        ];
        for (phase, expected) in table {
            for (temperature, expected) in [60, 75, 85, 95].into_iter().zip(expected) {
                let mut cooldown = Cooldown { phase, ..Cooldown::new(LIMITS, 0) };
                let told = cooldown.update(1, Some(temperature));
                assert_eq!(cooldown.phase(), expected, "{phase:?} at {temperature}");
                assert_eq!(told, (phase != expected).then_some(expected));
            }
        }
        assert_eq!(table.len(), Phase::ALL.len());
    }

    #[test]
    fn a_whole_emergency() {
        let mut cooldown = Cooldown::new(LIMITS, 0);
        let mut story = Vec::new();
        let mut tell = |now: u64, temperature: i32| {
            cooldown.update(now, Some(temperature));
            story.push((now, cooldown.phase(), cooldown.pace_permille()));
        };
        tell(1, 60);
        tell(2, 80);
        tell(3, 94);
        tell(4, 96);
        tell(5, 75);
        tell(6, 69);
        tell(30, 81);
        tell(79, 60);
        tell(80, 60);
        for now in [85, 90, 100, 110, 119, 120] {
            tell(now, 60);
        }
        let expected = [
            (1, Phase::Normal, 1000),
            (2, Phase::Throttled, 900),
            (3, Phase::Throttled, 154),
            (4, Phase::Emergency, 0),
            (5, Phase::Emergency, 0),
            (6, Phase::Cooling, 0),
            (30, Phase::Cooling, 0),
            (79, Phase::Cooling, 0),
            (80, Phase::Recovering, 200),
            (85, Phase::Recovering, 200),
            (90, Phase::Recovering, 400),
            (100, Phase::Recovering, 600),
            (110, Phase::Recovering, 800),
            (119, Phase::Recovering, 800),
            (120, Phase::Normal, 1000),
        ];
        assert_eq!(story, expected);
    }

    #[test]
    fn silence_is_not_health() {
        let mut cooldown = Cooldown::new(LIMITS, 0);
        assert_eq!(cooldown.update(20, None), None);
        assert_eq!(cooldown.update(21, None), Some(Phase::Throttled));
        assert_eq!(cooldown.update(22, Some(60)), Some(Phase::Normal));
    }
}
