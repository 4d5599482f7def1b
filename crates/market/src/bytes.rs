//! Commands and numbers as bytes, little-endian, and back without trusting them.
//!
//! A command's bytes are what a journal holds; the state's bytes are in `state`.

use crate::order::{Command, Kind, Lifetime, NewOrder, Side};
use crate::primary::Utility;
use crate::units::{Credits, Epoch, OrderId, ResourceId, TenantId, Tick};
use thiserror::Error;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at byte {at}: {what}")]
pub struct Malformed {
    /// Where.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads numbers from bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {$(
        pub fn $name(&mut self) -> Result<$type, Malformed> {
            let bytes = self.take(size_of::<$type>())?;
            Ok(<$type>::from_le_bytes(bytes.try_into().expect("take returns as many as were asked for")))
        }
    )*};
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn error<T>(&self, what: impl Into<String>) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what: what.into() })
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..n)) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => self.error(format!("{n} bytes expected, {} left", self.bytes.len() - self.at)),
        }
    }

    numbers!(u8: u8, u16: u16, u32: u32, u64: u64, i64: i64);

    pub fn credits(&mut self) -> Result<Credits, Malformed> {
        self.i64().map(Credits)
    }

    /// A count of things that take at least `size` bytes each, so that a damaged count cannot ask for all memory.
    pub fn count(&mut self, size: usize) -> Result<usize, Malformed> {
        let n = self.u32()? as usize;
        if n.saturating_mul(size) > self.bytes.len() - self.at {
            return self.error(format!("{n} entries expected in {} bytes", self.bytes.len() - self.at));
        }
        Ok(n)
    }

    pub fn finish(self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { self.error("bytes left over") }
    }

    pub fn side(&mut self) -> Result<Side, Malformed> {
        match self.u8()? {
            0 => Ok(Side::Buy),
            1 => Ok(Side::Sell),
            other => self.error(format!("side {other} is not 0 or 1")),
        }
    }

    pub fn utility(&mut self) -> Result<Utility, Malformed> {
        let kind = self.u8()?;
        let bundles = if kind == 1 { self.u32()? } else { 0 };
        let mut weights = Vec::new();
        if kind != 0 {
            let n = self.count(4)?;
            for _ in 0..n {
                weights.push(self.u32()?);
            }
        }
        match kind {
            0 => Ok(Utility::Idle),
            1 => Ok(Utility::Leontief { per_bundle: weights, bundles }),
            2 => Ok(Utility::CobbDouglas { weights }),
            3 => Ok(Utility::Linear { values: weights }),
            other => self.error(format!("utility {other} is not within 0 to 3")),
        }
    }
}

/// Appends numbers to bytes.
pub(crate) trait Write {
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    fn credits(&mut self, value: Credits);
    fn utility(&mut self, utility: &Utility);
}

impl Write for Vec<u8> {
    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn credits(&mut self, value: Credits) {
        self.extend_from_slice(&value.0.to_le_bytes());
    }

    fn utility(&mut self, utility: &Utility) {
        match utility {
            Utility::Idle => return self.push(0),
            Utility::Leontief { bundles, .. } => {
                self.push(1);
                Write::u32(self, *bundles);
            }
            Utility::CobbDouglas { .. } => self.push(2),
            Utility::Linear { .. } => self.push(3),
        }
        Write::u32(self, utility.weights().len() as u32);
        for weight in utility.weights() {
            Write::u32(self, *weight);
        }
    }
}

impl Command {
    /// Appends the command's bytes.
    pub fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::OpenTenant { budget } => {
                to.push(0);
                to.credits(*budget);
            }
            Self::Grant { tenant, credits } => {
                to.push(1);
                to.u32(tenant.0);
                to.credits(*credits);
            }
            Self::CloseTenant { tenant } => {
                to.push(2);
                to.u32(tenant.0);
            }
            Self::Declare { tenant, utility } => {
                to.push(3);
                to.u32(tenant.0);
                to.utility(utility);
            }
            Self::Place(order) => {
                to.push(4);
                write_order(order, to);
            }
            Self::Cancel { tenant, order } => {
                to.push(5);
                to.u32(tenant.0);
                to.u64(order.0);
            }
            Self::Move { tenant, order, tick, quantity } => {
                to.push(6);
                to.u32(tenant.0);
                to.u64(order.0);
                to.u16(tick.0);
                to.u32(*quantity);
            }
            Self::Advance => to.push(7),
            Self::Clear => to.push(8),
            Self::Supply { resource, units } => {
                to.push(9);
                to.u16(resource.0);
                to.u32(*units);
            }
        }
    }

    /// Reads a command from exactly these bytes.
    ///
    /// # Errors
    /// They are not a command's bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let from = &mut Reader::new(bytes);
        let command = match from.u8()? {
            0 => Self::OpenTenant { budget: from.credits()? },
            1 => Self::Grant { tenant: TenantId(from.u32()?), credits: from.credits()? },
            2 => Self::CloseTenant { tenant: TenantId(from.u32()?) },
            3 => Self::Declare { tenant: TenantId(from.u32()?), utility: from.utility()? },
            4 => Self::Place(read_order(from)?),
            5 => Self::Cancel { tenant: TenantId(from.u32()?), order: OrderId(from.u64()?) },
            6 => Self::Move {
                tenant: TenantId(from.u32()?),
                order: OrderId(from.u64()?),
                tick: Tick(from.u16()?),
                quantity: from.u32()?,
            },
            7 => Self::Advance,
            8 => Self::Clear,
            9 => Self::Supply { resource: ResourceId(from.u16()?), units: from.u32()? },
            other => return from.error(format!("command {other} is not within 0 to 9")),
        };
        if from.at == bytes.len() { Ok(command) } else { from.error("bytes left over after a command") }
    }
}

fn write_order(order: &NewOrder, to: &mut Vec<u8>) {
    to.u32(order.tenant.0);
    to.u16(order.resource.0);
    to.u32(order.epoch.0);
    to.push(order.side as u8);
    to.u32(order.quantity);
    match order.kind {
        Kind::Market => to.push(0),
        Kind::Limit { tick, lifetime } => {
            to.push(1 + lifetime as u8);
            to.u16(tick.0);
        }
        Kind::Stop { trigger } => {
            to.push(4);
            to.u16(trigger.0);
        }
        Kind::StopLimit { trigger, tick } => {
            to.push(5);
            to.u16(trigger.0);
            to.u16(tick.0);
        }
    }
}

fn read_order(from: &mut Reader<'_>) -> Result<NewOrder, Malformed> {
    let (tenant, resource, epoch) = (TenantId(from.u32()?), ResourceId(from.u16()?), Epoch(from.u32()?));
    let (side, quantity) = (from.side()?, from.u32()?);
    let limit = |from: &mut Reader<'_>, lifetime| Ok(Kind::Limit { tick: Tick(from.u16()?), lifetime });
    let kind = match from.u8()? {
        0 => Kind::Market,
        1 => limit(from, Lifetime::Standing)?,
        2 => limit(from, Lifetime::Immediate)?,
        3 => limit(from, Lifetime::Auction)?,
        4 => Kind::Stop { trigger: Tick(from.u16()?) },
        5 => Kind::StopLimit { trigger: Tick(from.u16()?), tick: Tick(from.u16()?) },
        other => return from.error(format!("order kind {other} is not within 0 to 5")),
    };
    Ok(NewOrder { tenant, resource, epoch, side, kind, quantity })
}
