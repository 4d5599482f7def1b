//! A k-d tree: boxes around halves of the points, down to leaves of a few points side by side.

use crate::Error;

/// How far apart two points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The largest difference of coordinates.
    Maximum,
    /// The root of the sum of squares.
    Euclidean,
}

/// Points of a leaf.
const LEAF: usize = 12;

/// A box and the points in it.
#[derive(Clone, Copy, Debug)]
struct Node<const D: usize> {
    low: [f64; D],
    high: [f64; D],
    /// Its points, in the tree's order.
    start: u32,
    end: u32,
    /// The second half's node; the first half's follows this one. 0 for leaves.
    second: u32,
}

/// Points of `D` finite coordinates.
#[derive(Debug)]
pub struct Tree<const D: usize> {
    nodes: Vec<Node<D>>,
    points: Vec<[f64; D]>,
    /// Where each point was in the caller's list.
    order: Vec<u32>,
}

impl<const D: usize> Tree<D> {
    /// A tree of these points.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than 2^31 points.
    pub fn new(points: &[[f64; D]]) -> Result<Self, Error> {
        let n = points.len();
        if n > 1 << 31 {
            return Err(Error::TooLarge { what: "tree of points", count: n as u128 });
        }
        let mut order: Vec<u32> = (0..n as u32).collect();
        let mut tree = Self { nodes: Vec::with_capacity(4 * n / LEAF + 1), points: Vec::new(), order: Vec::new() };
        if n > 0 {
            tree.build(points, &mut order, 0);
        }
        tree.points = order.iter().map(|at| points[*at as usize]).collect();
        tree.order = order;
        Ok(tree)
    }

    fn build(&mut self, points: &[[f64; D]], order: &mut [u32], start: usize) {
        let (mut low, mut high) = ([f64::INFINITY; D], [f64::NEG_INFINITY; D]);
        for at in order.iter() {
            for axis in 0..D {
                let x = points[*at as usize][axis];
                low[axis] = low[axis].min(x);
                high[axis] = high[axis].max(x);
            }
        }
        let idx = self.nodes.len();
        let (from, to) = (start as u32, (start + order.len()) as u32);
        self.nodes.push(Node { low, high, start: from, end: to, second: 0 });
        let width = |axis: usize| high[axis] - low[axis];
        let widest = (0..D).reduce(|a, b| if width(b) > width(a) { b } else { a });
        let Some(axis) = widest.filter(|axis| order.len() > LEAF && width(*axis) > 0.0) else { return };
        let half = order.len() / 2;
        let key = |at: &u32| points[*at as usize][axis];
        // Equal coordinates in the order of their index: the tree depends on the points alone.
        order.select_nth_unstable_by(half, |a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
        let (first, second) = order.split_at_mut(half);
        self.build(points, first, start);
        self.nodes[idx].second = self.nodes.len() as u32;
        self.build(points, second, start + half);
    }

    /// How many points.
    pub const fn len(&self) -> usize {
        self.points.len()
    }

    /// There are none.
    pub const fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The points in the tree's order, in which neighbours are close to each other, with their places in the caller's list.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[f64; D])> {
        self.order.iter().map(|at| *at as usize).zip(&self.points)
    }

    /// Place and coordinates of the `position`th point in the tree's order.
    pub(super) fn point(&self, position: usize) -> (usize, &[f64; D]) {
        (self.order[position] as usize, &self.points[position])
    }

    /// The `k` nearest points but `without`, nearest first, equal distances by place.
    pub fn nearest(
        &self,
        query: &[f64; D],
        without: Option<usize>,
        k: usize,
        metric: Metric,
        best: &mut Vec<(usize, f64)>,
    ) {
        best.clear();
        if k == 0 || self.nodes.is_empty() {
            return;
        }
        match metric {
            Metric::Maximum => self.search::<true>(0, query, without, k, best),
            Metric::Euclidean => {
                self.search::<false>(0, query, without, k, best);
                best.iter_mut().for_each(|(_, distance)| *distance = distance.sqrt());
            }
        }
    }

    fn search<const MAX: bool>(
        &self,
        node: usize,
        query: &[f64; D],
        without: Option<usize>,
        k: usize,
        best: &mut Vec<(usize, f64)>,
    ) {
        let Node { start, end, second, .. } = self.nodes[node];
        if second == 0 {
            for at in start as usize..end as usize {
                let distance = length::<D, MAX>(|axis| (self.points[at][axis] - query[axis]).abs());
                // A point as far as the last comes before it when its place does.
                if best.len() == k && best.last().is_some_and(|last| distance > last.1) {
                    continue;
                }
                let place = self.order[at] as usize;
                if Some(place) == without {
                    continue;
                }
                let before = |other: &(usize, f64)| other.1 < distance || other.1 == distance && other.0 < place;
                let mut slot = best.len();
                while slot > 0 && !before(&best[slot - 1]) {
                    slot -= 1;
                }
                if slot < k {
                    best.truncate(k - 1);
                    best.insert(slot, (place, distance));
                }
            }
            return;
        }
        let halves = [node + 1, second as usize];
        let distances = halves.map(|half| self.distance_to::<MAX>(half, query));
        let nearer = usize::from(distances[1] < distances[0]);
        for which in [nearer, 1 - nearer] {
            if best.len() < k || best.last().is_none_or(|last| distances[which] <= last.1) {
                self.search::<MAX>(halves[which], query, without, k, best);
            }
        }
    }

    /// A lower bound of the distance to any point in a box.
    #[inline]
    fn distance_to<const MAX: bool>(&self, node: usize, query: &[f64; D]) -> f64 {
        let Node { low, high, .. } = &self.nodes[node];
        length::<D, MAX>(|axis| (low[axis] - query[axis]).max(query[axis] - high[axis]).max(0.0))
    }

    /// How many points are nearer than `limit` in the maximum metric, the point itself, if it is one, included.
    pub fn count_nearer(&self, query: &[f64; D], limit: f64) -> usize {
        let mut total = 0;
        let mut stack = [0_u32; 64];
        let mut depth = usize::from(!self.nodes.is_empty());
        while depth > 0 {
            depth -= 1;
            let idx = stack[depth] as usize;
            let node = &self.nodes[idx];
            let (mut outside, mut inside) = (false, true);
            for ((at, low), high) in query.iter().zip(&node.low).zip(&node.high) {
                let (left, right) = (at - low, high - at);
                outside |= -left >= limit || -right >= limit;
                inside &= left < limit && right < limit;
            }
            if outside {
                continue;
            }
            if inside {
                total += (node.end - node.start) as usize;
            } else if node.second == 0 {
                let points = &self.points[node.start as usize..node.end as usize];
                let near = |point: &&[f64; D]| (0..D).all(|axis| (point[axis] - query[axis]).abs() < limit);
                total += points.iter().filter(near).count();
            } else {
                // Halving 2^31 points 32 times leaves single ones: the stack is deep enough.
                stack[depth] = node.second;
                stack[depth + 1] = idx as u32 + 1;
                depth += 2;
            }
        }
        total
    }
}

/// The length of a vector of differences; squared for the Euclidean one.
#[inline(always)]
fn length<const D: usize, const MAX: bool>(part: impl Fn(usize) -> f64) -> f64 {
    (0..D).fold(0.0, |length: f64, axis| {
        let part = part(axis);
        if MAX { length.max(part) } else { length + part * part }
    })
}
