//! `mbarrier` objects and asynchronous copies, on hand-built IR.

use super::program::*;
use crate::interp::{FaultKind, LaunchConfig, Machine};
use crate::ir::*;

const P: RegWidth = RegWidth::Pred;
const B32: RegWidth = RegWidth::B32;
const B64: RegWidth = RegWidth::B64;

fn mbarrier(op: MbarrierOp, dsts: &[Reg], srcs: &[Operand]) -> Inst {
    inst(Op::Mbarrier(Mbarrier { space: Space::Shared, offset: 0, op }), dsts, srcs)
}

const ARRIVE: MbarrierOp = MbarrierOp::Arrive { drop: false, expect_tx: false };

/// Runs straight-line code in one thread; every predicate result goes to the next byte of the answer.
fn answers(steps: &[Inst]) -> Result<Vec<u8>, FaultKind> {
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B64, P, B32, B64, B64], &[8]);
    let mut code = vec![inst(Op::Load(access(Space::Param, ScalarType::U64)), &[r(0)], &[Operand::Param(0)])];
    let mut n = 0;
    for step in steps {
        code.push(step.clone());
        if step.dsts.first() == Some(&r(1)) {
            code.push(inst(Op::Selp(ScalarType::U32), &[r(2)], &[imm(1), imm(0), reg(1)]));
            let slot = Access { offset: n, ..access(Space::Global, ScalarType::U8) };
            code.push(inst(Op::Store(slot), &[], &[reg(0), reg(2)]));
            n += 1;
        }
    }
    k.block(code, Terminator::Return);
    let module = module(vec![k.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let out = machine.memory.alloc(n as u64);
    let config = LaunchConfig { dynamic_shared_bytes: 64, ..LaunchConfig::new(1, 1) };
    machine.launch("k", config, &out.to_le_bytes()).map_err(|fault| fault.kind)?;
    Ok(machine.memory.read(out, n as u64).expect("allocated").to_vec())
}

#[test]
fn mbarrier_phases_complete_when_all_have_arrived() {
    let init = |count| mbarrier(MbarrierOp::Init, &[], &[imm(8), imm(count)]);
    let arrive = |state| mbarrier(ARRIVE, &[r(state)], &[imm(8), imm(1)]);
    let test =
        |state: Operand| mbarrier(MbarrierOp::TestWait { parity: false, blocking: false }, &[r(1)], &[imm(8), state]);
    let parity =
        |parity| mbarrier(MbarrierOp::TestWait { parity: true, blocking: true }, &[r(1)], &[imm(8), imm(parity)]);
    let got = answers(&[
        init(2),
        // The phase before the first counts as complete.
        parity(1),
        parity(0),
        arrive(3),
        test(reg(3)),
        arrive(4),
        test(reg(3)),
        test(reg(4)),
        parity(0),
        parity(1),
        // The second phase: one arrival is dropped, so that the third expects one.
        mbarrier(MbarrierOp::Arrive { drop: true, expect_tx: false }, &[r(3)], &[imm(8), imm(1)]),
        arrive(4),
        test(reg(3)),
        arrive(3),
        test(reg(3)),
    ]);
    assert_eq!(got, Ok(vec![1, 0, 0, 1, 1, 1, 0, 1, 1]));
    // Bytes that are still to come hold the phase open.
    let got = answers(&[
        init(1),
        mbarrier(MbarrierOp::Arrive { drop: false, expect_tx: true }, &[r(3)], &[imm(8), imm(100)]),
        test(reg(3)),
        mbarrier(MbarrierOp::CompleteTx, &[], &[imm(8), imm(60)]),
        test(reg(3)),
        mbarrier(MbarrierOp::CompleteTx, &[], &[imm(8), imm(40)]),
        test(reg(3)),
        mbarrier(MbarrierOp::ExpectTx, &[], &[imm(8), imm(5)]),
        mbarrier(MbarrierOp::CpAsyncArrive { no_increment: false }, &[], &[imm(8)]),
        parity(1),
        mbarrier(MbarrierOp::CompleteTx, &[], &[imm(8), imm(5)]),
        mbarrier(MbarrierOp::CpAsyncArrive { no_increment: true }, &[], &[imm(8)]),
        parity(1),
    ]);
    assert_eq!(got, Ok(vec![0, 0, 1, 0, 1]));
    assert!(matches!(answers(&[init(0)]), Err(FaultKind::Undefined(_))));
    assert!(matches!(answers(&[init(1), mbarrier(ARRIVE, &[r(3)], &[imm(8), imm(2)])]), Err(FaultKind::Undefined(_))));
    let misaligned = mbarrier(MbarrierOp::Init, &[], &[imm(4), imm(1)]);
    assert_eq!(answers(&[misaligned]), Err(FaultKind::Misaligned { address: 4, size: 8 }));
}

#[test]
fn pending_count_is_that_before_the_arrival() {
    let mut k = Builder::new("k", FunctionKind::Kernel, &[B64, B64, B32], &[8]);
    let store = Op::Store(access(Space::Global, ScalarType::U32));
    k.block(
        vec![
            inst(Op::Load(access(Space::Param, ScalarType::U64)), &[r(0)], &[Operand::Param(0)]),
            mbarrier(MbarrierOp::Init, &[], &[imm(0), imm(10)]),
            mbarrier(ARRIVE, &[r(1)], &[imm(0), imm(3)]),
            mbarrier(ARRIVE, &[r(1)], &[imm(0), imm(1)]),
            mbarrier(MbarrierOp::PendingCount, &[r(2)], &[reg(1)]),
            inst(store, &[], &[reg(0), reg(2)]),
        ],
        Terminator::Return,
    );
    let module = module(vec![k.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let out = machine.memory.alloc(4);
    let config = LaunchConfig { dynamic_shared_bytes: 8, ..LaunchConfig::new(1, 1) };
    machine.launch("k", config, &out.to_le_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(machine.memory.read(out, 4), Ok(&7u32.to_le_bytes()[..]));
}

#[test]
fn asynchronous_copies_fill_with_zeros() {
    // (copy size, source size, ignore) and the 16 bytes that shared memory then holds, 0xff before.
    let table = [
        (16, None, None, [1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        (8, None, None, [1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 255]),
        (16, Some(5), None, [1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (4, Some(0), None, [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
        (8, None, Some(1), [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        (8, None, Some(0), [1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 255]),
    ];
    for (bytes, src_size, ignore, expected) in table {
        let mut k = Builder::new("k", FunctionKind::Kernel, &[B64, B64, B64, P], &[8]);
        let wide = |space| Access { vector: 2, ..access(space, ScalarType::U64) };
        let mut srcs = vec![imm(0), reg(0)];
        srcs.extend(src_size.map(imm));
        srcs.extend(ignore.map(|_| reg(3)));
        let copy = Op::CpAsync { bytes, has_src_size: src_size.is_some(), has_ignore: ignore.is_some() };
        let result = Access { offset: 16, ..wide(Space::Global) };
        k.block(
            vec![
                inst(Op::Load(access(Space::Param, ScalarType::U64)), &[r(0)], &[Operand::Param(0)]),
                inst(Op::Store(wide(Space::Shared)), &[], &[imm(0), imm(u64::MAX), imm(u64::MAX)]),
                inst(compare(Compare::Eq, ScalarType::U32), &[r(3)], &[imm(ignore.unwrap_or(0)), imm(1)]),
                inst(copy, &[], &srcs),
                inst(Op::CpAsyncCommit, &[], &[]),
                inst(Op::CpAsyncWait(Some(0)), &[], &[]),
                inst(Op::Load(wide(Space::Shared)), &[r(1), r(2)], &[imm(0)]),
                inst(Op::Store(result), &[], &[reg(0), reg(1), reg(2)]),
            ],
            Terminator::Return,
        );
        let module = module(vec![k.function]);
        let mut machine = Machine::new(&module).expect("no variables");
        let memory = machine.memory.alloc(32);
        machine.memory.write(memory, &std::array::from_fn::<u8, 16, _>(|i| i as u8 + 1)).expect("allocated");
        let config = LaunchConfig { dynamic_shared_bytes: 16, ..LaunchConfig::new(1, 1) };
        machine.launch("k", config, &memory.to_le_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(machine.memory.read(memory + 16, 16), Ok(&expected[..]), "{bytes} {src_size:?} {ignore:?}");
    }
}
