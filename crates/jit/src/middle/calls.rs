//! Makes one function of a kernel and everything it calls, so that the rest of the compiler knows no calls.
//!
//! Steps: indirect calls become a choice among the functions whose address the module takes ([`super::indirect`]); calls are
//! inlined bottom-up as far as a budget of code growth goes ([`super::inline`]); what is left, recursion above all, is spliced in
//! once per function and reached through a stack in the thread's local memory ([`super::stack`]), which also serves `alloca`.
//! So barriers, spin loops and divergence work in called functions as they do in the kernel.
//!
//! Instructions that remain afterwards stand for the case that fails: `CallIndirect` for a handle that is no function of that
//! signature, `Call` and `Alloca` for a stack that is used up.

use super::indirect::{address_taken, choose_targets};
use super::{inline, stack};
use crate::JitError;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vgpu_ptx::ir::{FuncId, Function, Module, Op, Operand, Space};

/// Functions of at most this many instructions are always inlined.
const SMALL: usize = 64;
/// Instructions that inlining may add to one function.
const GROWTH: usize = 16_000;

/// The kernel with every call resolved.
pub(crate) fn flatten(module: &Module, kernel: &Function) -> Result<Function, JitError> {
    let mut kernel = kernel.clone();
    let taken = address_taken(module);
    choose_targets(module, &taken, &mut kernel);
    let mut bodies = reachable(module, &taken, &kernel)?;
    let groups = recursive_groups(&bodies);
    let n_sites = count_sites(&bodies, &kernel);
    for id in bottom_up(&bodies) {
        let mut body = bodies[&id].clone();
        inline_calls(&mut body, &bodies, &groups, &n_sites)?;
        bodies.insert(id, body);
    }
    inline_calls(&mut kernel, &bodies, &groups, &n_sites)?;
    arguments_are_local(&mut kernel);
    stack::resolve(&mut kernel, &bodies, &groups)?;
    Ok(kernel)
}

/// Accesses to the kernel's argument variables name local memory; `.param` is the kernel's own parameters from here on.
fn arguments_are_local(kernel: &mut Function) {
    for inst in kernel.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        let is_frame = matches!(inst.srcs.first(), Some(Operand::Frame(..)));
        match &mut inst.op {
            Op::Load(access) | Op::Store(access) if is_frame => access.space = Space::Local,
            _ => {}
        }
    }
}

/// Functions called directly, in order of their calls.
pub(super) fn callees(function: &Function) -> impl Iterator<Item = FuncId> + '_ {
    function.blocks.iter().flat_map(|block| &block.insts).filter_map(|inst| match inst.op {
        Op::Call(callee, _) => Some(callee),
        _ => None,
    })
}

/// Bodies of all functions that the kernel may call, without indirect calls.
fn reachable(
    module: &Module,
    taken: &BTreeSet<FuncId>,
    kernel: &Function,
) -> Result<BTreeMap<FuncId, Function>, JitError> {
    let mut bodies = BTreeMap::new();
    let mut work = vec![kernel.clone()];
    while let Some(caller) = work.pop() {
        for inst in caller.blocks.iter().flat_map(|block| &block.insts) {
            let Op::Call(callee, args) = &inst.op else { continue };
            let function = &module.functions[*callee];
            let unsupported = |what| JitError::Unsupported { kernel: kernel.name.clone(), what, span: inst.span };
            if function.is_declaration() {
                return Err(unsupported(format!(
                    "a call of {}, which is declared but not defined; link the module that defines it",
                    function.name
                )));
            }
            let given: Vec<u32> = args.params.iter().chain(&args.returns).map(|var| caller.frame[*var].size).collect();
            let taken_sizes: Vec<u32> =
                function.params.iter().chain(&function.returns).map(|param| param.size).collect();
            if given != taken_sizes || args.params.len() != function.params.len() {
                return Err(unsupported(format!(
                    "a call of {} that passes and receives {given:?} bytes where the function has {taken_sizes:?}",
                    function.name
                )));
            }
            if !bodies.contains_key(callee) {
                let mut body = function.clone();
                choose_targets(module, taken, &mut body);
                bodies.insert(*callee, body.clone());
                work.push(body);
            }
        }
    }
    Ok(bodies)
}

/// For each recursive function the number of its group: functions that call each other in a cycle.
fn recursive_groups(bodies: &BTreeMap<FuncId, Function>) -> HashMap<FuncId, usize> {
    let reach: BTreeMap<FuncId, BTreeSet<FuncId>> = bodies
        .iter()
        .map(|(&id, body)| {
            let mut reached = BTreeSet::new();
            let mut work: Vec<FuncId> = callees(body).collect();
            while let Some(callee) = work.pop() {
                if reached.insert(callee) {
                    work.extend(callees(&bodies[&callee]));
                }
            }
            (id, reached)
        })
        .collect();
    let mut groups = HashMap::new();
    for (idx, (id, reached)) in reach.iter().enumerate() {
        if reached.contains(id) {
            let group = reached.iter().find(|other| reach[other].contains(id) && groups.contains_key(*other));
            let group = group.map_or(idx, |other| groups[other]);
            groups.insert(*id, group);
        }
    }
    groups
}

fn count_sites(bodies: &BTreeMap<FuncId, Function>, kernel: &Function) -> HashMap<FuncId, usize> {
    let mut n_sites = HashMap::new();
    for callee in bodies.values().chain([kernel]).flat_map(callees) {
        *n_sites.entry(callee).or_insert(0) += 1;
    }
    n_sites
}

