//! The cache of one-dimensional plans: bounded, shared by threads.

use realfft::{ComplexToReal, FftNum, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftDirection, FftPlanner};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Complex(usize, FftDirection),
    ToComplex(usize),
    ToReal(usize),
}

impl Key {
    /// The length, a measure of the memory that a plan holds.
    const fn len(self) -> usize {
        match self {
            Self::Complex(len, _) | Self::ToComplex(len) | Self::ToReal(len) => len,
        }
    }
}

/// A plan of any kind.
#[derive(Clone)]
enum Plan<R: FftNum> {
    Complex(Arc<dyn Fft<R>>),
    ToComplex(Arc<dyn RealToComplex<R>>),
    ToReal(Arc<dyn ComplexToReal<R>>),
}

/// Plans that have been made, the most recently used last. Dropping the least recently used keeps the sum of the lengths
/// under the bound, except that the newest plan always stays. A plan in use lives on while it is used.
pub struct Plans<R: FftNum> {
    entries: Mutex<Vec<(Key, Plan<R>)>>,
    bound: usize,
}

impl<R: FftNum> std::fmt::Debug for Plans<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plans({} of {} elements)", self.elements(), self.bound)
    }
}

impl<R: FftNum> Default for Plans<R> {
    /// Plans for up to 2^24 elements together.
    fn default() -> Self {
        Self::new(1 << 24)
    }
}

impl<R: FftNum> Plans<R> {
    /// No plans yet; the lengths of those that are kept sum up to `bound` at most.
    pub const fn new(bound: usize) -> Self {
        Self { entries: Mutex::new(Vec::new()), bound }
    }

    /// The sum of the lengths of the plans that are kept.
    pub fn elements(&self) -> usize {
        self.lock().iter().map(|(key, _)| key.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Key, Plan<R>)>> {
        // A panic while the lock is held leaves a list that is still whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: Key, make: impl FnOnce() -> Plan<R>) -> Plan<R> {
        let found = {
            let mut entries = self.lock();
            entries.iter().position(|(other, _)| *other == key).map(|at| {
                let entry = entries.remove(at);
                entries.push(entry);
                entries[entries.len() - 1].1.clone()
            })
        };
        if let Some(plan) = found {
            return plan;
        }
        // Made outside the lock: two threads may make the same plan, and one of the two is kept.
        let plan = make();
        let mut entries = self.lock();
        entries.retain(|(other, _)| *other != key);
        entries.push((key, plan.clone()));
        let mut elements: usize = entries.iter().map(|(key, _)| key.len()).sum();
        while elements > self.bound && entries.len() > 1 {
            elements -= entries.remove(0).0.len();
        }
        plan
    }

    pub(crate) fn complex(&self, len: usize, direction: FftDirection) -> Arc<dyn Fft<R>> {
        let key = Key::Complex(len, direction);
        match self.get(key, || Plan::Complex(FftPlanner::new().plan_fft(len, direction))) {
            Plan::Complex(plan) => plan,
            _ => unreachable!("a complex key has a complex plan"),
        }
    }

    pub(crate) fn to_complex(&self, len: usize) -> Arc<dyn RealToComplex<R>> {
        match self.get(Key::ToComplex(len), || Plan::ToComplex(RealFftPlanner::new().plan_fft_forward(len))) {
            Plan::ToComplex(plan) => plan,
            _ => unreachable!("a real key has a real plan"),
        }
    }

    pub(crate) fn to_real(&self, len: usize) -> Arc<dyn ComplexToReal<R>> {
        match self.get(Key::ToReal(len), || Plan::ToReal(RealFftPlanner::new().plan_fft_inverse(len))) {
            Plan::ToReal(plan) => plan,
            _ => unreachable!("a real key has a real plan"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_recent() {
        let plans = Plans::<f32>::new(100);
        let first = plans.complex(60, FftDirection::Forward);
        assert!(Arc::ptr_eq(&first, &plans.complex(60, FftDirection::Forward)));
        plans.complex(30, FftDirection::Forward);
        plans.complex(60, FftDirection::Forward);
        plans.to_complex(20);
        // The one of 30 was used least recently.
        assert_eq!(plans.elements(), 80);
        assert!(Arc::ptr_eq(&first, &plans.complex(60, FftDirection::Forward)));
        plans.to_real(1000);
        assert_eq!(plans.elements(), 1000);
        assert!(!Arc::ptr_eq(&first, &plans.complex(60, FftDirection::Forward)));
    }

    #[test]
    fn shared_by_threads() {
        let plans = Plans::<f64>::new(500);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let plans = &plans;
                scope.spawn(move || {
                    for i in 0..200 {
                        let len = 1 + (i * 7 + thread * 13) % 90;
                        assert_eq!(plans.complex(len, FftDirection::Inverse).len(), len);
                    }
                });
            }
        });
        assert!(plans.elements() <= 500);
    }
}
