//! What a tenant wants of the resources.
//!
//! Weights are whole numbers; only their proportions count. Three families cover what programs do: needs in fixed
//! proportions (Leontief: a kernel that needs so much compute, memory and bandwidth per item), gains that level off
//! (Cobb-Douglas: cache and bandwidth), and things that replace each other (linear: one memory tier or the other).

use crate::order::Reject;

/// What a tenant wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Utility {
    /// Nothing.
    #[default]
    Idle,
    /// Bundles of fixed composition, up to a number of them. Utility: bundles.
    Leontief {
        /// Units of each resource for one bundle.
        per_bundle: Vec<u32>,
        /// The most bundles that are of use.
        bundles: u32,
    },
    /// A fixed part of the budget for each resource, whatever the prices. Utility: the weighted geometric mean.
    CobbDouglas {
        /// The parts, in proportion.
        weights: Vec<u32>,
    },
    /// Resources that replace each other. Utility: the weighted sum.
    Linear {
        /// Worth of a unit of each resource.
        values: Vec<u32>,
    },
}

impl Utility {
    /// The largest weight accepted.
    pub const MAX_WEIGHT: u32 = 1 << 24;

    /// The weights.
    pub(crate) fn weights(&self) -> &[u32] {
        match self {
            Self::Idle => &[],
            Self::Leontief { per_bundle: weights, .. }
            | Self::CobbDouglas { weights }
            | Self::Linear { values: weights } => weights,
        }
    }

    /// Fits a market with this many resources.
    pub(crate) fn check(&self, n_resources: usize) -> Result<(), Reject> {
        if *self == Self::Idle {
            return Ok(());
        }
        let weights = self.weights();
        if weights.len() != n_resources {
            return Err(Reject::UtilityShape { found: weights.len(), expected: n_resources });
        }
        let fits = weights.iter().any(|weight| *weight > 0) && weights.iter().all(|weight| *weight <= Self::MAX_WEIGHT);
        if fits { Ok(()) } else { Err(Reject::UtilityWeights) }
    }

    /// Whether more of anything is of use.
    pub fn wants_something(&self) -> bool {
        match self {
            Self::Idle => false,
            Self::Leontief { bundles, .. } => *bundles > 0,
            Self::CobbDouglas { .. } | Self::Linear { .. } => true,
        }
    }

    /// The most units of a resource that are of use; `u64::MAX` where more is always better.
    pub fn most(&self, resource: usize) -> u64 {
        match self {
            Self::Idle => 0,
            Self::Leontief { per_bundle, bundles } => u64::from(per_bundle[resource]) * u64::from(*bundles),
            Self::CobbDouglas { weights } | Self::Linear { values: weights } => {
                if weights[resource] > 0 {
                    u64::MAX
                } else {
                    0
                }
            }
        }
    }

    /// Utility of an allocation. For people and statistics: it may differ between machines in the last bit, so nothing
    /// that the market decides rests on it for Cobb-Douglas utilities.
    pub fn value(&self, units: &[f64]) -> f64 {
        match self {
            Self::Idle => 0.0,
            Self::Leontief { per_bundle, bundles } => bundles_of(per_bundle, units).min(f64::from(*bundles)),
            Self::CobbDouglas { weights } => {
                let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
                let of = |(weight, units): (&u32, &f64)| units.powf(f64::from(*weight) / total);
                weights.iter().zip(units).filter(|(weight, _)| **weight > 0).map(of).product()
            }
            Self::Linear { values } => values.iter().zip(units).map(|(value, units)| f64::from(*value) * units).sum(),
        }
    }
}

/// Bundles that can be made of these units.
pub(crate) fn bundles_of(per_bundle: &[u32], units: &[f64]) -> f64 {
    let each = per_bundle.iter().zip(units).filter(|(need, _)| **need > 0);
    each.map(|(need, units)| units / f64::from(*need)).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let leontief = Utility::Leontief { per_bundle: vec![2, 0, 1], bundles: 5 };
        assert_eq!(leontief.value(&[6.0, 0.0, 9.0]), 3.0);
        assert_eq!(leontief.value(&[60.0, 0.0, 90.0]), 5.0);
        assert_eq!(leontief.most(0), 10);
        assert_eq!(leontief.most(1), 0);
        let cobb = Utility::CobbDouglas { weights: vec![1, 1, 0] };
        assert!((cobb.value(&[4.0, 9.0, 0.0]) - 6.0).abs() < 1e-12);
        assert_eq!(Utility::Linear { values: vec![1, 2, 3] }.value(&[1.0, 1.0, 1.0]), 6.0);
        assert_eq!(Utility::Idle.value(&[1.0]), 0.0);
    }

    #[test]
    fn shapes_are_checked() {
        let weights = vec![1, 0];
        assert_eq!(Utility::Linear { values: weights.clone() }.check(2), Ok(()));
        let refused = Utility::Linear { values: weights }.check(3);
        assert_eq!(refused, Err(Reject::UtilityShape { found: 2, expected: 3 }));
        assert_eq!(Utility::CobbDouglas { weights: vec![0, 0] }.check(2), Err(Reject::UtilityWeights));
        let large = Utility::CobbDouglas { weights: vec![Utility::MAX_WEIGHT + 1] };
        assert_eq!(large.check(1), Err(Reject::UtilityWeights));
        assert_eq!(Utility::Idle.check(9), Ok(()));
    }
}
