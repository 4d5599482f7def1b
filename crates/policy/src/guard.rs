//! The way of an action: capability, contract, gate, and a record that explains how it went.
//!
//! [`Guard::decide`] is the only function that hands out permits; every call leaves a [`Record`], whatever the outcome.

use crate::action::{Effects, Kind, tenant};
use crate::capability::{Capability, NotCovered};
use crate::contract::{self, Breach, View};
use crate::cooldown::Phase;
use crate::gate::{Gate, Permit, Refusal};
use std::collections::VecDeque;
use std::fmt;
use thiserror::Error;
use vgpu_types::Change;

/// Why an action may not be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    /// Its author may not propose it.
    #[error("capability: {0}")]
    Capability(#[from] NotCovered),
    /// It breaks its contract.
    #[error("contract: {0}")]
    Contract(#[from] Breach),
    /// The gate refuses it.
    #[error("gate: {0}")]
    Gate(#[from] Refusal),
}

/// One decision, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number of the decision, from 0, without gaps.
    pub number: u64,
    /// When.
    pub time_ns: u64,
    /// Who proposed it.
    pub by: String,
    /// Why, in the words of who proposed it: a rule's name, a person's reason.
    pub because: String,
    /// What.
    pub change: Change,
    /// The phase of the cool-down.
    pub phase: Phase,
    /// What was decided.
    pub outcome: Result<(), Denied>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, time_ns, by, because, change, phase, outcome } = self;
        write!(f, "#{number} at {time_ns} ns, {phase:?}: {by} proposed {change:?} because {because:?}: ")?;
        match outcome {
            Ok(()) => write!(f, "admitted"),
            Err(denied) => write!(f, "denied by {denied}"),
        }
    }
}

/// A proposal.
#[derive(Clone, Debug)]
pub struct Proposal<'a> {
    /// The right to propose it.
    pub capability: &'a Capability,
    /// Why.
    pub because: &'a str,
    /// What.
    pub change: Change,
    /// What it says that it touches.
    pub declared: Effects,
}

/// Decides about actions.
#[derive(Clone, Debug)]
pub struct Guard {
    gate: Gate,
    records: VecDeque<Record>,
    capacity: usize,
    n_decisions: u64,
}

impl Guard {
    /// A guard that keeps the last `capacity` records.
    pub fn new(gate: Gate, capacity: usize) -> Self {
        Self { gate, records: VecDeque::new(), capacity: capacity.max(1), n_decisions: 0 }
    }

    /// Decides about one proposal, on a device that looks like `view`.
    ///
    /// # Errors
    /// The first of capability, contract and gate that says no, and why.
    pub fn decide(
        &mut self,
        now_ns: u64,
        phase: Phase,
        view: &View,
        proposal: &Proposal<'_>,
    ) -> Result<Permit, Denied> {
        let outcome = self.examine(now_ns, phase, view, proposal);
        let record = Record {
            number: self.n_decisions,
            time_ns: now_ns,
            by: proposal.capability.holder().to_owned(),
            because: proposal.because.to_owned(),
            change: proposal.change,
            phase,
            outcome: outcome.as_ref().map(|_| ()).map_err(Clone::clone),
        };
        self.n_decisions += 1;
        if self.records.len() == self.capacity {
            self.records.pop_front();
        }
        self.records.push_back(record);
        outcome
    }

    fn examine(&mut self, now_ns: u64, phase: Phase, view: &View, proposal: &Proposal<'_>) -> Result<Permit, Denied> {
        let change = proposal.change;
        proposal.capability.covers(Kind::of(&change), tenant(&change), now_ns)?;
        contract::check(view, &change, proposal.declared)?;
        Ok(self.gate.admit(now_ns, phase, change)?)
    }

    /// The last decisions, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter()
    }

    /// Decisions ever made.
    pub const fn n_decisions(&self) -> u64 {
        self.n_decisions
    }
}
