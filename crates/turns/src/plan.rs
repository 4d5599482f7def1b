//! Who gets the processors next: start-time fair queueing over whole processors, as a pure function.
//!
//! Every tenant has a virtual time: the processor time it used, divided by its weight. At each turn the processors go, one by
//! one, to the tenant with the least virtual time that still wants one, which is charged in advance for the next choice. What
//! is really charged is what was measured. So over any period the tenants that want more than they get have used time in
//! proportion to their weights, to within one turn per processor.
//!
//! A tenant that comes back from idling starts at the least virtual time of those that are there: idling earns nothing. One
//! that cannot use what it gets falls behind by [`LAG_NS`] at most. Tenants of weight 0 get what nobody else wants.
//! (Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996.)

/// How much processor time of its own a tenant can be owed at most.
const LAG_NS: u64 = 200_000_000;

/// Virtual time is scaled by this, so that dividing by a weight loses nothing that matters.
const SCALE: u128 = 1 << 20;

/// What is known about one tenant at a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its share, in any unit.
    pub weight: u32,
    /// Threads that could run.
    pub wants: u32,
    /// Processor time it used since the last turn.
    pub used_ns: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    virtual_time: u128,
    active: bool,
}

/// See the module header. Tenants are rows; a row keeps its number.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    entries: Vec<Entry>,
    /// Least virtual time of the tenants that were last active.
    floor: u128,
}

impl Plan {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody new has this row.
    pub fn forget(&mut self, row: usize) {
        if let Some(entry) = self.entries.get_mut(row) {
            *entry = Entry::default();
        }
    }

    /// Charges what was used and gives `processors` out for a turn of `turn_ns`: threads that each row may run. A row that
    /// wants nothing gets nothing here.
    pub fn turn(&mut self, processors: u32, turn_ns: u64, claims: &[Claim]) -> Vec<u32> {
        self.entries.resize(claims.len().max(self.entries.len()), Entry::default());
        self.charge(claims);
        let mut grants = vec![0; claims.len()];
        let mut ahead: Vec<u128> = self.entries.iter().map(|entry| entry.virtual_time).collect();
        for _ in 0..processors {
            let open = (0..claims.len()).filter(|row| grants[*row] < claims[*row].wants);
            let Some(next) = open.min_by_key(|row| (claims[*row].weight == 0, ahead[*row], *row)) else { break };
            grants[next] += 1;
            ahead[next] += virtual_time(turn_ns, claims[next].weight);
        }
        grants
    }

    fn charge(&mut self, claims: &[Claim]) {
        let was_active: Vec<bool> = self.entries.iter().map(|entry| entry.active).collect();
        for (entry, claim) in self.entries.iter_mut().zip(claims) {
            entry.virtual_time += virtual_time(claim.used_ns, claim.weight);
            entry.active = claim.wants > 0;
        }
        let weighted = || self.entries.iter().zip(claims).zip(&was_active).filter(|((_, claim), _)| claim.weight > 0);
        let staying =
            weighted().filter(|((entry, _), was)| entry.active && **was).map(|((entry, _), _)| entry.virtual_time);
        let (least, most) = staying.fold((u128::MAX, 0), |(low, high), time| (low.min(time), high.max(time)));
        if least != u128::MAX {
            self.floor = self.floor.max(least);
        }
        let floor = self.floor;
        for ((entry, claim), was) in self.entries.iter_mut().zip(claims).zip(was_active) {
            if !entry.active {
                continue;
            }
            if !was {
                entry.virtual_time = entry.virtual_time.max(floor);
            }
            let owed = most.saturating_sub(virtual_time(LAG_NS, claim.weight));
            entry.virtual_time = entry.virtual_time.max(owed);
        }
    }
}

