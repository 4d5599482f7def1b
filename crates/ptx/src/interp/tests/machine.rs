//! Launches: memory, divergence, locks between lanes, barriers, deadlock, calls, faults.

use super::program::*;
use crate::interp::{FaultKind, LaunchConfig, Machine};
use crate::ir::*;
use vgpu_types::{Dim3, Span};

const P: RegWidth = RegWidth::Pred;
const B32: RegWidth = RegWidth::B32;
const B64: RegWidth = RegWidth::B64;

fn load_param(dst: u32, ty: ScalarType, offset: u32) -> Inst {
    inst(Op::Load(access(Space::Param, ty)), &[r(dst)], &[Operand::Param(offset)])
}

fn special(dst: u32, register: SpecialReg) -> Inst {
    inst(Op::ReadSpecial(register), &[r(dst)], &[])
}

/// `r(dst) = params[0] + 4 * r(index)`, both 64-bit.
fn element_address(dst: u32, index: u32) -> Vec<Inst> {
    vec![
        load_param(dst, ScalarType::U64, 0),
        inst(
            Op::Mad { ty: ScalarType::U32, half: MulHalf::Wide, saturate: false },
            &[r(dst)],
            &[reg(index), imm(4), reg(dst)],
        ),
    ]
}

fn store32(address: u32, value: Operand) -> Inst {
    inst(Op::Store(access(Space::Global, ScalarType::U32)), &[], &[reg(address), value])
}

fn words(machine: &Machine<'_>, address: u64, n: u64) -> Vec<u32> {
    let bytes = machine.memory.read(address, 4 * n).expect("inside");
    bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect()
}

#[test]
fn threads_write_their_global_index() {
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B32, B32, B32, B64], &[8]);
    let mut code = vec![
        special(0, SpecialReg::Tid(0)),
        special(1, SpecialReg::Ctaid(0)),
        special(2, SpecialReg::Ntid(0)),
        inst(Op::Mad { ty: ScalarType::U32, half: MulHalf::Lo, saturate: false }, &[r(0)], &[reg(1), reg(2), reg(0)]),
    ];
    code.extend(element_address(3, 0));
    code.push(store32(3, reg(0)));
    k.block(code, Terminator::Return);
    let module = module(vec![k.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let out = machine.memory.alloc(4 * 3 * 40);
    let stats = machine.launch("k", LaunchConfig::new(3, 40), &out.to_le_bytes()).expect("runs");
    assert_eq!(words(&machine, out, 120), (0..120).collect::<Vec<u32>>());
    assert_eq!((stats.blocks, stats.steps), (3, 120 * 8));
}

#[test]
fn an_access_past_the_end_names_thread_and_address() {
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B32, B64], &[8]);
    let mut code = vec![special(0, SpecialReg::Tid(0))];
    code.extend(element_address(1, 0));
    code.push(Inst { span: Span::new(5, 9), ..store32(1, imm(1)) });
    k.block(code, Terminator::Return);
    let module = module(vec![k.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let out = machine.memory.alloc(4 * 30);
    let fault = machine.launch("k", LaunchConfig::new(1, 32), &out.to_le_bytes()).expect_err("30 words, 32 threads");
    assert_eq!(fault.kind, FaultKind::OutOfBounds { space: "global", address: out + 120, size: 4 });
    assert_eq!((fault.thread, fault.span), (Dim3::new(30, 0, 0), Span::new(5, 9)));
    let misaligned = machine.launch("k", LaunchConfig::new(1, 1), &(out + 2).to_le_bytes()).expect_err("misaligned");
    assert_eq!(misaligned.kind, FaultKind::Misaligned { address: out + 2, size: 4 });
}

/// Lanes of one warp take a lock in turn; the loop spins at a lower address than the critical section.
#[test]
fn a_spin_lock_between_lanes_makes_progress() {
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B64, B32, P, B32], &[8]);
    let cas = Op::Atomic(atomic(Space::Global, AtomicOp::Cas, ScalarType::B32));
    let exchange = Op::Atomic(atomic(Space::Global, AtomicOp::Exch, ScalarType::B32));
    let counter = Access { offset: 4, ..access(Space::Global, ScalarType::U32) };
    k.block(vec![load_param(0, ScalarType::U64, 0)], Terminator::Branch(BlockId(1)));
    k.block(
        vec![
            inst(cas, &[r(1)], &[reg(0), imm(0), imm(1)]),
            inst(compare(Compare::Eq, ScalarType::U32), &[r(2)], &[reg(1), imm(0)]),
        ],
        branch(2, 2, 1),
    );
    k.block(
        vec![
            inst(Op::Load(counter), &[r(3)], &[reg(0)]),
            inst(Op::IntBinary(IntBinary::Add, ScalarType::U32), &[r(3)], &[reg(3), imm(1)]),
            inst(Op::Store(counter), &[], &[reg(0), reg(3)]),
            inst(exchange, &[r(1)], &[reg(0), imm(0)]),
        ],
        Terminator::Return,
    );
    let module = module(vec![k.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let memory = machine.memory.alloc(8);
    machine.launch("k", LaunchConfig::new(4, 96), &memory.to_le_bytes()).expect("ends");
    assert_eq!(words(&machine, memory, 2), [0, 4 * 96]);
}

fn barrier_kernel(waits: Vec<Inst>) -> Module {
    // Threads below 32 take block 1, the others go straight to the barrier.
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B32, P], &[]);
    k.block(
        vec![special(0, SpecialReg::Tid(0)), inst(compare(Compare::Lt, ScalarType::U32), &[r(1)], &[reg(0), imm(32)])],
        branch(1, 1, 2),
    );
    k.block(waits, Terminator::Return);
    let all = Barrier { op: BarrierOp::Sync, has_threads: false, aligned: false };
    k.block(vec![inst(Op::Barrier(all), &[], &[imm(0)])], Terminator::Return);
    module(vec![k.function])
}

