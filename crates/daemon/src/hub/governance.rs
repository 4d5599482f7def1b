//! Sensors to signals to facts to proposals: the daemon looks after its machine.
//!
//! Once a second every sensor that exists gives a signal. They are served in the order of their rank, become facts, and the rules
//! are asked. The supply of the market follows the readings, and the cool-down follows the temperature. All of it proposes;
//! the guard decides.

use super::epoch::Author;
use super::{HubError, State, remember};
use crate::api::types::{DryRunView, RuleChange, RuleSet, RuleView, SignalView};
use crate::jobs::now_ns;
use std::time::Instant;
use vgpu_market::supply::{Readings, derate};
use vgpu_market::{Command, Epoch, ResourceId};
use vgpu_policy::rules::{RuleError, RuleText};
use vgpu_policy::{Change, Domain, Signal};

/// Names of the sources, which signals carry by number. The name is also the fact's.
const SOURCES: [(&str, Domain, u8); 8] = [
    ("temperature_c", Domain::Safety, 255),
    ("power_w", Domain::Power, 200),
    ("run_p99_ms", Domain::Deadline, 128),
    ("memory_pressure_percent", Domain::Memory, 128),
    ("memory_used_percent", Domain::Memory, 64),
    ("queue_delay_ms", Domain::Queue, 128),
    ("compute_price", Domain::Economy, 64),
    ("utilisation_percent", Domain::Telemetry, 64),
];

impl State {
    pub(super) fn sense(&mut self, now: Instant) {
        self.snapshot = self.sensors.read(now);
        let time_ns = now_ns();
        let utilisation = self.utilisation_percent();
        let compute_price = self.next_price(0);
        let used: u64 = self.tenants.keys().map(|tenant| self.jobs.used_bytes(*tenant)).sum();
        let readings = [
            self.snapshot.temperature_c.value,
            self.snapshot.power_w.value,
            Some(self.jobs.figures().run_p99_ms),
            self.snapshot.memory_pressure_percent.value,
            Some(used as f64 * 100.0 / self.settings.memory_bytes as f64),
            Some(self.jobs.queue_delay_ms()),
            Some(compute_price),
            Some(utilisation),
        ];
        for (source, (reading, (_, domain, utility))) in readings.into_iter().zip(SOURCES).enumerate() {
            if let Some(value) = reading {
                self.signals.push(Signal { domain, source: source as u16, utility, value, time_ns });
            }
        }
        while let Some(signal) = self.signals.pop() {
            let (name, ..) = SOURCES[usize::from(signal.source)];
            self.facts.insert(name.to_owned(), signal.value);
            let (time_ns, domain) = (signal.time_ns, format!("{:?}", signal.domain).to_lowercase());
            remember(
                &mut self.recent_signals,
                SignalView { time_ns, domain, source: name.to_owned(), value: signal.value },
            );
        }
        self.cool(time_ns);
        self.follow_supply();
        self.ask_rules();
    }

    /// The cool-down sees the temperature; what it says about the pace comes before everything else.
    fn cool(&mut self, time_ns: u64) {
        let reading = self.snapshot.temperature_c.value.map(|degrees| (degrees * 1000.0) as i32);
        self.has_thermometer |= reading.is_some();
        if self.has_thermometer {
            self.cooldown.update(time_ns, reading);
        }
        let pace = self.cooldown.pace_permille().min(self.wanted_pace);
        if pace != self.device.view().pace_permille {
            let because = format!("the device is in phase {:?}", self.cooldown.phase());
            if let Err(error) = self.propose(Author::Cooldown, &because, Change::Pace { permille: pace }) {
                self.log_error(format!("the cool-down could not set the pace: {error}"));
            }
        }
    }

    fn follow_supply(&mut self) {
        let snapshot = &self.snapshot;
        let readings = Readings {
            temperature_mc: snapshot.temperature_c.value.map(|degrees| (degrees * 1000.0) as i32),
            power_mw: snapshot.power_w.value.map(|watts| (watts * 1000.0) as u32),
            pressure_permille: snapshot.memory_pressure_percent.value.map(|percent| (percent * 10.0) as u32),
            devices: 1,
            failed: 0,
        };
        let mut thresholds = self.settings.thresholds;
        thresholds.power_mw = self.device.view().power_mw;
        let market = self.market.market();
        let wanted = derate(&market.config().resources, &readings, &thresholds);
        let now = market.supply().to_vec();
        let mut changed = Vec::new();
        for (resource, (wanted, now)) in wanted.iter().zip(now).enumerate() {
            if wanted.units == now {
                continue;
            }
            let command = Command::Supply { resource: ResourceId(resource as u16), units: wanted.units };
            match self.command(&command) {
                Ok(_) => changed.push(format!("{:?}", wanted.causes)),
                Err(error) => self.log_error(format!("the supply could not follow the sensors: {error}")),
            }
        }
        if !changed.is_empty() {
            self.enforce_shares(&format!("the supply changed: {}", changed.join(" ")));
        }
    }

