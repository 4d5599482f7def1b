//! Random numbers from Philox4x32-10: a counter that is encrypted, so that any place of any sequence is reached at once.
//!
//! Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Words come in the order
//! of cuRAND's `curandStatePhilox4_32_10`: the seed is the key, the sequence the upper half of the counter, and element
//! `i` of a sequence is word `i % 4` of counter `i / 4`. Values depend on seed, sequence and place alone, so filling in
//! parts or with any number of threads gives the same numbers.

use crate::Pool;
use crate::simd::parts;

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: u32 = 10;

/// Elements that a task fills; a multiple of four.
const TASK: usize = 16 << 10;

/// The ten rounds.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let product = |factor: u32, word: u32| {
            let wide = u64::from(factor) * u64::from(word);
            ((wide >> 32) as u32, wide as u32)
        };
        let (high0, low0) = product(MULTIPLIERS[0], counter[0]);
        let (high1, low1) = product(MULTIPLIERS[1], counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
    }
    counter
}

/// One sequence of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    sequence: u64,
}

impl Philox {
    /// The sequence `sequence` of the generator with this seed.
    pub const fn new(seed: u64, sequence: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], sequence }
    }

    /// Words 4 i to 4 i + 3.
    fn four(&self, i: u64) -> [u32; 4] {
        let low = [i as u32, (i >> 32) as u32];
        philox4x32([low[0], low[1], self.sequence as u32, (self.sequence >> 32) as u32], self.key)
    }

    /// Word `at` of the sequence; the sequence has 2^66 words, of which the first 2^64 can be named.
    pub fn word(&self, at: u64) -> u32 {
        self.four(at / 4)[(at % 4) as usize]
    }

    /// Fills with words from place `at` on, which wraps around after 2^64.
    pub fn words(&self, at: u64, out: &mut [u32], pool: &dyn Pool) {
        self.fill(at, out, pool, &|words| words);
    }

    /// Fills with numbers in (0, 1], uniform on multiples of 2^-32 plus 2^-33, rounded to f32: cuRAND's `curand_uniform`.
    pub fn uniform_f32(&self, at: u64, out: &mut [f32], pool: &dyn Pool) {
        self.fill(at, out, pool, &|words| words.map(unit));
    }

    /// Fills with normal numbers of mean 0 and deviation 1, by Box and Muller's method on words 2 i and 2 i + 1: the first
    /// of the pair gives the radius, the second the angle, and the sine comes before the cosine, as in cuRAND. `at` is even.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when `at` is odd: a pair would be cut.
    pub fn normal_f32(&self, at: u64, out: &mut [f32], pool: &dyn Pool) -> Result<(), crate::Error> {
        if at % 2 == 1 {
            return Err(crate::Error::shape("first place of normal numbers", at, "an even place"));
        }
        self.fill(at, out, pool, &|words| {
            let pair = |radius: u32, angle: u32| {
                let length = (-2.0 * unit(radius).ln()).sqrt();
                let (sin, cos) = (unit(angle) * std::f32::consts::TAU).sin_cos();
                [length * sin, length * cos]
            };
            let ([a, b], [c, d]) = (pair(words[0], words[1]), pair(words[2], words[3]));
            [a, b, c, d]
        });
        Ok(())
    }

    fn fill<T: Send + Copy>(
        &self,
        at: u64,
        out: &mut [T],
        pool: &dyn Pool,
        convert: &(dyn Fn([u32; 4]) -> [T; 4] + Sync),
    ) {
        parts::chunks(pool, out, TASK, &|task, part| {
            let first = at.wrapping_add((task * TASK) as u64);
            let mut done = 0;
            while done < part.len() {
                let place = first.wrapping_add(done as u64);
                let four = convert(self.four(place / 4));
                let skip = (place % 4) as usize;
                let n = (4 - skip).min(part.len() - done);
                part[done..done + n].copy_from_slice(&four[skip..skip + n]);
                done += n;
            }
        });
    }
}

/// In (0, 1].
fn unit(word: u32) -> f32 {
    word as f32 * 2.0_f32.powi(-32) + 2.0_f32.powi(-33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Serial, Threads};

    /// The known answers that come with the authors' Random123 library.
    #[test]
    fn known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u32::MAX;
        assert_eq!(philox4x32([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox4x32(pi, [0xa409_3822, 0x299f_31d0]), answer);
    }

    #[test]
    fn any_place_any_threads() {
        let generator = Philox::new(0x1234_5678_9abc_def0, 7);
        let mut all = vec![0; 3 * TASK + 5];
        generator.words(3, &mut all, &Serial);
        assert!(all.iter().enumerate().all(|(i, word)| *word == generator.word(3 + i as u64)));
        let mut again = vec![0; all.len()];
        generator.words(3, &mut again, &Threads::new(3).expect("threads"));
        assert_eq!(all, again);
        let mut part = vec![0; 10];
        generator.words(3 + 100, &mut part, &Serial);
        assert_eq!(part, all[100..110]);
        assert_ne!(generator.word(0), Philox::new(0x1234_5678_9abc_def0, 8).word(0));
        let mut wrapped = [0; 2];
        generator.words(u64::MAX, &mut wrapped, &Serial);
        assert_eq!(wrapped, [generator.word(u64::MAX), generator.word(0)]);
    }

    /// Moments within five standard errors; the numbers are always the same, so this cannot fail by chance.
    #[test]
    fn moments() {
        let n = 200_000;
        let mut values = vec![0.0; n];
        let moments = |values: &[f32]| {
            let sum = |power| values.iter().map(|v| f64::from(*v).powi(power)).sum::<f64>() / n as f64;
            [1, 2, 3, 4].map(sum)
        };
        Philox::new(42, 0).uniform_f32(0, &mut values, &Serial);
        assert!(values.iter().all(|v| *v > 0.0 && *v <= 1.0));
        for (power, moment) in (1..).zip(moments(&values)) {
            let mean = 1.0 / f64::from(power + 1);
            let error = ((1.0 / f64::from(2 * power + 1) - mean * mean) / n as f64).sqrt();
            assert!((moment - mean).abs() < 5.0 * error, "uniform moment {power}: {moment}");
        }
        Philox::new(42, 1).normal_f32(0, &mut values, &Serial).expect("even");
        // Variances of x, x^2, x^3, x^4 under the normal distribution: 1, 2, 15, 96.
        for ((moment, mean), variance) in
            moments(&values).into_iter().zip([0.0, 1.0, 0.0, 3.0]).zip([1.0, 2.0, 15.0, 96.0])
        {
            let error: f64 = variance / n as f64;
            assert!((moment - mean).abs() < 5.0 * error.sqrt(), "normal: {moment} for {mean}");
        }
        assert!(Philox::new(42, 1).normal_f32(1, &mut values, &Serial).is_err());
    }
}
