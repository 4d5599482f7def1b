//! Operations between lanes against a model in plain Rust: every operation, at every vector level, with 32 and 64
//! lanes, all lanes active and some, uniform and varying operands.

use super::{LaneValue, Warps, cross_lane};
use crate::Target;
use crate::llvm::{Context, Value};
use crate::loaded::{Loaded, from_bytes, targets, test_function, to_bytes};
use vgpu_ptx::ir::{Op, ReduxOp, ScalarType, ShuffleMode, VoteMode};

/// How a source operand reaches the operation.
#[derive(Clone, Debug)]
enum Source {
    /// Known at compile time.
    Constant(u64),
    /// One scalar, known at run time.
    Scalar(u64),
    /// One value per lane.
    Lanes(Vec<u64>),
}

impl Source {
    fn at(&self, lane: usize) -> u64 {
        match self {
            Self::Constant(value) | Self::Scalar(value) => *value,
            Self::Lanes(values) => values[lane],
        }
    }
}

struct Case {
    op: Op,
    sources: Vec<(u32, Source)>,
    results: Vec<u32>,
    active: Option<Vec<bool>>,
    lanes: usize,
}

/// Numbers that look random; fixed seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let x = self.0 ^ self.0 >> 33;
        x.wrapping_mul(0xff51afd7ed558ccd) ^ x >> 29
    }

    fn list(&mut self, n: usize, below: u64) -> Vec<u64> {
        (0..n).map(|_| self.next() % below).collect()
    }
}

fn load<'c>(warps: &Warps<'_, 'c>, pointer: Value<'c>, bits: u32, lanes: u32) -> Value<'c> {
    let builder = warps.builder;
    let stored = builder.context().int(bits.max(8));
    let stored = if lanes == 0 { stored } else { stored.vector(lanes) };
    let value = builder.load(stored, pointer, 1);
    if bits == 1 { builder.trunc(value, builder.context().int(1)) } else { value }
}

fn run(target: &Target, cases: &[Case]) -> Vec<Vec<Vec<u64>>> {
    let context = Context::new("warps");
    for (idx, case) in cases.iter().enumerate() {
        let n_buffers = 1 + case.sources.len() + case.results.len();
        test_function(&context, &format!("case{idx}"), n_buffers as u32, |builder, buffers| {
            let lanes = case.lanes as u32;
            let mut warps = Warps { builder, target, lanes, mask: None };
            if case.active.is_some() {
                warps.mask = Some(load(&warps, buffers[0], 1, lanes));
            }
            let sources: Vec<_> = case
                .sources
                .iter()
                .zip(&buffers[1..])
                .map(|((bits, source), buffer)| match source {
                    Source::Constant(value) => LaneValue::Uniform(context.int(*bits).constant(*value)),
                    Source::Scalar(_) => LaneValue::Uniform(load(&warps, *buffer, *bits, 0)),
                    Source::Lanes(_) => LaneValue::Varying(load(&warps, *buffer, *bits, lanes)),
                })
                .collect();
            let results = cross_lane(&warps, &case.op, &sources).expect("an operation between lanes");
            assert_eq!(results.len(), case.results.len(), "{:?}", case.op);
            for (result, buffer) in results.iter().zip(&buffers[1 + case.sources.len()..]) {
                let vector = result.vector(builder, lanes);
                let vector = builder.resize(vector, context.int(vector.ty().scalar_bits().max(8)), false);
                builder.store(vector, *buffer, 1);
            }
        });
    }
    let loaded = Loaded::new(&context, target);
    let run_case = |(idx, case): (usize, &Case)| {
        let active = case.active.clone().unwrap_or_else(|| vec![true; case.lanes]);
        let mut buffers = vec![active.iter().map(|truth| u8::from(*truth)).collect::<Vec<_>>()];
        for (bits, source) in &case.sources {
            let values: Vec<_> = (0..case.lanes).map(|lane| source.at(lane)).collect();
            buffers.push(to_bytes(&values, bits.div_ceil(8) as usize));
        }
        for bits in &case.results {
            buffers.push(vec![0; case.lanes * bits.div_ceil(8) as usize]);
        }
        let mut slices: Vec<_> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
        loaded.call(&format!("case{idx}"), &mut slices);
        let results = buffers[1 + case.sources.len()..].iter().zip(&case.results);
        results.map(|(bytes, bits)| from_bytes(bytes, bits.div_ceil(8) as usize)).collect()
    };
    cases.iter().enumerate().map(run_case).collect()
}

