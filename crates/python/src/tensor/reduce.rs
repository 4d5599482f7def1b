//! Reductions and scans along axes.
//!
//! Sums of singles are made in double precision, of doubles in pairs ([`pairwise`]), so errors do not grow with the length.
//! Elements are combined in an order that depends on extents alone.

use super::dtype::{Bool, DType, Element, with_type};
use super::storage::View;
use super::walk::{CHUNK, Walk, chunks, converted};
use crate::error::Fail;
use num_complex::Complex;

/// The view with `axes` last, in their order.
fn with_last(view: &View, axes: &[usize]) -> Result<(View, usize), Fail> {
    let n = view.shape.len();
    if let Some(axis) = axes.iter().find(|axis| **axis >= n) {
        return Err(Fail::Value(format!("axis {axis} of an array with {n} dimensions")));
    }
    let order: Vec<usize> = (0..n).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect();
    let shape = order.iter().map(|axis| view.shape[*axis]).collect();
    let strides = order.iter().map(|axis| view.strides[*axis]).collect();
    Ok((View { shape, strides, ..view.clone() }, n - axes.len()))
}

/// Something that takes elements in and gives one out.
trait Reducer<E: Element>: Sync {
    /// What is carried along.
    type State: Copy + Send;
    /// The type of the result.
    type Out: Element;
    /// Before the first element.
    fn start(&self) -> Self::State;
    /// After some more elements; `at` is the place of the first.
    fn take(&self, state: Self::State, at: usize, elements: &[E]) -> Self::State;
    /// What two pieces that follow each other give together.
    fn join(&self, first: Self::State, second: Self::State) -> Self::State;
    /// The result.
    fn end(&self, state: Self::State) -> Self::Out;
}

/// From what one element gives and how two are joined.
struct Fold<S, O, M, J, F> {
    start: S,
    map: M,
    join: J,
    end: F,
    out: std::marker::PhantomData<fn() -> O>,
}

impl<E, S, O, M, J, F> Reducer<E> for Fold<S, O, M, J, F>
where
    E: Element,
    S: Copy + Send + Sync,
    O: Element,
    M: Fn(E) -> S + Sync,
    J: Fn(S, S) -> S + Sync,
    F: Fn(S) -> O + Sync,
{
    type State = S;
    type Out = O;
    fn start(&self) -> S {
        self.start
    }
    fn take(&self, state: S, _: usize, elements: &[E]) -> S {
        (self.join)(state, pairwise(elements, self.start, &self.map, &self.join))
    }
    fn join(&self, first: S, second: S) -> S {
        (self.join)(first, second)
    }
    fn end(&self, state: S) -> O {
        (self.end)(state)
    }
}

/// Halves joined, down to blocks of 128 in eight lanes.
fn pairwise<E: Copy, S: Copy>(elements: &[E], start: S, map: &impl Fn(E) -> S, join: &impl Fn(S, S) -> S) -> S {
    if elements.len() > 128 {
        let half = (elements.len() / 2).next_multiple_of(128).min(elements.len() - 1);
        let (left, right) = elements.split_at(half);
        return join(pairwise(left, start, map, join), pairwise(right, start, map, join));
    }
    let mut lanes = [start; 8];
    let parts = elements.chunks_exact(8);
    let rest = parts.remainder();
    for part in parts {
        for (lane, element) in lanes.iter_mut().zip(part) {
            *lane = join(*lane, map(*element));
        }
    }
    for (lane, element) in lanes.iter_mut().zip(rest) {
        *lane = join(*lane, map(*element));
    }
    let fours = [0, 1, 2, 3].map(|i| join(lanes[i], lanes[i + 4]));
    join(join(fours[0], fours[2]), join(fours[1], fours[3]))
}

/// The place of the largest element, or of the smallest; the first of several, NaN before all.
struct Extreme {
    largest: bool,
}

impl Extreme {
    fn better<E: Element>(&self, best: E, element: E) -> bool {
        let order = element.order(&best);
        !best.re().is_nan() && (element.re().is_nan() || if self.largest { order.is_gt() } else { order.is_lt() })
    }
}

impl<E: Element> Reducer<E> for Extreme {
    type State = Option<(E, usize)>;
    type Out = i64;
    fn start(&self) -> Self::State {
        None
    }
    fn take(&self, mut state: Self::State, at: usize, elements: &[E]) -> Self::State {
        for (i, element) in elements.iter().enumerate() {
            let better = match state {
                None => true,
                Some((best, _)) => self.better(best, *element),
            };
            if better {
                state = Some((*element, at + i));
            }
        }
        state
    }
    fn join(&self, first: Self::State, second: Self::State) -> Self::State {
        match (first, second) {
            (Some((best, at)), Some((element, there))) => {
                Some(if self.better(best, element) { (element, there) } else { (best, at) })
            }
            (first, second) => first.or(second),
        }
    }
    fn end(&self, state: Self::State) -> i64 {
        state.map_or(0, |(_, at)| at as i64)
    }
}

