//! From an opcode's first word to the function that lowers it.

use super::function::FunctionCx;
use super::modifiers::Modifiers;
use super::operand::InstCx;
use super::{
    Lowered, async_copy, atomic, control, convert, data_movement, float, integer, logic, matrix, memory, unsupported,
    video, warp,
};
use crate::ast;
use crate::ir::Guard;
use crate::parser::shorten;
use vgpu_types::Diagnostic;

/// Lowers one instruction; reports what is wrong with it.
pub(super) fn instruction<'a, 's>(f: &mut FunctionCx<'a, 's>, inst: &'a ast::Inst<'s>) {
    if f.module.gave_up() {
        return;
    }
    let (root, mods) = Modifiers::split(inst.opcode.text, inst.opcode.span);
    let mut cx = InstCx { f, inst, mods, guard: None };
    if let Err(diagnostic) = lower(&mut cx, root) {
        cx.f.module.report(*diagnostic);
    }
}

fn lower(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    unsupported::check(cx, root)?;
    if let Some(guard) = cx.inst.guard {
        let reg = cx.predicate(guard.name)?;
        cx.guard = Some(Guard { reg, negated: guard.negated });
    }
    family(cx, root)?;
    cx.mods.finish()
}

fn family(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    match root {
        "mov" => data_movement::mov(cx),
        "cvta" => data_movement::cvta(cx),
        "isspacep" => data_movement::isspacep(cx),
        "selp" => data_movement::selp(cx),
        "slct" => data_movement::slct(cx),
        "set" => data_movement::set(cx),
        "setp" => data_movement::setp(cx),
        "prefetch" | "prefetchu" | "discard" | "applypriority" => data_movement::prefetch(cx, root),
        "createpolicy" => data_movement::createpolicy(cx),

        "cvt" if cx.mods.first() == "pack" => convert::pack(cx),
        "cvt" => convert::cvt(cx),

        "add" | "sub" | "mul" | "mad" | "div" | "abs" | "neg" | "min" | "max"
            if cx.mods.last_scalar().is_some_and(|ty| ty.is_float()) =>
        {
            float::arithmetic(cx, root)
        }
        "add" | "sub" => integer::add_sub(cx, root == "add"),
        "mul" => integer::mul(cx),
        "mad" => integer::mad(cx),
        "mul24" | "mad24" => integer::mul24(cx, root == "mad24"),
        "sad" => integer::sad(cx),
        "div" | "rem" => integer::div_rem(cx, root == "div"),
        "abs" | "neg" => integer::abs_neg(cx, root == "abs"),
        "min" | "max" => integer::min_max(cx, root == "max"),
        "addc" | "subc" => integer::carry(cx, root == "addc"),
        "madc" => integer::madc(cx),
        "popc" | "clz" | "bfind" | "brev" => integer::bit_count(cx, root),
        "fns" => integer::fns(cx),
        "bfe" => integer::bfe(cx),
        "bfi" => integer::bfi(cx),
        "bmsk" => integer::bmsk(cx),
        "szext" => integer::szext(cx),
        "dp4a" => integer::dp4a(cx),
        "dp2a" => integer::dp2a(cx),

        "and" | "or" | "xor" => logic::binary(cx, root),
        "not" | "cnot" => logic::unary(cx, root),
        "lop3" => logic::lop3(cx),
        "shl" | "shr" => logic::shift(cx, root == "shl"),
        "shf" => logic::shf(cx),
        "prmt" => logic::prmt(cx),

        "fma" | "rcp" | "sqrt" | "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" | "copysign" | "testp" => {
            float::arithmetic(cx, root)
        }

        "ld" | "ldu" => memory::load(cx, root == "ldu"),
        "st" => memory::store(cx),
        "atom" | "red" => atomic::atom(cx, root == "atom"),
        "fence" | "membar" => atomic::fence(cx, root == "membar"),
        "cp" => async_copy::cp_async(cx),
        "mbarrier" => async_copy::mbarrier(cx),

        "mma" => matrix::mma(cx),
        "wmma" => matrix::wmma(cx),
        "ldmatrix" | "stmatrix" => matrix::matrix_access(cx, root == "ldmatrix"),
        "movmatrix" => matrix::movmatrix(cx),

        "bar" | "barrier" => warp::barrier(cx, root == "bar"),
        "shfl" => warp::shfl(cx),
        "vote" => warp::vote(cx),
        "match" => warp::match_(cx),
        "activemask" => warp::activemask(cx),
        "redux" => warp::redux(cx),
        "elect" => warp::elect(cx),
        "nanosleep" => warp::nanosleep(cx),

        "bra" => control::bra(cx),
        "brx" => control::brx(cx),
        "call" => control::call(cx),
        "ret" => control::ret(cx),
        "exit" => control::exit(cx),
        "trap" => control::trap(cx),
        "brkpt" | "pmevent" | "setmaxnreg" | "griddepcontrol" => control::nop(cx, root),
        "alloca" => control::alloca(cx),
        "stacksave" | "stackrestore" => control::stack(cx, root == "stacksave"),

        "vadd" | "vsub" | "vabsdiff" | "vmin" | "vmax" | "vshl" | "vshr" | "vset" => video::scalar(cx, root),
        "vmad" => video::vmad(cx),
        "vadd2" | "vsub2" | "vavrg2" | "vabsdiff2" | "vmin2" | "vmax2" | "vset2" | "vadd4" | "vsub4" | "vavrg4"
        | "vabsdiff4" | "vmin4" | "vmax4" | "vset4" => video::simd(cx, root),

        _ => {
            let message = format!("`{}` is not a PTX instruction", shorten(root));
            Err(Box::new(Diagnostic::error("unknown-instruction", cx.mods.span(), message)))
        }
    }
}