/// What lane `lane` gets; `None` where the manual leaves it open.
fn model(case: &Case, lane: usize) -> Vec<Option<u64>> {
    let warp = lane & !31;
    let active = |of: usize| case.active.as_ref().is_none_or(|active| active[of]);
    let source = |idx: usize, of: usize| case.sources[idx].1.at(of);
    let members =
        |mask: u64| (0..32).filter(move |of| mask >> of & 1 == 1).filter(|of| active(warp + *of)).collect::<Vec<_>>();
    let bits = |lanes: &[usize]| lanes.iter().fold(0u64, |bits, of| bits | 1 << of);
    match &case.op {
        Op::Shuffle { mode, .. } => {
            let (b, c) = (source(1, lane) as u32, source(2, lane) as u32);
            let (bval, cval, segment) = ((b & 31) as i32, (c & 31) as i32, (c >> 8 & 31) as i32);
            let id = lane as i32 % 32;
            let (max, min) = ((id & segment) | (cval & !segment), id & segment);
            let (from, inside) = match mode {
                ShuffleMode::Up => (id - bval, id - bval >= max),
                ShuffleMode::Down => (id + bval, id + bval <= max),
                ShuffleMode::Bfly => (id ^ bval, id ^ bval <= max),
                ShuffleMode::Idx => (min | (bval & !segment), min | (bval & !segment) <= max),
            };
            let from = if inside { from } else { id };
            let readable = (0..32).contains(&from) && active(warp + from as usize);
            vec![readable.then(|| source(0, warp + from as usize)), Some(u64::from(inside))]
        }
        Op::Vote { mode, sync } => {
            let members = members(if *sync { source(1, lane) } else { u64::from(u32::MAX) });
            let yes: Vec<_> = members.iter().copied().filter(|of| source(0, warp + of) & 1 == 1).collect();
            vec![Some(match mode {
                VoteMode::All => u64::from(yes.len() == members.len()),
                VoteMode::Any => u64::from(!yes.is_empty()),
                VoteMode::Uni => u64::from(yes.is_empty() || yes.len() == members.len()),
                VoteMode::Ballot => bits(&yes),
            })]
        }
        Op::Match { all, .. } => {
            let members = members(source(1, lane));
            let same: Vec<_> = members.iter().copied().filter(|of| source(0, warp + of) == source(0, lane)).collect();
            match all {
                false => vec![Some(bits(&same))],
                true if same == members => vec![Some(bits(&members)), Some(1)],
                true => vec![Some(0), Some(0)],
            }
        }
        Op::ActiveMask => vec![Some(bits(&members(u64::from(u32::MAX))))],
        Op::Redux { op, ty } => {
            let values = members(source(1, lane)).into_iter().map(|of| source(0, warp + of) as u32);
            let signed = ty.is_signed();
            let key = |x: &u32| if signed { i64::from(*x as i32) } else { i64::from(*x) };
            vec![Some(u64::from(match op {
                ReduxOp::Add => values.fold(0, u32::wrapping_add),
                ReduxOp::And => values.fold(u32::MAX, |a, b| a & b),
                ReduxOp::Or => values.fold(0, |a, b| a | b),
                ReduxOp::Xor => values.fold(0, |a, b| a ^ b),
                ReduxOp::Min => values.min_by_key(key).expect("the lane is a member"),
                ReduxOp::Max => values.max_by_key(key).expect("the lane is a member"),
            }))]
        }
        Op::Elect => {
            let leader = members(source(0, lane))[0] as u64;
            vec![Some(leader), Some(u64::from(leader == lane as u64 % 32))]
        }
        other => panic!("no model of {other:?}"),
    }
}

fn check(cases: &[Case]) {
    for target in targets() {
        let results = run(&target, cases);
        for (case, results) in cases.iter().zip(results) {
            for lane in (0..case.lanes).filter(|lane| case.active.as_ref().is_none_or(|active| active[*lane])) {
                for (idx, expected) in model(case, lane).into_iter().enumerate() {
                    if let Some(expected) = expected {
                        let (found, isa) = (results[idx][lane], target.isa);
                        assert_eq!(found, expected, "{:?} {:?} lane {lane} {isa}", case.op, case.sources);
                    }
                }
            }
        }
    }
}