fn run<E: Element, R: Reducer<E>>(view: &View, axes: &[usize], reducer: &R) -> Result<View, Fail> {
    let (view, n_kept) = with_last(view, axes)?;
    let (kept, gone) = view.shape.split_at(n_kept);
    let length = super::storage::count(gone)?;
    let out = View::new(R::Out::DTYPE, kept)?;
    let walk = Walk::new(&view);
    let (to, total) = (out.address(), out.len());
    // Long lines are cut into pieces of their own, so that one line keeps all threads busy.
    let pieces = length.div_ceil(64 * CHUNK).max(1);
    let line = |line: usize, from: usize, n: usize| {
        let mut scratch = Vec::new();
        let mut state = reducer.start();
        for at in (from..from + n).step_by(CHUNK) {
            let n = CHUNK.min(from + n - at);
            // SAFETY: rules 1 to 3 of `storage`; the elements exist, and the place holds n of them, aligned.
            let elements = unsafe {
                std::slice::from_raw_parts(walk.side_by_side(line * length + at, n, &mut scratch).cast::<E>(), n)
            };
            state = reducer.take(state, at, elements);
        }
        state
    };
    if total <= 4 && pieces > 1 {
        for idx in 0..total {
            let states: Vec<std::sync::Mutex<Option<R::State>>> =
                (0..pieces).map(|_| std::sync::Mutex::new(None)).collect();
            super::walk::pool().run(pieces, &|piece| {
                let from = piece * 64 * CHUNK;
                let state = line(idx, from, (64 * CHUNK).min(length - from));
                *states[piece].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(state);
            });
            let states = states.into_iter().filter_map(|state| state.into_inner().ok().flatten());
            let state = states.reduce(|a, b| reducer.join(a, b)).unwrap_or_else(|| reducer.start());
            // SAFETY: the new array has this element.
            unsafe { (to as *mut R::Out).add(idx).write(reducer.end(state)) };
        }
        return Ok(out);
    }
    // Several lines to a task, about a chunk's work.
    let lines = (CHUNK / length.max(1)).max(1);
    let tasks = total.div_ceil(lines);
    let task = |task: usize| {
        for idx in task * lines..((task + 1) * lines).min(total) {
            let state = line(idx, 0, length);
            // SAFETY: the new array has this element, and one task writes it.
            unsafe { (to as *mut R::Out).add(idx).write(reducer.end(state)) };
        }
    };
    if total * length < 8 * CHUNK {
        (0..tasks).for_each(task)
    } else {
        super::walk::pool().run(tasks, &task)
    }
    Ok(out)
}

