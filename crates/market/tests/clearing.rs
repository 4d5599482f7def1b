//! Properties of the primary market on random populations, and examples that can be computed by hand.

use proptest::prelude::*;
use vgpu_market::primary::{Clearing, Precision, clear};
use vgpu_market::*;

const PRECISION: Precision = Precision { epsilon_ppm: 10_000, max_rounds: 4096 };

fn solve(supply: &[u32], tenants: &[(i32, Utility)]) -> Clearing {
    let budgets: Vec<_> = tenants.iter().map(|(budget, _)| Credits::whole(*budget)).collect();
    let utilities: Vec<_> = tenants.iter().map(|(_, utility)| utility).collect();
    clear(supply, &budgets, &utilities, PRECISION)
}

fn leontief(per_bundle: &[u32], bundles: u32) -> Utility {
    Utility::Leontief { per_bundle: per_bundle.to_vec(), bundles }
}

#[test]
fn one_resource_by_hand() {
    // 10 units; one needs only 1 and pays its price, the others share 9 in proportion to their budgets.
    let clearing = solve(&[10], &[(100, leontief(&[1], 1)), (200, leontief(&[1], 9)), (100, leontief(&[1], 50))]);
    assert_eq!(clearing.units, [1, 6, 3]);
    assert_eq!(clearing.payments[1..], [Credits::whole(200), Credits::whole(100)]);
    assert_eq!(clearing.payments[0], Credits(33_333_333));
    // Everybody has enough: nothing is paid.
    let clearing = solve(&[10], &[(100, leontief(&[1], 4)), (5, leontief(&[2], 3))]);
    assert_eq!((clearing.units, clearing.payments), (vec![4, 6], vec![Credits::ZERO; 2]));
}

#[test]
fn cobb_douglas_is_exact() {
    let weights = |weights: &[u32]| Utility::CobbDouglas { weights: weights.to_vec() };
    let clearing = solve(&[100, 100], &[(100, weights(&[3, 1])), (100, weights(&[1, 3]))]);
    assert_eq!(clearing.units, [75, 25, 25, 75]);
    assert_eq!(clearing.certificate.rounds, 1);
}

#[test]
fn linear_tenants_specialise() {
    let values = |values: &[u32]| Utility::Linear { values: values.to_vec() };
    let clearing = solve(&[1000, 1000], &[(100, values(&[10, 1])), (100, values(&[1, 10]))]);
    assert!(clearing.units[0] >= 990 && clearing.units[3] >= 990, "{:?}", clearing.units);
    assert!(clearing.certificate.worst_against_split_ppm > 700_000, "{:?}", clearing.certificate);
}

#[test]
fn leontief_tenants_share_the_bottleneck() {
    // Both need the first resource alike; only one needs the second, of which there is plenty.
    let clearing = solve(&[1000, 1000], &[(100, leontief(&[1, 0], 9999)), (100, leontief(&[1, 1], 9999))]);
    let (first, second) = (clearing.units[0], clearing.units[2]);
    assert!(first.abs_diff(500) <= 5 && second.abs_diff(500) <= 5, "{:?}", clearing.units);
    assert!(clearing.units[3] >= second);
}

fn utility(n: usize) -> impl Strategy<Value = Utility> {
    let weights = move || prop::collection::vec(prop_oneof![1 => Just(0u32), 4 => 1u32..100], n);
    prop_oneof![
        1 => Just(Utility::Idle),
        6 => (weights(), 1u32..3000).prop_map(|(per_bundle, bundles)| Utility::Leontief { per_bundle, bundles }),
        3 => weights().prop_map(|weights| Utility::CobbDouglas { weights }),
        3 => weights().prop_map(|values| Utility::Linear { values }),
    ]
    .prop_map(|utility| match utility {
        // At least one weight must count.
        Utility::Leontief { mut per_bundle, bundles } => {
            per_bundle[0] = per_bundle[0].max(1);
            Utility::Leontief { per_bundle, bundles }
        }
        Utility::CobbDouglas { mut weights } => {
            weights[0] = weights[0].max(1);
            Utility::CobbDouglas { weights }
        }
        Utility::Linear { mut values } => {
            values[0] = values[0].max(1);
            Utility::Linear { values }
        }
        Utility::Idle => Utility::Idle,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn clearings_are_sound(
        (supply, tenants) in (1usize..7).prop_flat_map(|n| (
            prop::collection::vec(5_000u32..20_000, n),
            prop::collection::vec((prop_oneof![1 => Just(0i32), 9 => 1i32..1000], utility(n)), 1..24),
        ))
    ) {
        let clearing = solve(&supply, &tenants);
        let n = supply.len();
        for ((budget, _), paid) in tenants.iter().zip(&clearing.payments) {
            prop_assert!(*paid >= Credits::ZERO && *paid <= Credits::whole(*budget), "payment <= bid");
        }
        for (resource, supply) in supply.iter().enumerate() {
            let sold: u64 = clearing.units.iter().skip(resource).step_by(n).map(|units| u64::from(*units)).sum();
            let wanted = tenants.iter().map(|(_, utility)| utility.most(resource).min(1 << 40)).sum::<u64>();
            prop_assert_eq!(sold, wanted.min(u64::from(*supply)), "everything of use is given");
        }
        let total: f64 = tenants.iter().filter(|(_, u)| u.wants_something()).map(|(budget, _)| f64::from(*budget)).sum();
        for (idx, (budget, utility)) in tenants.iter().enumerate() {
            // A whole unit of rounding either way: a tenant whose part of a resource is half a unit may get none.
            let units: Vec<f64> =
                clearing.units[idx * n..(idx + 1) * n].iter().map(|units| f64::from(*units) + 1.0).collect();
            let part = f64::from(*budget) / total.max(1.0);
            let split: Vec<f64> = supply.iter().map(|supply| (f64::from(*supply) * part - 1.0).max(0.0)).collect();
            let (had, least) = (utility.value(&units), utility.value(&split));
            prop_assert!(had >= least * (1.0 - 0.01) - 1e-9, "{had} is less than the split's {least}: {utility:?}");
        }
        prop_assert_eq!(solve(&supply, &tenants), clearing, "the same again");
    }

    /// Divisible populations of one family come close to what they aim for, a hundredth.
    #[test]
    fn bidding_converges(
        linear in any::<bool>(),
        tenants in prop::collection::vec((1i32..100, prop::collection::vec(1u32..50, 4)), 2..20),
    ) {
        let supply = [1_000_000; 4];
        let of = |weights: &Vec<u32>| if linear {
            Utility::Linear { values: weights.clone() }
        } else {
            Utility::Leontief { per_bundle: weights.clone(), bundles: 1 << 24 }
        };
        let tenants: Vec<_> = tenants.iter().map(|(budget, weights)| (*budget, of(weights))).collect();
        let clearing = solve(&supply, &tenants);
        prop_assert!(clearing.certificate.epsilon_ppm <= 15_000, "{:?}", clearing.certificate);
        prop_assert!(!clearing.certificate.plain_split);
    }
}