/// Active lanes for tests: all of them, and a pattern that keeps lane 0 of each warp.
fn masks(numbers: &mut Numbers, lanes: usize) -> [Option<Vec<bool>>; 2] {
    let some = (0..lanes).map(|lane| lane % 32 == 3 || !numbers.next().is_multiple_of(3)).collect();
    [None, Some(some)]
}

/// Membermasks for tests: full, partial but shared by all active lanes, and split in groups by parity of lane pairs.
fn membermasks(lanes: usize) -> Vec<Source> {
    let groups = (0..lanes).map(|lane| if lane % 32 / 2 % 2 == 0 { 0x3333_3333 } else { 0xcccc_cccc }).collect();
    vec![Source::Constant(0xffff_ffff), Source::Scalar(0xfff0_0fff), Source::Lanes(groups)]
}

#[test]
fn shuffles() {
    let mut numbers = Numbers(1);
    let mut cases = Vec::new();
    for lanes in [32, 64] {
        for mode in [ShuffleMode::Up, ShuffleMode::Down, ShuffleMode::Bfly, ShuffleMode::Idx] {
            for active in masks(&mut numbers, lanes) {
                let a = Source::Lanes(numbers.list(lanes, 1 << 32));
                let clamps = if mode == ShuffleMode::Up { [0, 0x1800, 0x1000] } else { [0x1f, 0x181f, 0x1007] };
                for c in clamps {
                    let c = Source::Constant(c);
                    let varying = Source::Lanes(numbers.list(lanes, 40));
                    for b in [Source::Constant(1), Source::Constant(21), Source::Scalar(6), Source::Scalar(16), varying]
                    {
                        cases.push((mode, active.clone(), lanes, a.clone(), b, c.clone()));
                    }
                }
                let c = Source::Lanes(numbers.list(lanes, 1 << 13));
                cases.push((mode, active.clone(), lanes, a.clone(), Source::Lanes(numbers.list(lanes, 32)), c));
                let uniform = (Source::Scalar(77), Source::Constant(3), Source::Constant(31));
                cases.push((mode, active, lanes, uniform.0, uniform.1, uniform.2));
            }
        }
    }
    let cases: Vec<_> = cases
        .into_iter()
        .map(|(mode, active, lanes, a, b, c)| Case {
            op: Op::Shuffle { mode, sync: false },
            sources: vec![(32, a), (32, b), (32, c)],
            results: vec![32, 1],
            active,
            lanes,
        })
        .collect();
    check(&cases);
}

#[test]
fn votes_and_elections() {
    let mut numbers = Numbers(2);
    let mut cases = Vec::new();
    for lanes in [32, 64] {
        for active in masks(&mut numbers, lanes) {
            let active = || active.clone();
            cases.push(Case { op: Op::ActiveMask, sources: vec![], results: vec![32], active: active(), lanes });
            for member in membermasks(lanes) {
                let sources = vec![(32, member.clone())];
                cases.push(Case { op: Op::Elect, sources, results: vec![32, 1], active: active(), lanes });
                for mode in [VoteMode::All, VoteMode::Any, VoteMode::Uni, VoteMode::Ballot] {
                    let bits = if mode == VoteMode::Ballot { 32 } else { 1 };
                    let predicates = [
                        Source::Lanes(numbers.list(lanes, 2)),
                        Source::Lanes(vec![0; lanes]),
                        Source::Lanes(vec![1; lanes]),
                        Source::Scalar(1),
                        Source::Constant(0),
                    ];
                    for p in predicates {
                        let mut case = Case {
                            op: Op::Vote { mode, sync: true },
                            sources: vec![(1, p), (32, member.clone())],
                            results: vec![bits],
                            active: active(),
                            lanes,
                        };
                        if matches!(member, Source::Constant(_)) && numbers.next().is_multiple_of(2) {
                            case.op = Op::Vote { mode, sync: false };
                            case.sources.pop();
                        }
                        cases.push(case);
                    }
                }
            }
        }
    }
    // A vote or an election among no members is undefined: keep lanes that are members themselves.
    for case in &mut cases {
        if let Some((_, Source::Scalar(mask))) = case.sources.last().cloned().filter(|(bits, _)| *bits == 32) {
            let member = |lane: usize| mask >> (lane % 32) & 1 == 1;
            let active = case.active.take().unwrap_or_else(|| vec![true; case.lanes]);
            case.active = Some(active.iter().enumerate().map(|(lane, active)| *active && member(lane)).collect());
        }
    }
    check(&cases);
}