/// Reduces along axes; `out` is the type of sums and products, which the elements have.
pub fn reduce(name: &str, view: &View, axes: &[usize]) -> Result<View, Fail> {
    macro_rules! fold {
        ($e:ty, $s:ty, $o:ty, $start:expr, $map:expr, $join:expr, $end:expr) => {
            run::<$e, _>(
                view,
                axes,
                &Fold::<$s, $o, _, _, _> {
                    start: $start,
                    map: $map,
                    join: $join,
                    end: $end,
                    out: std::marker::PhantomData,
                },
            )
        };
    }
    let empty = axes.iter().any(|axis| view.shape.get(*axis) == Some(&0));
    if empty && matches!(name, "max" | "min" | "argmax" | "argmin") {
        return Err(Fail::Value(format!("{name} of no elements: shape {:?} along axes {axes:?}", view.shape)));
    }
    match name {
        "any" => {
            return with_type!(view.dtype, E => fold!(E, bool, Bool, false, |x: E| x.truth(), |a, b| a | b, Bool::new));
        }
        "all" => {
            return with_type!(view.dtype, E => fold!(E, bool, Bool, true, |x: E| x.truth(), |a, b| a & b, Bool::new));
        }
        "count_nonzero" => {
            return with_type!(view.dtype, E => fold!(E, i64, i64, 0, |x: E| i64::from(x.truth()), |a, b| a + b, |a| a));
        }
        "argmax" => return with_type!(view.dtype, E => run::<E, _>(view, axes, &Extreme { largest: true })),
        "argmin" => return with_type!(view.dtype, E => run::<E, _>(view, axes, &Extreme { largest: false })),
        _ => {}
    }
    macro_rules! integer {
        ($t:ty) => {
            match name {
                "sum" => fold!($t, $t, $t, 0, |x| x, |a: $t, b| a.wrapping_add(b), |a| a),
                "prod" => fold!($t, $t, $t, 1, |x| x, |a: $t, b| a.wrapping_mul(b), |a| a),
                "max" => fold!($t, $t, $t, <$t>::MIN, |x| x, |a: $t, b| a.max(b), |a| a),
                "min" => fold!($t, $t, $t, <$t>::MAX, |x| x, |a: $t, b| a.min(b), |a| a),
                _ => Err(Fail::Value(format!("{name} is not a reduction"))),
            }
        };
    }
    macro_rules! float {
        ($t:ty) => {
            match name {
                "sum" => fold!($t, f64, $t, 0.0, f64::from, |a, b| a + b, |a| a as $t),
                "prod" => fold!($t, f64, $t, 1.0, f64::from, |a, b| a * b, |a| a as $t),
                "max" => fold!(
                    $t,
                    $t,
                    $t,
                    <$t>::NEG_INFINITY,
                    |x| x,
                    |a: $t, b: $t| if b > a || b.is_nan() { b } else { a },
                    |a| a
                ),
                "min" => fold!(
                    $t,
                    $t,
                    $t,
                    <$t>::INFINITY,
                    |x| x,
                    |a: $t, b: $t| if b < a || b.is_nan() { b } else { a },
                    |a| a
                ),
                _ => Err(Fail::Value(format!("{name} is not a reduction"))),
            }
        };
    }
    type C = Complex<f64>;
    macro_rules! complex {
        ($t:ty) => {
            match name {
                "sum" => fold!($t, C, $t, C::default(), |z| C::of(z), |a, b| a + b, |a| <$t>::of(a)),
                "prod" => fold!($t, C, $t, C::new(1.0, 0.0), |z| C::of(z), |a, b| a * b, |a| <$t>::of(a)),
                _ => Err(Fail::Value(format!("{name} is not defined for {}", view.dtype.name()))),
            }
        };
    }
    match view.dtype {
        DType::Bool => Err(Fail::Value(format!("{name} is not defined for bool"))),
        DType::I8 => integer!(i8),
        DType::I16 => integer!(i16),
        DType::I32 => integer!(i32),
        DType::I64 => integer!(i64),
        DType::U8 => integer!(u8),
        DType::U16 => integer!(u16),
        DType::U32 => integer!(u32),
        DType::U64 => integer!(u64),
        DType::F32 => float!(f32),
        DType::F64 => float!(f64),
        DType::C64 => complex!(Complex<f32>),
        DType::C128 => complex!(C),
    }
}

/// Running sum or product along an axis.
pub fn scan(name: &str, view: &View, axis: usize) -> Result<View, Fail> {
    let (turned, _) = with_last(view, &[axis])?;
    let length = view.shape[axis];
    let out = converted(&turned, view.dtype)?;
    let product = name == "prod";
    type C = Complex<f64>;
    let complex: (C, fn(C, C) -> C) =
        if product { (C::new(1.0, 0.0), |a, b| a * b) } else { (C::default(), |a, b| a + b) };
    macro_rules! integer {
        ($t:ty) => {
            along::<$t, $t>(&out, length, if product { (1, <$t>::wrapping_mul) } else { (0, <$t>::wrapping_add) })
        };
    }
    match view.dtype {
        DType::Bool => return Err(Fail::Value("a running sum is not defined for bool".to_owned())),
        DType::I8 => integer!(i8),
        DType::I16 => integer!(i16),
        DType::I32 => integer!(i32),
        DType::I64 => integer!(i64),
        DType::U8 => integer!(u8),
        DType::U16 => integer!(u16),
        DType::U32 => integer!(u32),
        DType::U64 => integer!(u64),
        DType::F32 => along::<f32, f64>(&out, length, if product { (1.0, |a, b| a * b) } else { (0.0, |a, b| a + b) }),
        DType::F64 => along::<f64, f64>(&out, length, if product { (1.0, |a, b| a * b) } else { (0.0, |a, b| a + b) }),
        DType::C64 => along::<Complex<f32>, C>(&out, length, complex),
        DType::C128 => along::<C, C>(&out, length, complex),
    }
    // The axis back to its place, as a view.
    let n = view.shape.len();
    let mut strides = vec![0; n];
    let order: Vec<usize> = (0..n).filter(|other| *other != axis).chain([axis]).collect();
    for (place, from) in order.iter().enumerate() {
        strides[*from] = out.strides[place];
    }
    Ok(View { shape: view.shape.clone(), strides, ..out })
}

/// Each line of a new contiguous array, every element joined to what came before.
fn along<T: Element, S: Element>(out: &View, length: usize, (start, join): (S, fn(S, S) -> S)) {
    if length == 0 {
        return;
    }
    let at = out.address();
    chunks(out.len() / length, &|first, n| {
        for line in first..first + n {
            // SAFETY: the new contiguous array has this line, and one task writes it.
            let line = unsafe { std::slice::from_raw_parts_mut((at as *mut T).add(line * length), length) };
            let mut state = start;
            for element in line {
                state = join(state, S::of(*element));
                *element = T::of(state);
            }
        }
    });
}
