//! Calls that are not inlined, and `alloca`: a stack in each thread's local memory.
//!
//! Every function that is still called has one copy of its code in the kernel. A call stores an **activation record** above the
//! stack's top and branches there; a return branches to the call's number in the record. Lanes at different depths run the
//! same code together.
//!
//! Record, from its start: number of the call (4 bytes), the caller's record (8), parameters, return values, the function's
//! `.local` variables, and the registers that a recursive call must keep. `.param` variables that pass arguments are not in
//! it: they live only around one call, so each has one place per thread.
//!
//! The stack has [`STACK_BYTES`] per thread; more is a stack overflow, which ends the launch.

use super::calls::callees;
use super::inline::{Moved, split_at};
use super::prepare::{bits_type, graph_of, new_reg};
use super::ssa::liveness;
use crate::JitError;
use smallvec::smallvec;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vgpu_ptx::ir::{
    Access, Block, BlockId, CacheOp, Compare, Comparison, Cvt, FrameVar, FrameVarId, FuncId, Function, Inst, IntBinary,
    MemorySemantics, Op, Operand, Param, Reg, RegWidth, ScalarType, Scope, Space, Terminator,
};
use vgpu_types::Span;

/// Bytes of stack per thread, for recursion and `alloca`. CUDA's default is 1 KiB; device code that asks for more with
/// `cudaLimitStackSize` is served without asking.
pub(crate) const STACK_BYTES: u32 = 32 << 10;

/// Offset of the caller's record.
const CALLER: i64 = 8;
/// Offset of the parameters.
const PARAMS: u32 = 16;

/// The registers and the variable that make the stack.
#[derive(Clone, Copy)]
struct Stack {
    area: FrameVarId,
    /// First free byte, a multiple of 16.
    top: Reg,
    /// Record of the function that runs; unset in the kernel itself.
    record: Reg,
}

/// A function with its code in the kernel.
struct Shared {
    entry: BlockId,
    /// Where its returns go.
    exit: BlockId,
    /// Offset of the return values in its record.
    returns: u32,
    /// Size of its record so far.
    bytes: u32,
    /// Where its record keeps registers across recursive calls.
    kept: HashMap<Reg, u32>,
    /// Blocks to return to, by number of the call.
    sites: Vec<BlockId>,
}

impl Shared {
    fn place_of(&mut self, reg: Reg, width: RegWidth) -> u32 {
        let next = &mut self.bytes;
        *self.kept.entry(reg).or_insert_with(|| {
            let bytes = width.bits().div_ceil(8).max(4);
            let at = next.next_multiple_of(bytes);
            *next = at + bytes;
            at
        })
    }
}

/// Makes the calls and allocations of `kernel` stack operations. `bodies` are the functions it may call, `groups` the recursive ones.
pub(super) fn resolve(
    kernel: &mut Function,
    bodies: &BTreeMap<FuncId, Function>,
    groups: &HashMap<FuncId, usize>,
) -> Result<(), JitError> {
    let mut called = BTreeSet::new();
    let mut work: Vec<FuncId> = callees(kernel).collect();
    while let Some(id) = work.pop() {
        if called.insert(id) {
            work.extend(callees(&bodies[&id]));
        }
    }
    let uses_stack = |inst: &Inst| matches!(inst.op, Op::Alloca { .. } | Op::StackSave | Op::StackRestore);
    let allocates = |function: &Function| function.blocks.iter().flat_map(|block| &block.insts).any(uses_stack);
    if called.is_empty() && !allocates(kernel) {
        return Ok(());
    }
    let area = FrameVar { name: "stack".to_owned(), space: Space::Local, size: STACK_BYTES, align: 64 };
    let stack = Stack {
        area: kernel.frame.push(area),
        top: new_reg(kernel, RegWidth::B64),
        record: new_reg(kernel, RegWidth::B64),
    };
    let set_up = mov(stack.top, Operand::Frame(stack.area, 0));
    let mut splicer = Splicer { kernel, bodies, groups, stack, shared: BTreeMap::new(), owners: HashMap::new() };
    splicer.kernel.blocks[BlockId(0)].insts.insert(0, set_up);
    for &id in &called {
        splicer.add(id)?;
    }
    splicer.lower_calls();
    splicer.finish();
    lower_allocations(kernel, stack);
    Ok(())
}

