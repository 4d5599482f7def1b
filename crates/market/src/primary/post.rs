//! A trading post: one resource, sold for whole credits in whole units.
//!
//! Tenant `i` bids `b_i` and can use `c_i` units at most. The price `p` is the one at which everything is sold:
//! `sum min(c_i, b_i / p) = supply`. When all can have what they can use, the price is zero. Tenants that reach `c_i` pay
//! `p * c_i`, which is less than they bid; the others pay their bid and share what is left in proportion to it.
//! In exact integer arithmetic; only the last step, whole units, rounds (largest remainder).
//! What nobody bid for goes to those without credits, in equal parts: an idle unit helps nobody.

use super::Price;
use super::rounding::largest_remainder;
use crate::units::Credits;

/// One tenant at the post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lot {
    pub tenant: u32,
    /// Credits put up.
    pub bid: Credits,
    /// The most units of use.
    pub most: u64,
    /// Units received.
    pub units: u32,
    /// Credits paid.
    pub paid: Credits,
}

/// Sells `supply` units; returns the price. Reorders the lots.
pub(super) fn sell(supply: u32, lots: &mut [Lot]) -> Price {
    let bidding = partition(lots, |lot| lot.bid > Credits::ZERO && lot.most > 0);
    let (lots, broke) = lots.split_at_mut(bidding);
    let mut left = u64::from(supply);
    let mut price = Price::FREE;
    if lots.iter().map(|lot| u128::from(lot.most)).sum::<u128>() <= u128::from(left) {
        for lot in lots.iter_mut() {
            lot.units = lot.most as u32;
            left -= lot.most;
        }
    } else {
        // Who can use least per credit is served in full first. Exact comparison of fractions.
        let per_credit = |lot: &Lot, other: &Lot| u128::from(lot.most) * other.bid.0 as u128;
        lots.sort_unstable_by(|a, b| per_credit(a, b).cmp(&per_credit(b, a)).then(a.tenant.cmp(&b.tenant)));
        let mut credits: i64 = lots.iter().map(|lot| lot.bid.0).sum();
        let mut n_full = 0;
        for lot in lots.iter() {
            if u128::from(lot.most) * credits as u128 > u128::from(left) * lot.bid.0 as u128 {
                break;
            }
            left -= lot.most;
            credits -= lot.bid.0;
            n_full += 1;
        }
        // Not all are full: together they can use more than there is. The price is `credits / left`.
        let (full, rest) = lots.split_at_mut(n_full);
        for lot in full {
            lot.units = lot.most as u32;
            let exact = u128::from(lot.most) * credits as u128 / u128::from(left.max(1));
            // The bound holds exactly while `left > 0`; a post without supply sells nothing.
            lot.paid = if left > 0 { Credits(exact as i64) } else { Credits::ZERO };
        }
        let bids: Vec<u64> = rest.iter().map(|lot| lot.bid.0 as u64).collect();
        for (lot, units) in rest.iter_mut().zip(largest_remainder(left, &bids)) {
            lot.units = units as u32;
            lot.paid = if left > 0 { lot.bid } else { Credits::ZERO };
        }
        if left > 0 {
            price = Price { credits: Credits(credits), units: left };
        }
        left = 0;
    }
    give_away(left, broke);
    price
}

/// Equal parts of what is left, to those who can use it and have no credits.
fn give_away(mut left: u64, lots: &mut [Lot]) {
    let wanting = partition(lots, |lot| lot.most > 0);
    let lots = &mut lots[..wanting];
    lots.sort_unstable_by_key(|lot| (lot.most, lot.tenant));
    for idx in 0..lots.len() {
        let units = lots[idx].most.min(left.div_ceil((lots.len() - idx) as u64));
        lots[idx].units = units as u32;
        left -= units;
    }
}

/// Brings the lots that satisfy `test` to the front, in a fixed order; returns how many they are.
fn partition(lots: &mut [Lot], test: impl Fn(&Lot) -> bool) -> usize {
    let mut n = 0;
    for idx in 0..lots.len() {
        if test(&lots[idx]) {
            lots.swap(n, idx);
            n += 1;
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lot(tenant: u32, bid: i64, most: u64) -> Lot {
        Lot { tenant, bid: Credits(bid), most, units: 0, paid: Credits::ZERO }
    }

    fn sold(supply: u32, bids: &[(i64, u64)]) -> (Credits, Vec<(u32, i64)>) {
        let mut lots: Vec<_> = bids.iter().enumerate().map(|(i, (bid, most))| lot(i as u32, *bid, *most)).collect();
        let price = sell(supply, &mut lots);
        lots.sort_by_key(|lot| lot.tenant);
        (price.per_unit(), lots.iter().map(|lot| (lot.units, lot.paid.0)).collect())
    }

    #[test]
    fn by_hand() {
        // Enough for all: free.
        assert_eq!(sold(10, &[(500, 4), (100, 6)]), (Credits(0), vec![(4, 0), (6, 0)]));
        // In proportion to the bids.
        assert_eq!(sold(10, &[(300, 100), (100, 100)]), (Credits(40), vec![(8, 300), (2, 100)]));
        // The first can use only 2 and pays for them at the price of the others: 100 credits for 8 units.
        assert_eq!(sold(10, &[(300, 2), (100, 100)]), (Credits(12), vec![(2, 25), (8, 100)]));
        // Without credits only what is left.
        assert_eq!(sold(10, &[(300, 4), (0, 9), (0, 2)]), (Credits(0), vec![(4, 0), (4, 0), (2, 0)]));
        assert_eq!(sold(0, &[(300, 4), (0, 9)]), (Credits(0), vec![(0, 0), (0, 0)]));
    }

    proptest! {
        /// Everything useful is sold, nobody pays more than its bid or gets more than it can use, and who is not full has
        /// at least its bid's part, to a unit.
        #[test]
        fn sales_are_sound(supply in 0u32..2000, bids in prop::collection::vec((0i64..1 << 40, 0u64..300), 1..30)) {
            let (_, outcome) = sold(supply, &bids);
            let useful: u64 = bids.iter().map(|(_, most)| most).sum();
            let units: u64 = outcome.iter().map(|(units, _)| u64::from(*units)).sum();
            prop_assert_eq!(units, useful.min(u64::from(supply)));
            let total: i64 = bids.iter().map(|(bid, _)| bid).sum();
            for ((units, paid), (bid, most)) in outcome.iter().zip(&bids) {
                prop_assert!(*paid >= 0 && paid <= bid);
                prop_assert!(u64::from(*units) <= *most);
                if u64::from(*units) < *most && total > 0 {
                    let part = i128::from(supply) * i128::from(*bid) / i128::from(total);
                    prop_assert!(i128::from(*units) + 1 >= part, "{} units, part {}", units, part);
                }
            }
        }
    }
}