#[test]
fn matches_and_reductions() {
    let mut numbers = Numbers(3);
    let mut cases = Vec::new();
    let redux = [
        (ReduxOp::Add, ScalarType::U32),
        (ReduxOp::Min, ScalarType::U32),
        (ReduxOp::Max, ScalarType::U32),
        (ReduxOp::Min, ScalarType::S32),
        (ReduxOp::Max, ScalarType::S32),
        (ReduxOp::And, ScalarType::B32),
        (ReduxOp::Or, ScalarType::B32),
        (ReduxOp::Xor, ScalarType::B32),
    ];
    for lanes in [32, 64] {
        for active in masks(&mut numbers, lanes) {
            for member in membermasks(lanes) {
                let active = match &member {
                    Source::Scalar(mask) => {
                        let all = active.clone().unwrap_or_else(|| vec![true; lanes]);
                        Some((0..lanes).map(|lane| all[lane] && mask >> (lane % 32) & 1 == 1).collect())
                    }
                    _ => active.clone(),
                };
                for (all, ty) in
                    [false, true].into_iter().flat_map(|all| [(all, ScalarType::B32), (all, ScalarType::B64)])
                {
                    let high = numbers.next() << 32;
                    let few = numbers.list(lanes, 4).iter().map(|x| x << (ty.bits() - 3)).collect();
                    let pairs = (0..lanes).map(|lane| high | (lane as u64 / 2 % 2)).collect();
                    for a in
                        [Source::Lanes(few), Source::Lanes(pairs), Source::Lanes(vec![9; lanes]), Source::Scalar(5)]
                    {
                        cases.push(Case {
                            op: Op::Match { all, ty },
                            sources: vec![(ty.bits(), a), (32, member.clone())],
                            results: if all { vec![32, 1] } else { vec![32] },
                            active: active.clone(),
                            lanes,
                        });
                    }
                }
                for (op, ty) in redux {
                    for a in [Source::Lanes(numbers.list(lanes, 1 << 32)), Source::Scalar(0x8000_0003)] {
                        cases.push(Case {
                            op: Op::Redux { op, ty },
                            sources: vec![(32, a), (32, member.clone())],
                            results: vec![32],
                            active: active.clone(),
                            lanes,
                        });
                    }
                }
            }
        }
    }
    for case in &mut cases {
        for (bits, source) in &mut case.sources {
            if let (Source::Lanes(values), true) = (source, *bits == 32) {
                values.iter_mut().for_each(|value| *value &= 0xffff_ffff);
            }
        }
    }
    check(&cases);
}

#[test]
fn a_result_that_all_lanes_share_stays_a_scalar() {
    let context = Context::new("uniform");
    let target = Target::detect(None);
    test_function(&context, "uniform", 1, |builder, buffers| {
        let warps = Warps { builder, target: &target, lanes: 32, mask: None };
        let lanes = LaneValue::Varying(load(&warps, buffers[0], 32, 32));
        let all = LaneValue::Uniform(context.int(32).all_ones());
        let constant = |value| LaneValue::Uniform(context.int(32).constant(value));
        let redux = cross_lane(&warps, &Op::Redux { op: ReduxOp::Add, ty: ScalarType::U32 }, &[lanes, all]);
        assert!(matches!(redux.expect("an operation between lanes")[0], LaneValue::Uniform(_)));
        let shuffle = Op::Shuffle { mode: ShuffleMode::Idx, sync: false };
        for b in [constant(0), LaneValue::Uniform(builder.load(context.int(32), buffers[0], 1))] {
            let read = cross_lane(&warps, &shuffle, &[lanes, b, constant(31)]).expect("an operation between lanes");
            assert!(matches!(read[0], LaneValue::Uniform(_)));
            assert_eq!(read[1].as_constant(), Some(1));
        }
    });
    context.verify().expect("the module is well formed");
}