fn plain(op: Op, dsts: &[Reg], srcs: &[Operand]) -> Inst {
    Inst {
        op,
        dsts: dsts.iter().copied().collect(),
        srcs: srcs.iter().copied().collect(),
        guard: None,
        span: Span::default(),
        line: None,
    }
}

fn mov(dst: Reg, src: Operand) -> Inst {
    plain(Op::Mov(ScalarType::B64), &[dst], &[src])
}

fn add(dst: Reg, a: Operand, b: Operand) -> Inst {
    plain(Op::IntBinary(IntBinary::Add, ScalarType::U64), &[dst], &[a, b])
}

const fn local(ty: ScalarType, offset: i64) -> Access {
    Access {
        space: Space::Local,
        ty,
        vector: 1,
        offset,
        semantics: MemorySemantics::Weak,
        scope: Scope::Cta,
        read_only: false,
        cache: CacheOp::Default,
    }
}

fn load(dst: Reg, ty: ScalarType, at: Operand, offset: i64) -> Inst {
    plain(Op::Load(local(ty, offset)), &[dst], &[at])
}

fn store(value: Operand, ty: ScalarType, at: Operand, offset: i64) -> Inst {
    plain(Op::Store(local(ty, offset)), &[], &[at, value])
}

const fn greater() -> Op {
    Op::Setp(Comparison { op: Compare::Gt, ty: ScalarType::U64, combine: None, ftz: false })
}

struct Splicer<'a> {
    kernel: &'a mut Function,
    bodies: &'a BTreeMap<FuncId, Function>,
    groups: &'a HashMap<FuncId, usize>,
    stack: Stack,
    shared: BTreeMap<FuncId, Shared>,
    /// Which function a spliced block belongs to.
    owners: HashMap<BlockId, FuncId>,
}

