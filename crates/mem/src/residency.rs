//! Which pages stay, which go, and which are fetched before anybody asks: pure state, no memory and no clock.
//!
//! Model. [`Clock`] is a two-handed clock over the frames of the budget. The front hand takes access away from a page (the
//! caller protects it), the back hand, a quarter of the frames behind, evicts what nobody has touched since. A touched page
//! gets its access back at the price of one cheap fault and survives the round.
//!
//! [`Thrash`] watches how soon an evicted page is wanted again, counted in evictions. A page that comes back within one
//! round of the clock several times in a row is *kept* for a while: of a data set that is swept again and again and does not
//! fit, half then stays and is hit every time, where pure recency would miss always.
//!
//! [`Streams`] recognises runs of pages with a constant stride among the interleaved faults of several threads, and asks for
//! what comes next with a window that doubles as long as it is right. [`dense_block`] is the density rule of NVIDIA's driver: the
//! largest aligned block of pages of which more than 51 % are there or being fetched.

use std::ops::Range;

/// What the clock wants done, as frame numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Take access away.
    pub deactivate: Vec<u32>,
    /// Evict.
    pub evict: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    used: bool,
    active: bool,
    pins: u32,
    /// Not evicted before the clock has evicted so many pages.
    kept_until: u64,
}

/// See the module header.
#[derive(Clone, Debug)]
pub struct Clock {
    slots: Vec<Slot>,
    back: usize,
    evictions: u64,
}

impl Clock {
    /// A clock over `frames` empty frames.
    pub fn new(frames: u32) -> Self {
        Self { slots: vec![Slot::default(); frames as usize], back: 0, evictions: 0 }
    }

    /// Pages evicted so far: the time of this module.
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// A frame got a page. One that was fetched on a guess is not active: it goes first if nobody touches it.
    pub fn fill(&mut self, frame: u32, active: bool) {
        self.slots[frame as usize] = Slot { used: true, active, pins: 0, kept_until: 0 };
    }

    /// A frame has no page any more.
    pub fn empty(&mut self, frame: u32) {
        self.slots[frame as usize] = Slot::default();
    }

    /// The page in a frame was used.
    pub fn touch(&mut self, frame: u32) {
        self.slots[frame as usize].active = true;
    }

    /// The page stays until as many [`Self::unpin`]s.
    pub fn pin(&mut self, frame: u32) {
        self.slots[frame as usize].pins += 1;
    }

    /// Takes one pin away.
    pub fn unpin(&mut self, frame: u32) {
        self.slots[frame as usize].pins -= 1;
    }

    /// The page stays for the next `evictions` evictions, unless nothing else can go.
    pub fn keep(&mut self, frame: u32, evictions: u64) {
        self.slots[frame as usize].kept_until = self.evictions + evictions;
    }

    /// Frames that are kept now.
    pub fn kept(&self) -> usize {
        self.slots.iter().filter(|slot| slot.used && slot.kept_until > self.evictions).count()
    }

    /// Chooses up to `want` pages to evict. The caller empties their frames before the next sweep, or touches what it
    /// could not evict.
    pub fn sweep(&mut self, want: usize) -> Sweep {
        let n = self.slots.len();
        let lead = n / 4;
        let mut sweep = Sweep::default();
        // The first round is fair, the second takes what is active, the third what is kept as well.
        for round in 0..3 {
            for _ in 0..n {
                if sweep.evict.len() >= want {
                    return sweep;
                }
                let front = (self.back + lead) % n;
                if round == 0 && self.slots[front].used && self.slots[front].active && self.slots[front].pins == 0 {
                    self.slots[front].active = false;
                    sweep.deactivate.push(front as u32);
                }
                let slot = self.slots[self.back];
                let kept = slot.kept_until > self.evictions && round < 2;
                if slot.used && slot.pins == 0 && !kept && (round > 0 || !slot.active) {
                    let frame = self.back as u32;
                    self.slots[self.back].used = false;
                    sweep.deactivate.retain(|chosen| *chosen != frame);
                    sweep.evict.push(frame);
                    self.evictions += 1;
                }
                self.back = (self.back + 1) % n;
            }
        }
        sweep
    }
}

/// Rounds in a row in which a page came back at once until it is kept.
const RETURNS_UNTIL_KEPT: u8 = 3;

/// What is remembered of a page that was evicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thrash {
    evicted_at: u64,
    returns: u8,
}

impl Thrash {
    /// The page goes, as the `now`-th eviction.
    pub fn evicted(&mut self, now: u64) {
        self.evicted_at = now + 1;
    }