/// Time of a tenant of this weight; background tenants are charged as the lightest.
fn virtual_time(ns: u64, weight: u32) -> u128 {
    u128::from(ns) * SCALE / u128::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TURN: u64 = 1_000_000;

    /// Tenants that use all they get (and `overrun` more, once they got something) for `turns`; what each used.
    fn simulate(plan: &mut Plan, weights: &[u32], wants: &[u32], processors: u32, turns: u32) -> Vec<u64> {
        let mut claims: Vec<Claim> = weights
            .iter()
            .zip(wants)
            .map(|(weight, wants)| Claim { weight: *weight, wants: *wants, used_ns: 0 })
            .collect();
        let mut used = vec![0; weights.len()];
        for _ in 0..turns {
            let grants = plan.turn(processors, TURN, &claims);
            assert!(grants.iter().sum::<u32>() <= processors);
            for (row, grant) in grants.iter().enumerate() {
                claims[row].used_ns = u64::from(*grant) * TURN;
                used[row] += claims[row].used_ns;
            }
        }
        used
    }

    #[test]
    fn every_window_holds_the_shares() {
        let mut plan = Plan::new();
        for window in 0..50 {
            let used = simulate(&mut plan, &[50, 30, 20], &[2, 2, 2], 2, 100);
            for (used, share) in used.iter().zip([50, 30, 20]) {
                let error = (*used as f64 / 2e6 - f64::from(share)).abs();
                assert!(error <= 1.0, "window {window}: {used} ns for {share} %");
            }
        }
    }

    #[test]
    fn what_nobody_claims_is_used_by_others_and_idling_earns_nothing() {
        let mut plan = Plan::new();
        assert_eq!(simulate(&mut plan, &[50, 30, 20], &[0, 2, 0], 2, 1000)[1], 2000 * TURN);
        // The idle one comes back and gets its share at once, not what it did not use before.
        let used = simulate(&mut plan, &[50, 30, 20], &[2, 2, 0], 2, 100);
        assert!(used[0].abs_diff(125 * TURN) <= 2 * TURN, "{used:?}");
    }

    #[test]
    fn background_gets_the_rest() {
        let mut plan = Plan::new();
        let used = simulate(&mut plan, &[0, 10], &[2, 1], 2, 100);
        assert_eq!(used, [100 * TURN, 100 * TURN]);
        let used = simulate(&mut plan, &[0, 10], &[2, 2], 2, 100);
        assert_eq!(used, [0, 200 * TURN]);
    }

    #[test]
    fn time_taken_unasked_is_charged() {
        let mut plan = Plan::new();
        let mut claims = [Claim { weight: 1, wants: 1, used_ns: 0 }; 2];
        let mut used = [0u64; 2];
        for turn in 0..1000u64 {
            let grants = plan.turn(1, TURN, &claims);
            for row in 0..2 {
                claims[row].used_ns = u64::from(grants[row]) * TURN;
            }
            // The first cannot be stopped for ten turns after each of its grants began.
            if turn % 37 < 10 {
                claims[0].used_ns = TURN;
            }
            used[0] += claims[0].used_ns;
            used[1] += claims[1].used_ns;
        }
        assert!(used[0].abs_diff(used[1]) <= 20 * TURN, "{used:?}");
    }

    proptest! {
        /// No processor idles while somebody wants it, nobody gets more than it wants, and equals get the same.
        #[test]
        fn work_is_conserved(
            processors in 1u32..9,
            rows in prop::collection::vec((0u32..10_001, 0u32..9, 0u64..5_000_000), 1..20),
        ) {
            let mut plan = Plan::new();
            let claims: Vec<Claim> =
                rows.iter().map(|(weight, wants, used_ns)| Claim { weight: *weight, wants: *wants, used_ns: *used_ns }).collect();
            for _ in 0..5 {
                let grants = plan.turn(processors, TURN, &claims);
                let wanted: u32 = claims.iter().map(|claim| claim.wants).sum();
                prop_assert_eq!(grants.iter().sum::<u32>(), wanted.min(processors));
                for (grant, claim) in grants.iter().zip(&claims) {
                    prop_assert!(*grant <= claim.wants);
                }
            }
        }
    }
}