impl Splicer<'_> {
    /// Copies the code of a function into the kernel.
    fn add(&mut self, id: FuncId) -> Result<(), JitError> {
        let body = &self.bodies[&id];
        if self.kernel.regs.len() + body.regs.len() > crate::MAX_REGISTERS {
            return Err(JitError::TooLarge { kernel: self.kernel.name.clone() });
        }
        let moved = Moved::into(self.kernel, body);
        let returns = (PARAMS + body.param_bytes()).next_multiple_of(16);
        let mut bytes = (returns + body.return_bytes()).next_multiple_of(16);
        let mut places = HashMap::new();
        for (var, contents) in body.frame.iter_enumerated() {
            if contents.space == Space::Local {
                bytes = bytes.next_multiple_of(contents.align.max(1));
                places.insert(moved.var(var), bytes);
                bytes += contents.size;
                // It lives in the record.
                self.kernel.frame[moved.var(var)].size = 0;
            }
        }
        let record = self.stack.record;
        for (idx, source) in body.blocks.iter_enumerated() {
            // Addresses in the record are computed before the instruction that uses them.
            let mut code = moved.code(source, &mut |operand| operand);
            let insts = std::mem::take(&mut code.insts);
            for mut inst in insts {
                for src in &mut inst.srcs {
                    let offset = match *src {
                        Operand::Param(offset) => i64::from(PARAMS + offset),
                        Operand::Return(offset) => i64::from(returns + offset),
                        Operand::Frame(var, offset) => match places.get(&var) {
                            Some(place) => i64::from(*place) + offset,
                            None => continue,
                        },
                        _ => continue,
                    };
                    let address = new_reg(self.kernel, RegWidth::B64);
                    code.insts.push(add(address, Operand::Reg(record), Operand::Imm(offset as u64)));
                    *src = Operand::Reg(address);
                }
                code.insts.push(inst);
            }
            let block = self.kernel.blocks.push(code);
            debug_assert_eq!(block, moved.block(idx), "blocks keep their order");
            self.owners.insert(block, id);
        }
        let exit = self.kernel.blocks.push(Block {
            label: None,
            insts: Vec::new(),
            terminator: Terminator::Trap,
            terminator_span: body.span,
        });
        for block in moved.blocks..exit.0 {
            let terminator = &mut self.kernel.blocks[BlockId(block)].terminator;
            if *terminator == Terminator::Return {
                *terminator = Terminator::Branch(exit);
            }
        }
        let entry = moved.block(BlockId(0));
        self.shared.insert(id, Shared { entry, exit, returns, bytes, kept: HashMap::new(), sites: Vec::new() });
        Ok(())
    }

    fn lower_calls(&mut self) {
        // Every call ends its block first, so that liveness after it is that of the next block.
        let mut sites = Vec::new();
        let mut idx = 0;
        while idx < self.kernel.blocks.len() {
            let block = BlockId::from(idx);
            idx += 1;
            let is_call = |inst: &Inst| matches!(inst.op, Op::Call(..));
            let Some(at) = self.kernel.blocks[block].insts.iter().position(is_call) else { continue };
            let call = self.kernel.blocks[block].insts[at].clone();
            let tail = split_at(self.kernel, block, at);
            if let Some(&owner) = self.owners.get(&block) {
                self.owners.insert(tail, owner);
            }
            self.kernel.blocks[block].terminator = Terminator::Branch(tail);
            sites.push((block, tail, call));
        }
        let live = liveness(self.kernel, &graph_of(self.kernel));
        let group = |id| self.groups.get(&id).copied();
        let Stack { top, record, .. } = self.stack;
        let mut kept_at_sites = Vec::new();
        for (block, tail, call) in &sites {
            let Op::Call(callee, _) = call.op else { continue };
            let mut kept = Vec::new();
            if let Some(owner) = self.owners.get(block)
                && group(*owner).is_some()
                && group(*owner) == group(callee)
            {
                let shared = self.shared.get_mut(owner).expect("the owner of a block was added");
                for reg in live[tail.idx()].iter().map(Reg::from).filter(|&reg| reg != top && reg != record) {
                    kept.push((reg, shared.place_of(reg, self.kernel.regs[reg])));
                }
            }
            kept_at_sites.push(kept);
        }
        for ((block, tail, call), kept) in sites.into_iter().zip(kept_at_sites) {
            self.lower_call(block, tail, &call, &kept);
        }
    }

    /// `kept` are registers of the caller that the callee may use again, and their places in the caller's record.
    fn lower_call(&mut self, block: BlockId, tail: BlockId, call: &Inst, kept: &[(Reg, u32)]) {
        let Op::Call(callee, args) = &call.op else { return };
        let Stack { area, top, record } = self.stack;
        let body = &self.bodies[callee];
        let mut before = Vec::new();
        let mut after = Vec::new();
        for &(reg, at) in kept {
            self.keep(reg, self.kernel.regs[reg], i64::from(at), &mut before, &mut after);
        }
        let shared = self.shared.get_mut(callee).expect("every callee was added");
        shared.sites.push(tail);
        let (number, entry) = (shared.sites.len() - 1, shared.entry);
        let (params, returns, bytes) = (PARAMS, shared.returns, shared.bytes.next_multiple_of(16));
        self.kernel.blocks[block].insts.append(&mut before);

        let end = new_reg(self.kernel, RegWidth::B64);
        let full = new_reg(self.kernel, RegWidth::Pred);
        let overflow = self.kernel.blocks.push(Block {
            label: None,
            insts: vec![call.clone()],
            terminator: Terminator::Trap,
            terminator_span: call.span,
        });
        let mut enter = Vec::new();
        enter.push(store(Operand::Imm(number as u64), ScalarType::U32, Operand::Reg(top), 0));
        enter.push(store(Operand::Reg(record), ScalarType::U64, Operand::Reg(top), CALLER));
        for (param, &var) in body.params.iter().zip(&args.params) {
            let to = (Operand::Reg(top), i64::from(params + param.offset));
            copy(self.kernel, param, (Operand::Frame(var, 0), 0), to, &mut enter);
        }
        enter.push(mov(record, Operand::Reg(top)));
        enter.push(mov(top, Operand::Reg(end)));
        let enter = self.kernel.blocks.push(Block {
            label: None,
            insts: enter,
            terminator: Terminator::Branch(entry),
            terminator_span: call.span,
        });
        let code = &mut self.kernel.blocks[block];
        code.insts.push(add(end, Operand::Reg(top), Operand::Imm(u64::from(bytes))));
        code.insts.push(plain(greater(), &[full], &[Operand::Reg(end), Operand::Frame(area, i64::from(STACK_BYTES))]));
        code.terminator =
            Terminator::CondBranch { pred: full, negated: false, then: overflow, otherwise: enter, uniform: false };

        // The callee's record still stands above the top.
        for (ret, &var) in body.returns.iter().zip(&args.returns) {
            let from = (Operand::Reg(top), i64::from(returns + ret.offset));
            copy(self.kernel, ret, from, (Operand::Frame(var, 0), 0), &mut after);
        }
        self.kernel.blocks[tail].insts.splice(0..0, after);
    }

    /// Stores a register in the record, and loads it again.
    fn keep(&mut self, reg: Reg, width: RegWidth, at: i64, before: &mut Vec<Inst>, after: &mut Vec<Inst>) {
        let record = Operand::Reg(self.stack.record);
        if width == RegWidth::Pred {
            let (one, back) = (new_reg(self.kernel, RegWidth::B32), new_reg(self.kernel, RegWidth::B32));
            let bits = [Operand::Imm(1), Operand::Imm(0), Operand::Reg(reg)];
            before.push(plain(Op::Selp(ScalarType::U32), &[one], &bits));
            before.push(store(Operand::Reg(one), ScalarType::U32, record, at));
            after.push(load(back, ScalarType::U32, record, at));
            let compare = Comparison { op: Compare::Ne, ty: ScalarType::U32, combine: None, ftz: false };
            after.push(plain(Op::Setp(compare), &[reg], &[Operand::Reg(back), Operand::Imm(0)]));
        } else {
            before.push(store(Operand::Reg(reg), bits_type(width), record, at));
            after.push(load(reg, bits_type(width), record, at));
        }
    }

    /// Emits the returns: back to the call whose number the record has.
    fn finish(&mut self) {
        let Stack { top, record, .. } = self.stack;
        for shared in self.shared.values() {
            let index = new_reg(self.kernel, RegWidth::B32);
            let exit = &mut self.kernel.blocks[shared.exit];
            exit.insts = vec![
                load(index, ScalarType::U32, Operand::Reg(record), 0),
                mov(top, Operand::Reg(record)),
                load(record, ScalarType::U64, Operand::Reg(top), CALLER),
            ];
            exit.terminator = match shared.sites.as_slice() {
                [] => Terminator::Trap,
                [only] => Terminator::Branch(*only),
                sites => Terminator::IndexBranch { index, targets: sites.to_vec(), uniform: false },
            };
        }
    }
}