#[test]
fn ended_threads_do_not_hold_a_barrier_and_a_wrong_barrier_is_a_deadlock() {
    let ends = barrier_kernel(vec![]);
    Machine::new(&ends).expect("no variables").launch("k", LaunchConfig::new(1, 64), &[]).expect("the first warp ends");
    let all = Barrier { op: BarrierOp::Sync, has_threads: false, aligned: false };
    let other = barrier_kernel(vec![inst(Op::Barrier(all), &[], &[imm(1)])]);
    let fault = Machine::new(&other).expect("no variables").launch("k", LaunchConfig::new(1, 64), &[]);
    assert!(matches!(fault.expect_err("two barriers").kind, FaultKind::Deadlock(_)));
}

#[test]
fn an_endless_loop_meets_the_step_limit() {
    let mut k = Builder::new("k", FunctionKind::Kernel, &[], &[]);
    k.block(vec![], Terminator::Branch(BlockId(0)));
    let module = module(vec![k.function]);
    let config = LaunchConfig { step_limit: 1000, ..LaunchConfig::new(1, 1) };
    let fault = Machine::new(&module).expect("no variables").launch("k", config, &[]).expect_err("endless");
    assert_eq!(fault.kind, FaultKind::StepLimit(1000));
}

#[test]
fn shuffles_meet_across_branches() {
    // Even lanes shuffle in block 1, odd lanes in block 2: each gets its neighbour's lane number.
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B32, P, B32, B64, B32], &[8]);
    let shuffle = |dst| {
        let op = Op::Shuffle { mode: ShuffleMode::Bfly, sync: true };
        inst(op, &[r(dst)], &[reg(0), imm(1), imm(31), imm(0xffff_ffff)])
    };
    k.block(
        vec![
            special(0, SpecialReg::LaneId),
            inst(Op::IntBinary(IntBinary::And, ScalarType::B32), &[r(4)], &[reg(0), imm(1)]),
            inst(compare(Compare::Eq, ScalarType::U32), &[r(1)], &[reg(4), imm(0)]),
        ],
        branch(1, 1, 2),
    );
    k.block(vec![shuffle(2)], Terminator::Branch(BlockId(3)));
    k.block(vec![shuffle(2)], Terminator::Branch(BlockId(3)));
    let mut code = element_address(3, 0);
    code.push(store32(3, reg(2)));
    k.block(code, Terminator::Return);
    let module = module(vec![k.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let out = machine.memory.alloc(128);
    machine.launch("k", LaunchConfig::new(1, 32), &out.to_le_bytes()).expect("runs");
    assert_eq!(words(&machine, out, 32), (0..32).map(|lane| lane ^ 1).collect::<Vec<u32>>());
}

/// `f(n) = n == 0 ? 0 : n + f(n - 1)`, and without an end.
fn recursive(ends: bool) -> Module {
    let mut f = Builder::new("f", FunctionKind::Device, &[B32, P, B32], &[4]);
    f.function.returns = vec![Param { name: String::new(), offset: 0, size: 4, align: 4 }];
    let variable = || FrameVar { name: String::new(), space: Space::Param, size: 4, align: 4 };
    let (argument, result) = (f.function.frame.push(variable()), f.function.frame.push(variable()));
    let store = Op::Store(access(Space::Param, ScalarType::U32));
    let load = Op::Load(access(Space::Param, ScalarType::U32));
    let call = Op::Call(FuncId(0), CallArgs { params: vec![argument], returns: vec![result] });
    f.block(
        vec![
            load_param(0, ScalarType::U32, 0),
            inst(compare(Compare::Ne, ScalarType::U32), &[r(1)], &[reg(0), imm(if ends { 0 } else { 7 })]),
        ],
        branch(1, 1, 2),
    );
    f.block(
        vec![
            inst(Op::IntBinary(IntBinary::Sub, ScalarType::U32), &[r(2)], &[reg(0), imm(1)]),
            inst(store.clone(), &[], &[Operand::Frame(argument, 0), reg(2)]),
            inst(call.clone(), &[], &[]),
            inst(load.clone(), &[r(2)], &[Operand::Frame(result, 0)]),
            inst(Op::IntBinary(IntBinary::Add, ScalarType::U32), &[r(2)], &[reg(0), reg(2)]),
            inst(store.clone(), &[], &[Operand::Return(0), reg(2)]),
        ],
        Terminator::Return,
    );
    f.block(vec![inst(store.clone(), &[], &[Operand::Return(0), imm(0)])], Terminator::Return);
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B32, B64], &[8]);
    k.function.frame.push(variable());
    k.function.frame.push(variable());
    let mut code = vec![
        special(0, SpecialReg::Tid(0)),
        inst(store, &[], &[Operand::Frame(argument, 0), reg(0)]),
        inst(call, &[], &[]),
    ];
    code.extend(element_address(1, 0));
    code.push(inst(load, &[r(0)], &[Operand::Frame(result, 0)]));
    code.push(store32(1, reg(0)));
    k.block(code, Terminator::Return);
    module(vec![f.function, k.function])
}

#[test]
fn recursion_returns_and_runs_out_of_stack() {
    let finite = recursive(true);
    let mut machine = Machine::new(&finite).expect("no variables");
    let out = machine.memory.alloc(4 * 64);
    machine.launch("k", LaunchConfig::new(1, 64), &out.to_le_bytes()).expect("runs");
    assert_eq!(words(&machine, out, 64), (0..64).map(|n| n * (n + 1) / 2).collect::<Vec<u32>>());
    let endless = recursive(false);
    let fault = Machine::new(&endless).expect("no variables").launch("k", LaunchConfig::new(1, 1), &[0; 8]);
    assert_eq!(fault.expect_err("endless").kind, FaultKind::StackOverflow);
}