    fn ask_rules(&mut self) {
        let verdict = self.rules.evaluate(&self.facts);
        for RuleError { rule, what } in verdict.errors {
            remember(&mut self.rule_errors, format!("rule {rule}: {what}"));
        }
        for (rule, change) in verdict.proposals {
            let in_force = match change {
                Change::Pace { permille } => {
                    self.wanted_pace = permille;
                    permille.min(self.cooldown.pace_permille()) == self.device.view().pace_permille
                }
                Change::Workers { n } => n == self.device.view().workers,
                Change::PowerLimit { milliwatts } => milliwatts == self.device.view().power_mw,
                _ => false,
            };
            let change = match change {
                Change::Pace { permille } => Change::Pace { permille: permille.min(self.cooldown.pace_permille()) },
                other => other,
            };
            if !in_force {
                // A denial is in the audit log.
                let _ = self.propose(Author::Rules, &rule, change);
            }
        }
    }

    /// A pace that an operator wants; the cool-down's comes first.
    ///
    /// # Errors
    /// The guard denies it.
    pub fn want_pace(&mut self, permille: u32, because: &str) -> Result<(), HubError> {
        let pace = permille.min(self.cooldown.pace_permille());
        if permille > 1000 {
            return self.propose(Author::Operator, because, Change::Pace { permille });
        }
        self.propose(Author::Operator, because, Change::Pace { permille: pace })?;
        self.wanted_pace = permille;
        Ok(())
    }

    pub(super) fn find_rules(&mut self) -> Result<(), HubError> {
        let kept = self.store.all::<Vec<RuleView>>("rules")?.pop();
        if let Some((_, rules)) = kept
            && let Err(errors) = self.take_rules(&rules)
        {
            // A sensor that a rule names may be gone after a restart: then people must look.
            self.log_error(format!("the rules of before cannot be used: {errors}"));
        }
        Ok(())
    }

    fn take_rules(&mut self, rules: &[RuleView]) -> Result<(), HubError> {
        let texts: Vec<RuleText> = rules.iter().map(text).collect();
        self.rules.reload(&texts, &self.facts).map_err(|errors| HubError::Invalid(list(&errors)))?;
        self.rule_texts = rules.to_vec();
        Ok(())
    }

    /// Replaces the rules; on disk when the ticket is redeemed.
    ///
    /// # Errors
    /// A rule cannot be read or decided; the old ones stay.
    pub fn reload_rules(&mut self, rules: &[RuleView]) -> Result<crate::store::Ticket, HubError> {
        self.take_rules(rules)?;
        Ok(self.store.put("rules", "current", &rules))
    }

    /// What rules would do now, without taking them into use.
    ///
    /// # Errors
    /// A rule cannot be read.
    pub fn dry_run(&self, rules: &[RuleView]) -> Result<DryRunView, HubError> {
        let texts: Vec<RuleText> = rules.iter().map(text).collect();
        let run = self.rules.dry_run(&texts, &self.facts).map_err(|errors| HubError::Invalid(list(&errors)))?;
        let names = |proposals: Vec<(String, Change)>| proposals.into_iter().map(|(name, _)| name).collect();
        let errors = run.then.errors.iter().map(ToString::to_string).collect();
        Ok(DryRunView { now: names(run.now.proposals), then: names(run.then.proposals), errors })
    }

    /// The rules in use.
    pub fn rule_set(&self) -> RuleSet {
        let (version, rules, facts) = (self.rules.version(), self.rule_texts.clone(), self.facts.clone());
        RuleSet { version, rules, facts }
    }

    pub(super) fn utilisation_percent(&self) -> f64 {
        let used: u64 = self.tenants.keys().map(|tenant| self.device.arbiter().usage(*tenant).last_second_ns).sum();
        used as f64 / (1e9 * f64::from(self.settings.processors)) * 100.0
    }

    /// Value of a unit in the next epoch.
    pub(super) fn next_price(&self, resource: u16) -> f64 {
        let market = self.market.market();
        let next = Epoch(*market.open_epochs().start());
        market.mark(ResourceId(resource), next).map_or(0.0, |price| price.as_f64())
    }
}

fn text(rule: &RuleView) -> RuleText {
    let propose = match rule.propose {
        RuleChange::PacePermille(permille) => Change::Pace { permille },
        RuleChange::Workers(n) => Change::Workers { n },
        RuleChange::PowerLimitMw(milliwatts) => Change::PowerLimit { milliwatts },
    };
    RuleText { name: rule.name.clone(), when: rule.when.clone(), propose }
}

fn list(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