    /// The page is wanted again. True when it should be kept: it came back within `round` evictions several times in a row.
    pub fn returned(&mut self, now: u64, round: u64) -> bool {
        if self.evicted_at == 0 {
            return false;
        }
        let soon = now.saturating_sub(self.evicted_at) <= round;
        self.returns = if soon { self.returns.saturating_add(1) } else { 0 };
        self.returns >= RETURNS_UNTIL_KEPT
    }
}

/// The largest aligned block of at most `most` pages (a power of two) around `page` of which more than 51 % are there,
/// counting `page` itself; the page alone when there is none.
pub fn dense_block(page: u32, most: u32, there: impl Fn(u32) -> bool) -> Range<u32> {
    let mut block = page..page + 1;
    let mut size = 2;
    while size <= most {
        let start = page & !(size - 1);
        let Some(end) = start.checked_add(size) else { break };
        let count = (start..end).filter(|other| *other == page || there(*other)).count();
        if count * 100 > size as usize * 51 {
            block = start..end;
        }
        size *= 2;
    }
    block
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    last: u32,
    stride: i64,
    /// Strides in a row that were as expected.
    confirmed: u32,
    window: u32,
    /// The last page that was asked for.
    asked: i64,
    used: u64,
}

/// See the module header.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    streams: Vec<Stream>,
    time: u64,
}

/// Streams that are followed at a time.
const MAX_STREAMS: usize = 32;
/// Farthest that the next page of a stream lies from the last.
const MAX_STRIDE: i64 = 64;

