//! The last trades, in a ring: the newest overwrite the oldest, so that memory stays bounded.

use crate::order::Trade;
use crate::units::TenantId;

/// The last `capacity` trades.
#[derive(Clone, Debug)]
pub struct History {
    trades: Vec<Trade>,
    capacity: usize,
    /// Number of the next trade; all trades ever.
    n_trades: u64,
}

impl History {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { trades: Vec::new(), capacity, n_trades: 0 }
    }

    pub(crate) fn restore(capacity: usize, n_trades: u64, oldest_first: Vec<Trade>) -> Self {
        let mut history = Self { trades: oldest_first, capacity, n_trades };
        // A full ring is turned so that trade `n` lies at `n % capacity` again.
        if history.trades.len() == capacity && capacity > 0 {
            let turn = (n_trades % capacity as u64) as usize;
            history.trades.rotate_right(turn);
        }
        history
    }

    /// Number of the next trade.
    pub const fn n_trades(&self) -> u64 {
        self.n_trades
    }

    /// How many trades are kept at most.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn push(&mut self, trade: Trade) {
        if self.trades.len() < self.capacity {
            self.trades.push(trade);
        } else if self.capacity > 0 {
            let at = (self.n_trades % self.capacity as u64) as usize;
            self.trades[at] = trade;
        }
        self.n_trades += 1;
    }

    /// The trades kept, oldest first.
    pub fn trades(&self) -> impl DoubleEndedIterator<Item = &Trade> + ExactSizeIterator {
        let full = self.trades.len() == self.capacity && self.capacity > 0;
        let start = if full { (self.n_trades % self.capacity as u64) as usize } else { 0 };
        let n = self.trades.len();
        (0..n).map(move |idx| &self.trades[(start + idx) % n])
    }

    /// The trades of one tenant, oldest first.
    pub fn of(&self, tenant: TenantId) -> impl DoubleEndedIterator<Item = &Trade> {
        self.trades().filter(move |trade| trade.buyer == tenant || trade.seller == tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Credits, Epoch, ResourceId};

    fn trade(number: u64) -> Trade {
        Trade {
            number,
            time_ns: number,
            price: Credits::ONE,
            buyer: TenantId((number % 3) as u32),
            seller: TenantId(7),
            quantity: 1,
            epoch: Epoch(1),
            resource: ResourceId(0),
            auction: false,
        }
    }

    #[test]
    fn keeps_the_newest() {
        let mut history = History::new(5);
        for number in 0..13 {
            history.push(trade(number));
            let kept: Vec<_> = history.trades().map(|trade| trade.number).collect();
            let expected: Vec<_> = (number.saturating_sub(4)..=number).collect();
            assert_eq!(kept, expected);
            let again = History::restore(5, history.n_trades(), history.trades().copied().collect());
            assert!(again.trades().eq(history.trades()));
            assert_eq!(again.trades, history.trades);
        }
        assert_eq!(history.of(TenantId(0)).map(|trade| trade.number).collect::<Vec<_>>(), [9, 12]);
        assert_eq!(history.of(TenantId(7)).count(), 5);
    }
}