/// All functions, callees first where calls are not recursive.
fn bottom_up(bodies: &BTreeMap<FuncId, Function>) -> Vec<FuncId> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for &root in bodies.keys() {
        let mut work = vec![(root, false)];
        while let Some((id, done)) = work.pop() {
            if done {
                order.push(id);
            } else if seen.insert(id) {
                work.push((id, true));
                work.extend(
                    callees(&bodies[&id]).filter(|callee| !seen.contains(callee)).map(|callee| (callee, false)),
                );
            }
        }
    }
    order
}

pub(super) fn n_insts(function: &Function) -> usize {
    function.blocks.iter().map(|block| block.insts.len() + 1).sum()
}

fn inline_calls(
    caller: &mut Function,
    bodies: &BTreeMap<FuncId, Function>,
    groups: &HashMap<FuncId, usize>,
    n_sites: &HashMap<FuncId, usize>,
) -> Result<(), JitError> {
    let mut growth = 0;
    let mut idx = 0;
    while idx < caller.blocks.len() {
        let block = vgpu_ptx::ir::BlockId::from(idx);
        idx += 1;
        let found = caller.blocks[block].insts.iter().position(|inst| {
            let Op::Call(callee, _) = inst.op else { return false };
            let size = n_insts(&bodies[&callee]);
            let affordable = size <= SMALL || growth + size <= GROWTH || n_sites.get(&callee) == Some(&1);
            !groups.contains_key(&callee) && affordable
        });
        let Some(at) = found else { continue };
        let Op::Call(callee, args) = caller.blocks[block].insts[at].op.clone() else { continue };
        let body = &bodies[&callee];
        growth += n_insts(body);
        if caller.regs.len() + body.regs.len() > crate::MAX_REGISTERS
            || caller.blocks.len() + body.blocks.len() > crate::MAX_BLOCKS
        {
            return Err(JitError::TooLarge { kernel: caller.name.clone() });
        }
        inline::splice(caller, block, at, body, &args);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Result<Function, JitError> {
        let text = format!(".version 8.0\n.target sm_80\n.address_size 64\n{text}");
        let module = vgpu_ptx::load(&text).expect("a correct text");
        flatten(&module, &module.functions[module.function("k").expect("the kernel")])
    }

    const CALL: &str = ".reg .b32 %r<3>; { .param .b32 a; .param .b32 c; st.param.b32 [a], %r0; call (c), f, (a); \
                        ld.param.b32 %r1, [c]; }";

    fn n_calls(function: &Function) -> usize {
        callees(function).count()
    }

    #[test]
    fn a_function_without_code_is_refused() {
        let text = format!(".extern .func (.param .b32 r) f(.param .b32 n);\n.visible .entry k() {{ {CALL} ret; }}");
        let error = flat(&text).expect_err("nothing to call");
        let message = error.to_string();
        assert!(message.contains("a call of f, which is declared but not defined"), "{message}");
    }

    #[test]
    fn inlined_arguments_become_registers() {
        let callee = ".func (.param .b32 r) f(.param .b32 n) { .reg .b32 %q<2>; ld.param.b32 %q0, [n]; \
                      add.u32 %q1, %q0, 1; st.param.b32 [r], %q1; ret; }";
        let mut function = flat(&format!("{callee}\n.visible .entry k() {{ {CALL} ret; }}")).expect("code");
        assert_eq!(n_calls(&function), 0);
        crate::middle::promote::promote(&mut function);
        let in_memory = function
            .blocks
            .iter()
            .flat_map(|block| &block.insts)
            .any(|inst| matches!(inst.op, Op::Load(_) | Op::Store(_)));
        assert!(!in_memory, "{function:?}");
        assert_eq!(function.frame.iter().map(|var| var.size).sum::<u32>(), 0);
    }

    #[test]
    fn recursion_keeps_one_copy_and_fails_when_the_stack_is_full() {
        let callee = format!(
            ".func (.param .b32 r) f(.param .b32 n) {{ .reg .pred %p; ld.param.b32 %r0, [n]; setp.eq.u32 %p, %r0, 0; \
             @%p bra B; sub.u32 %r0, %r0, 1; {} add.u32 %r1, %r1, 2; st.param.b32 [r], %r1; ret; B: st.param.b32 [r], 1; ret; }}",
            CALL.replacen(".reg .b32 %r<3>;", "", 1)
        )
        .replace("{ .reg .pred %p;", "{ .reg .pred %p; .reg .b32 %r<3>;");
        let function = flat(&format!("{callee}\n.visible .entry k() {{ {CALL} ret; }}")).expect("code");
        // What stays of the two calls is their failing case, in blocks of their own.
        let failing = function.blocks.iter().filter(|block| {
            block.insts.len() == 1
                && matches!(block.insts[0].op, Op::Call(..))
                && block.terminator == vgpu_ptx::ir::Terminator::Trap
        });
        assert_eq!((failing.count(), n_calls(&function)), (2, 2));
        let returns = function.blocks.iter().filter(|block| {
            matches!(block.terminator, vgpu_ptx::ir::Terminator::IndexBranch { ref targets, .. } if targets.len() == 2)
        });
        assert_eq!(returns.count(), 1);
    }
}