impl Streams {
    /// A first touch of `page`. Returns pages to fetch: count, first and stride; `max_window` bounds how far ahead.
    pub fn touch(&mut self, page: u32, max_window: u32) -> Option<(u32, u32, i64)> {
        self.time += 1;
        let near = |stream: &Stream| {
            let step = i64::from(page) - i64::from(stream.last);
            (step == stream.stride && stream.stride != 0, (step != 0 && step.abs() <= MAX_STRIDE).then_some(step))
        };
        let exact = self.streams.iter().position(|stream| near(stream).0);
        let closest = || {
            let steps = self.streams.iter().enumerate().filter(|(_, stream)| stream.confirmed < 2);
            let steps = steps.filter_map(|(idx, stream)| Some((near(stream).1?.abs(), idx)));
            steps.min().map(|(_, idx)| idx)
        };
        let Some(idx) = exact.or_else(closest) else {
            if self.streams.iter().any(|stream| stream.last == page) {
                return None;
            }
            if self.streams.len() == MAX_STREAMS {
                let oldest = (0..MAX_STREAMS).min_by_key(|idx| self.streams[*idx].used)?;
                self.streams.swap_remove(oldest);
            }
            let asked = i64::from(page);
            self.streams.push(Stream { last: page, stride: 0, confirmed: 0, window: 1, asked, used: self.time });
            return None;
        };
        let stream = &mut self.streams[idx];
        stream.used = self.time;
        if exact.is_some() {
            stream.confirmed += 1;
        } else {
            stream.stride = i64::from(page) - i64::from(stream.last);
            stream.confirmed = 1;
            stream.window = 1;
            stream.asked = i64::from(page);
        }
        stream.last = page;
        if stream.confirmed < 2 && stream.stride != 1 {
            return None;
        }
        // Ask again when half of the window has been used up.
        let ahead = (stream.asked - i64::from(page)) / stream.stride;
        if ahead * 2 > i64::from(stream.window) {
            return None;
        }
        stream.window = (stream.window * 2).min(max_window.max(1));
        let first = stream.asked.max(i64::from(page) * stream.stride.signum()) + stream.stride;
        let first = if ahead < 0 { i64::from(page) + stream.stride } else { first };
        let count = i64::from(stream.window) - ahead.max(0);
        stream.asked = first + stream.stride * (count - 1);
        let first = u32::try_from(first).ok()?;
        Some((count as u32, first, stream.stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Runs a trace over `frames` frames; returns hits.
    fn hits(trace: impl Iterator<Item = u32>, frames: u32) -> usize {
        let mut clock = Clock::new(frames);
        let mut at: Vec<Option<u32>> = vec![None; frames as usize];
        let mut thrash = vec![Thrash::default(); 1000];
        let mut hits = 0;
        for page in trace {
            if let Some(frame) = at.iter().position(|there| *there == Some(page)) {
                clock.touch(frame as u32);
                hits += 1;
                continue;
            }
            let frame = at.iter().position(Option::is_none).unwrap_or_else(|| {
                let sweep = clock.sweep(1);
                let frame = sweep.evict[0] as usize;
                thrash[at[frame].take().unwrap() as usize].evicted(clock.evictions());
                clock.empty(frame as u32);
                frame
            });
            at[frame] = Some(page);
            clock.fill(frame as u32, true);
            if thrash[page as usize].returned(clock.evictions(), u64::from(frames))
                && clock.kept() < frames as usize / 2
            {
                clock.keep(frame as u32, 20 * u64::from(frames));
            }
        }
        hits
    }

    #[test]
    fn what_is_used_often_survives_a_stream() {
        // One page of eight is used all the time, the others once.
        let trace = (0..8000u32).map(|idx| if idx.is_multiple_of(2) { 0 } else { 1 + idx / 2 % 900 });
        assert!(hits(trace, 8) >= 3900);
    }

    #[test]
    fn a_loop_that_does_not_fit_still_hits() {
        // Pure recency would never hit.
        let found = hits((0..30_000).map(|idx| idx % 24), 16);
        assert!(found > 6_000, "{found}");
    }

    #[test]
    fn pinned_pages_stay_and_a_full_clock_gives_nothing() {
        let mut clock = Clock::new(4);
        for frame in 0..4 {
            clock.fill(frame, true);
            if frame != 2 {
                clock.pin(frame);
            }
        }
        assert_eq!(clock.sweep(4).evict, [2]);
        assert!(clock.sweep(1).evict.is_empty());
        clock.unpin(0);
        assert_eq!(clock.sweep(1).evict, [0]);
    }

    proptest! {
        #[test]
        fn a_sweep_names_each_frame_once_and_finds_what_can_go(
            slots in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..40), want in 0usize..50
        ) {
            let mut clock = Clock::new(slots.len() as u32);
            for (frame, (used, active, pinned)) in slots.iter().enumerate() {
                if *used {
                    clock.fill(frame as u32, *active);
                    if *pinned { clock.pin(frame as u32) }
                }
            }
            let sweep = clock.sweep(want);
            let free = slots.iter().filter(|(used, _, pinned)| *used && !pinned).count();
            prop_assert_eq!(sweep.evict.len(), want.min(free));
            let all: HashSet<_> = sweep.evict.iter().chain(&sweep.deactivate).collect();
            prop_assert_eq!(all.len(), sweep.evict.len() + sweep.deactivate.len());
            prop_assert!(all.iter().all(|frame| slots[**frame as usize].0 && !slots[**frame as usize].2));
        }
    }

    #[test]
    fn a_block_is_fetched_when_more_than_half_is_there() {
        assert_eq!(dense_block(5, 16, |_| false), 5..6);
        assert_eq!(dense_block(5, 16, |page| page == 4), 4..6);
        assert_eq!(dense_block(5, 16, |page| page == 4 || page == 7), 4..8);
        assert_eq!(dense_block(0, 8, |page| page < 4), 0..4);
        assert_eq!(dense_block(0, 8, |page| page < 5), 0..8);
    }

    /// Share of first touches, after the first three of each stream, that were asked for before.
    fn foreseen(trace: impl Iterator<Item = u32>) -> f64 {
        let mut streams = Streams::default();
        let (mut asked, mut hits, mut all) = (HashSet::new(), 0, 0);
        for page in trace {
            all += 1;
            hits += usize::from(asked.contains(&page));
            if let Some((count, first, stride)) = streams.touch(page, 16) {
                asked.extend((0..i64::from(count)).map(|idx| (i64::from(first) + idx * stride) as u32));
            }
        }
        f64::from(hits as u32) / f64::from(all)
    }

    #[test]
    fn sequential_strided_backward_and_interleaved_streams_are_foreseen() {
        assert!(foreseen(100..1100) > 0.98);
        assert!(foreseen((0..1000).map(|idx| 5000 - idx)) > 0.98);
        assert!(foreseen((0..1000).map(|idx| 100 + 7 * idx)) > 0.98);
        let six = (0..6000u32).map(|idx| idx % 6 * 10_000 + 50 + idx / 6);
        assert!(foreseen(six) > 0.97);
    }

    #[test]
    fn random_touches_fetch_little() {
        let mut streams = Streams::default();
        let mut state = 7u64;
        let mut asked = 0;
        for _ in 0..10_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            asked += streams.touch((state >> 40) as u32 % 1_000_000, 16).map_or(0, |(count, _, _)| count);
        }
        assert!(asked < 500, "{asked}");
    }
}