type At = (Operand, i64);

/// Copies a parameter's bytes in pieces of its alignment.
fn copy(function: &mut Function, param: &Param, from: At, to: At, out: &mut Vec<Inst>) {
    let mut done = 0;
    while done < param.size {
        let left = param.size - done;
        let most = param.align.clamp(1, 8).min(if left >= 8 { 8 } else { 1 << left.ilog2() });
        let (ty, width) = match most {
            8 => (ScalarType::B64, RegWidth::B64),
            4 => (ScalarType::B32, RegWidth::B32),
            2 => (ScalarType::B16, RegWidth::B16),
            _ => (ScalarType::B8, RegWidth::B8),
        };
        let piece = new_reg(function, width);
        out.push(load(piece, ty, from.0, from.1 + i64::from(done)));
        out.push(store(Operand::Reg(piece), ty, to.0, to.1 + i64::from(done)));
        done += most;
    }
}

/// `alloca`, `stacksave`, `stackrestore` as arithmetic on the stack's top.
fn lower_allocations(function: &mut Function, stack: Stack) {
    let Stack { area, top, .. } = stack;
    let mut idx = 0;
    while idx < function.blocks.len() {
        let block = BlockId::from(idx);
        idx += 1;
        let is_failing_case = |block: &Block| block.insts.len() == 1 && block.terminator == Terminator::Trap;
        if is_failing_case(&function.blocks[block]) {
            continue;
        }
        let uses = |inst: &Inst| matches!(inst.op, Op::Alloca { .. } | Op::StackSave | Op::StackRestore);
        let Some(at) = function.blocks[block].insts.iter().position(uses) else { continue };
        let inst = function.blocks[block].insts[at].clone();
        let guard = inst.guard;
        let guarded = |inst: Inst| Inst { guard, ..inst };
        match inst.op {
            Op::StackSave => {
                let save = resized(function, inst.dsts[0], Operand::Reg(top));
                function.blocks[block].insts[at] = guarded(save);
                idx -= 1;
            }
            Op::StackRestore => {
                let restore = match inst.srcs[0] {
                    Operand::Reg(reg) if function.regs[reg] == RegWidth::B32 => widened(top, reg),
                    other => mov(top, other),
                };
                function.blocks[block].insts[at] = guarded(restore);
                idx -= 1;
            }
            Op::Alloca { align } => {
                let tail = split_at(function, block, at);
                let mut before = Vec::new();
                let size = match inst.srcs[0] {
                    Operand::Reg(reg) if function.regs[reg] == RegWidth::B32 => {
                        let wide = new_reg(function, RegWidth::B64);
                        before.push(widened(wide, reg));
                        Operand::Reg(wide)
                    }
                    other => other,
                };
                let align = u64::from(align.max(16));
                let fresh = |function: &mut Function| new_reg(function, RegWidth::B64);
                let (start, aligned, capped, end, next) =
                    (fresh(function), fresh(function), fresh(function), fresh(function), fresh(function));
                let full = new_reg(function, RegWidth::Pred);
                let and = Op::IntBinary(IntBinary::And, ScalarType::B64);
                // A huge size must not wrap: more than the whole stack fails anyway.
                let least = Op::IntBinary(IntBinary::Min, ScalarType::U64);
                before.push(add(start, Operand::Reg(top), Operand::Imm(align - 1)));
                before.push(plain(and.clone(), &[aligned], &[Operand::Reg(start), Operand::Imm(!(align - 1))]));
                before.push(plain(least, &[capped], &[size, Operand::Imm(u64::from(STACK_BYTES) + 1)]));
                before.push(add(end, Operand::Reg(aligned), Operand::Reg(capped)));
                before.push(add(end, Operand::Reg(end), Operand::Imm(15)));
                before.push(plain(and, &[next], &[Operand::Reg(end), Operand::Imm(!15)]));
                let limit = Operand::Frame(area, i64::from(STACK_BYTES));
                before.push(plain(greater(), &[full], &[Operand::Reg(next), limit]));
                let overflow = function.blocks.push(Block {
                    label: None,
                    insts: vec![Inst { guard: None, ..inst.clone() }],
                    terminator: Terminator::Trap,
                    terminator_span: inst.span,
                });
                let result = resized(function, inst.dsts[0], Operand::Reg(aligned));
                let taken = Block {
                    label: None,
                    insts: vec![mov(top, Operand::Reg(next)), result],
                    terminator: Terminator::Branch(tail),
                    terminator_span: inst.span,
                };
                let taken = function.blocks.push(taken);
                let code = &mut function.blocks[block];
                let (then, otherwise) = (overflow, taken);
                let mut test = |code: &mut Block| {
                    code.insts.append(&mut before);
                    code.terminator =
                        Terminator::CondBranch { pred: full, negated: false, then, otherwise, uniform: false };
                };
                match guard {
                    None => test(code),
                    Some(guard) => {
                        let mut checked = Block {
                            label: None,
                            insts: Vec::new(),
                            terminator: Terminator::Trap,
                            terminator_span: inst.span,
                        };
                        test(&mut checked);
                        let checked = function.blocks.push(checked);
                        function.blocks[block].terminator = Terminator::CondBranch {
                            pred: guard.reg,
                            negated: guard.negated,
                            then: checked,
                            otherwise: tail,
                            uniform: false,
                        };
                    }
                }
            }
            _ => {}
        }
    }
}

fn convert(to: ScalarType, from: ScalarType) -> Op {
    Op::Cvt(Cvt {
        to,
        from,
        rounding: None,
        integral: false,
        ftz: false,
        saturate: false,
        satfinite: false,
        relu: false,
    })
}

fn widened(dst: Reg, src: Reg) -> Inst {
    Inst { srcs: smallvec![Operand::Reg(src)], ..plain(convert(ScalarType::U64, ScalarType::U32), &[dst], &[]) }
}

/// A 64-bit value in a register of 32 or 64 bits.
fn resized(function: &Function, dst: Reg, value: Operand) -> Inst {
    match function.regs[dst] {
        RegWidth::B32 => plain(convert(ScalarType::U32, ScalarType::U64), &[dst], &[value]),
        _ => mov(dst, value),
    }
}
