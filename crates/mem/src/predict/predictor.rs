//! Several interleaved sequences, each kept some pages ahead of what is accessed.

use super::nest::{Nest, Pattern};
use std::collections::VecDeque;

/// Settings of a [`Predictor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Pages that a sequence is kept ahead.
    pub distance: usize,
    /// Sequences followed at a time.
    pub streams: usize,
    /// A page farther than this from the last of every sequence begins one of its own.
    pub reach: u64,
    /// Predictions that must have come true before anything is fetched.
    pub confidence: u32,
}

impl Default for Config {
    /// Eight pages ahead, as the device's `cache_prefetch_distance` says.
    fn default() -> Self {
        Self { distance: 8, streams: 16, reach: 1 << 16, confidence: 1 }
    }
}

/// One sequence: what has been seen, and what was asked for beyond.
#[derive(Clone, Debug)]
struct Stream {
    /// After the last page accessed in order.
    seen: Nest,
    /// After the last page of `ahead`, if the predictions come true.
    reached: Nest,
    /// Predicted and not accessed yet, in order.
    ahead: VecDeque<u64>,
    /// Jumped over: another worker may still access them.
    skipped: VecDeque<u64>,
    /// When another sequence took what might have been this one's next page; it must prove itself soon.
    doubted_at: Option<u64>,
}

impl Stream {
    fn new(page: u64) -> Self {
        let (nest, _) = Nest::new().step(page);
        Self { seen: nest, reached: nest, ahead: VecDeque::new(), skipped: VecDeque::new(), doubted_at: None }
    }

    /// Takes a page that was predicted: what comes before it in `ahead` counts as jumped over.
    fn take(&mut self, page: u64, config: &Config, fetch: &mut Vec<u64>) {
        self.doubted_at = None;
        if let Some(at) = self.ahead.iter().position(|&ahead| ahead == page) {
            for (idx, page) in self.ahead.drain(..=at).enumerate() {
                self.seen = self.seen.step(page).0;
                if idx < at {
                    self.skipped.push_back(page);
                }
            }
            while self.skipped.len() > config.distance {
                self.skipped.pop_front();
            }
            self.extend(config, fetch);
        } else {
            self.skipped.retain(|&skipped| skipped != page);
        }
    }

    /// Takes a page that does not fit.
    fn jump(&mut self, page: u64) {
        self.seen = self.seen.step(page).0;
        self.reached = self.seen;
        self.ahead.clear();
    }

    /// Predicts until `distance` pages are ahead and appends what is new to `fetch`.
    fn extend(&mut self, config: &Config, fetch: &mut Vec<u64>) {
        if self.seen.streak() < config.confidence {
            return;
        }
        while self.ahead.len() < config.distance {
            let Some(page) = self.reached.next() else { return };
            self.reached = self.reached.step(page).0;
            self.ahead.push_back(page);
            fetch.push(page);
        }
    }
}

/// See the module header of [`crate::predict`].
#[derive(Clone, Debug)]
pub struct Predictor {
    config: Config,
    /// The one used last comes first.
    streams: Vec<Stream>,
    now: u64,
}

impl Predictor {
    /// A predictor that has seen nothing.
    pub fn new(config: Config) -> Self {
        Self { config, streams: Vec::new(), now: 0 }
    }

    /// Takes an access, and appends the pages to fetch now to `fetch`: no page that was asked for by the same sequence
    /// before. Returns whether the access was expected.
    pub fn access(&mut self, page: u64, fetch: &mut Vec<u64>) -> bool {
        self.now += 1;
        let config = self.config;
        let (now, patience) = (self.now, 2 * config.streams.max(1) as u64);
        self.streams.retain(|stream| stream.doubted_at.is_none_or(|doubted_at| now - doubted_at <= patience));
        let expects = |stream: &Stream| {
            stream.seen.last() == Some(page) || stream.ahead.contains(&page) || stream.skipped.contains(&page)
        };
        if let Some(idx) = self.streams.iter().position(expects) {
            self.bring_to_front(idx).take(page, &config, fetch);
            return true;
        }
        // A sequence that had this page in mind, without being sure enough to fetch it, comes before the nearest.
        let distance = |stream: &Stream| match (stream.seen.next(), stream.seen.last()) {
            (Some(next), _) if next == page => 0,
            (_, last) => last.map_or(u64::MAX, |last| last.abs_diff(page)),
        };
        let nearest = self.streams.iter().map(distance).enumerate().min_by_key(|&(_, distance)| distance);
        let Some((idx, distance)) = nearest.filter(|&(_, distance)| distance <= config.reach) else {
            self.follow(Stream::new(page));
            return false;
        };
        let stream = self.bring_to_front(idx);
        let fork = (stream.seen.streak() >= config.confidence && distance > 0).then(|| stream.clone());
        stream.jump(page);
        stream.doubted_at = None;
        stream.extend(&config, fetch);
        if let Some(stays) = fork {
            let jumped = self.streams.remove(0);
            self.follow(Stream { doubted_at: Some(now), ..stays });
            self.follow(jumped);
        }
        distance == 0
    }

    /// What the sequence of the latest access looks like.
    pub fn pattern(&self) -> Pattern {
        self.streams.first().map_or(Pattern::Irregular, |stream| stream.seen.pattern())
    }

    /// Makes a sequence the one used last: they are kept in that order.
    fn bring_to_front(&mut self, idx: usize) -> &mut Stream {
        self.streams[..=idx].rotate_right(1);
        &mut self.streams[0]
    }

    /// Follows a further sequence, instead of the one not used for longest when there are too many.
    fn follow(&mut self, stream: Stream) {
        self.streams.truncate(self.config.streams.max(1) - 1);
        self.streams.insert(0, stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_kept_eight_pages_ahead() {
        let mut predictor = Predictor::new(Config::default());
        let mut fetch = Vec::new();
        for page in 0..3 {
            assert_eq!(predictor.access(page, &mut fetch), page == 2);
        }
        assert_eq!(fetch, (3..11).collect::<Vec<_>>());
        fetch.clear();
        assert!(predictor.access(3, &mut fetch));
        assert_eq!(fetch, [11]);
        assert_eq!(predictor.pattern(), Pattern::Sequential);
    }

    #[test]
    fn workers_that_overtake_each_other_do_not_break_a_walk() {
        let mut predictor = Predictor::new(Config::default());
        let mut fetch = Vec::new();
        let order = [0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11];
        let expected = order.iter().filter(|&&page| predictor.access(page, &mut fetch)).count();
        assert_eq!(expected, order.len() - 2);
        fetch.sort_unstable();
        assert_eq!(fetch, (3..21).collect::<Vec<_>>(), "each page once");
    }

    #[test]
    fn nothing_is_fetched_for_a_random_walk() {
        let mut predictor = Predictor::new(Config::default());
        let mut fetch = Vec::new();
        let mut seed = 5u64;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            predictor.access(seed >> 24, &mut fetch);
        }
        assert_eq!(fetch.len(), 0);
    }
}
