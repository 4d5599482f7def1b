//! The price of a batch auction: one price for all, at which the most units change hands.
//!
//! Among prices with the same volume the one with the smallest imbalance wins, then the one nearest to the reference, then
//! the lower. Only ticks with orders need to be looked at: between two of them neither demand nor supply changes, and the
//! reference decides nothing that its neighbours do not.

use super::Book;
use crate::order::Side;

/// Tick and volume of the auction, when anything can trade. `reference` is the last known price.
pub(crate) fn uniform_price(book: &Book, reference: u16) -> Option<(u16, u64)> {
    let (bid, ask) = (book.best(Side::Buy)?, book.best(Side::Sell)?);
    if bid < ask {
        return None;
    }
    let [bids, asks] = &book.resting;
    let mut ticks: Vec<u16> = bids.ticks().chain(asks.ticks()).filter(|tick| (ask..=bid).contains(tick)).collect();
    if (ask..=bid).contains(&reference) {
        ticks.push(reference);
    }
    ticks.sort_unstable();
    ticks.dedup();
    let mut demand: u64 = bids.ticks().rev().take_while(|tick| *tick >= ask).map(|t| bids.level(t).quantity).sum();
    let mut supply = 0;
    let mut best: Option<(u64, u64, u16, u16)> = None;
    for tick in ticks {
        supply += asks.level(tick).quantity;
        let key = (u64::MAX - demand.min(supply), demand.abs_diff(supply), tick.abs_diff(reference), tick);
        if best.is_none_or(|best| key < best) {
            best = Some(key);
        }
        demand -= bids.level(tick).quantity;
    }
    best.map(|(inverse_volume, _, _, tick)| (tick, u64::MAX - inverse_volume))
}
