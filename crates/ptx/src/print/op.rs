//! The word of every operation: PTX's own spelling with all defaults written out.

use crate::ir::{
    Access, Accuracy, Atomic, CacheOp, Comparison, Cvt, FloatMode, Mbarrier, MbarrierOp, MemorySemantics, Mma, MulHalf,
    Op, Rounding, ScalarType, Space, WmmaAccess,
};
use std::fmt::{Debug, Write as _};

/// A space's word.
pub(super) const fn space(space: Space) -> &'static str {
    match space {
        Space::Generic => "generic",
        Space::Global => "global",
        Space::Shared => "shared",
        Space::Local => "local",
        Space::Const => "const",
        Space::Param => "param",
    }
}

fn in_space(of: Space) -> String {
    if of == Space::Generic { String::new() } else { format!(".{}", space(of)) }
}

/// The name of an enum's variant, in lower case.
fn word(value: impl Debug) -> String {
    format!("{value:?}").to_lowercase()
}

const fn rounding(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::NearestEven => ".rn",
        Rounding::NearestAway => ".rna",
        Rounding::Zero => ".rz",
        Rounding::Down => ".rm",
        Rounding::Up => ".rp",
    }
}

fn flags(list: &[(bool, &str)]) -> String {
    list.iter().filter(|entry| entry.0).map(|entry| entry.1).collect()
}

fn mode(mode: FloatMode, rounds: bool) -> String {
    let rounded = if rounds { rounding(mode.rounding) } else { "" };
    let rest = flags(&[
        (mode.ftz, ".ftz"),
        (mode.saturate, ".sat"),
        (mode.nan, ".NaN"),
        (mode.xorsign_abs, ".xorsign.abs"),
        (mode.relu, ".relu"),
    ]);
    format!("{rounded}{rest}")
}

fn accuracy(accuracy: Accuracy, with: FloatMode) -> String {
    match accuracy {
        Accuracy::Approx => format!(".approx{}", mode(with, false)),
        Accuracy::Full => format!(".full{}", mode(with, false)),
        Accuracy::Ieee => mode(with, true),
    }
}

fn sign(signed: bool) -> &'static str {
    if signed { ".s32" } else { ".u32" }
}

fn comparison(compare: Comparison) -> String {
    let combine = compare.combine.map_or(String::new(), |op| format!(".{}", word(op)));
    format!(".{}{combine}{}", word(compare.op), flags(&[(compare.ftz, ".ftz")]))
}

fn strength(semantics: MemorySemantics, scope: crate::ir::Scope) -> String {
    match semantics {
        MemorySemantics::Weak => String::new(),
        MemorySemantics::Volatile => ".volatile".to_owned(),
        MemorySemantics::AcquireRelease => format!(".acq_rel.{}", word(scope)),
        MemorySemantics::SeqCst => format!(".sc.{}", word(scope)),
        other => format!(".{}.{}", word(other), word(scope)),
    }
}

fn vector(n: u32) -> String {
    if n == 1 { String::new() } else { format!(".v{n}") }
}

fn offset(bytes: i64) -> String {
    if bytes == 0 { String::new() } else { format!(" [{bytes:+}]") }
}

fn access(name: &str, access: &Access) -> String {
    let cache = match access.cache {
        CacheOp::Default => "",
        CacheOp::Streaming => ".streaming",
        CacheOp::Coherent => ".coherent",
        CacheOp::Other => ".hinted",
    };
    let read_only = flags(&[(access.read_only, ".nc")]);
    format!(
        "{name}{}{}{read_only}{cache}{}.{}{}",
        strength(access.semantics, access.scope),
        in_space(access.space),
        vector(access.vector),
        access.ty,
        offset(access.offset)
    )
}

fn atomic(name: &str, atomic: &Atomic) -> String {
    format!(
        "{name}{}{}.{}{}.{}{}",
        strength(atomic.semantics, atomic.scope),
        in_space(atomic.space),
        word(atomic.op),
        vector(atomic.vector),
        atomic.ty,
        offset(atomic.offset)
    )
}

fn cvt(cvt: Cvt) -> String {
    let integral = if cvt.integral || !cvt.to.is_float() { "i" } else { "" };
    let rounded = cvt.rounding.map_or(String::new(), |how| format!("{}{integral}", rounding(how)));
    let rest = flags(&[(cvt.ftz, ".ftz"), (cvt.saturate, ".sat"), (cvt.satfinite, ".satfinite"), (cvt.relu, ".relu")]);
    format!("cvt{rounded}{rest}.{}.{}", cvt.to, cvt.from)
}

fn mma(op: &Mma) -> String {
    let name = if op.wmma { "wmma.mma" } else { "mma" };
    let layout = |row: bool| if row { "row" } else { "col" };
    let [m, n, k] = op.shape;
    let mut text = format!("{name}{}.m{m}n{n}k{k}", flags(&[(op.sparse, ".sp")]));
    let _ = write!(text, ".{}.{}{}", layout(op.a_row), layout(op.b_row), flags(&[(op.satfinite, ".satfinite")]));
    let _ = write!(text, "{}.{}.{}.{}.{}", rounding(op.rounding), op.d, op.a, op.b, op.c);
    if let Some(bit_op) = op.bit_op {
        let _ = write!(text, ".{}", word(bit_op));
    }
    text
}

fn wmma(name: &str, op: &WmmaAccess) -> String {
    let [m, n, k] = op.shape;
    let layout = if op.row { "row" } else { "col" };
    let (role, space) = (word(op.role), in_space(op.space));
    format!("wmma.{name}.{role}.{layout}.m{m}n{n}k{k}{space}.{}{}", op.ty, offset(op.offset))
}

fn mbarrier(barrier: &Mbarrier) -> String {
    let what = match barrier.op {
        MbarrierOp::Init => "init".to_owned(),
        MbarrierOp::Invalidate => "inval".to_owned(),
        MbarrierOp::Arrive { drop, expect_tx } => {
            format!("arrive{}{}", flags(&[(drop, "_drop")]), flags(&[(expect_tx, ".expect_tx")]))
        }
        MbarrierOp::ExpectTx => "expect_tx".to_owned(),
        MbarrierOp::CompleteTx => "complete_tx".to_owned(),
        MbarrierOp::TestWait { parity, blocking } => {
            format!("{}{}", if blocking { "try_wait" } else { "test_wait" }, flags(&[(parity, ".parity")]))
        }
        MbarrierOp::PendingCount => "pending_count".to_owned(),
        MbarrierOp::CpAsyncArrive { no_increment } => {
            format!("cp.async.arrive{}", flags(&[(no_increment, ".noinc")]))
        }
    };
    format!("mbarrier.{what}{}{}", in_space(barrier.space), offset(barrier.offset))
}

fn typed(name: impl std::fmt::Display, ty: ScalarType) -> String {
    format!("{name}.{ty}")
}

/// The word of an operation.
pub(super) fn text(op: &Op) -> String {
    match op {
        Op::Mov(ty) => typed("mov", *ty),
        Op::Pack { element } => typed("pack", *element),
        Op::Unpack { element } => typed("unpack", *element),
        Op::ReadSpecial(special) => format!("special {special:?}"),
        Op::Cvt(form) => cvt(*form),
        Op::CvtPack { to_bits, to_signed, from_signed, .. } => {
            format!("cvt.pack.sat.{}{to_bits}{}", if *to_signed { "s" } else { "u" }, sign(*from_signed))
        }
        Op::Cvta { space: of, to_generic } => format!("cvta.{}{}", if *to_generic { "" } else { "to." }, space(*of)),
        Op::IsSpace(of) => format!("isspacep.{}", space(*of)),
        Op::Selp(ty) => typed("selp", *ty),
        Op::Slct { ty, condition, ftz } => format!("slct{}.{ty}.{condition}", flags(&[(*ftz, ".ftz")])),
        Op::Set { compare, result } => format!("set{}.{result}.{}", comparison(*compare), compare.ty),
        Op::Setp(compare) => format!("setp{}.{}", comparison(*compare), compare.ty),
        Op::Prefetch => "prefetch".to_owned(),

        Op::IntBinary(op, ty) => typed(
            match op {
                crate::ir::IntBinary::AddSat => "add.sat".to_owned(),
                crate::ir::IntBinary::SubSat => "sub.sat".to_owned(),
                crate::ir::IntBinary::MulLo => "mul.lo".to_owned(),
                crate::ir::IntBinary::MulHi => "mul.hi".to_owned(),
                crate::ir::IntBinary::MinRelu => "min.relu".to_owned(),
                crate::ir::IntBinary::MaxRelu => "max.relu".to_owned(),
                other => word(other),
            },
            *ty,
        ),
        Op::IntUnary(crate::ir::IntUnary::BfindShift, ty) => typed("bfind.shiftamt", *ty),
        Op::IntUnary(op, ty) => typed(word(op), *ty),
        Op::MulWide(ty) => typed("mul.wide", *ty),
        Op::Mad { ty, half, saturate } => {
            let half = match half {
                MulHalf::Lo => "lo",
                MulHalf::Hi => "hi",
                MulHalf::Wide => "wide",
            };
            format!("mad.{half}{}.{ty}", flags(&[(*saturate, ".sat")]))
        }
        Op::Mul24 { ty, high, mad, saturate } => {
            let name = if *mad { "mad24" } else { "mul24" };
            format!("{name}.{}{}.{ty}", if *high { "hi" } else { "lo" }, flags(&[(*saturate, ".sat")]))
        }
        Op::Sad(ty) => typed("sad", *ty),
        Op::Carry { op, ty, carry_in, carry_out } => {
            format!("carry.{}{}{}.{ty}", word(op), flags(&[(*carry_in, ".in")]), flags(&[(*carry_out, ".out")]))
        }
        Op::Bfe(ty) => typed("bfe", *ty),
        Op::Bfi(ty) => typed("bfi", *ty),
        Op::Bmsk { clamp } => format!("bmsk.{}.b32", if *clamp { "clamp" } else { "wrap" }),
        Op::Szext { ty, clamp } => format!("szext.{}.{ty}", if *clamp { "clamp" } else { "wrap" }),
        Op::Fns => "fns.b32".to_owned(),
        Op::Shf { left, clamp } => {
            format!("shf.{}.{}.b32", if *left { "l" } else { "r" }, if *clamp { "clamp" } else { "wrap" })
        }
        Op::Prmt(mode) => format!("prmt.b32.{}", word(mode)),
        Op::Lop3 { table, predicate } => {
            format!("lop3{}.b32 {table:#04x}", predicate.map_or(String::new(), |op| format!(".{}", word(op))))
        }
        Op::Dp4a { a_signed, b_signed } => format!("dp4a{}{}", sign(*a_signed), sign(*b_signed)),
        Op::Dp2a { a_signed, b_signed, high } => {
            format!("dp2a.{}{}{}", if *high { "hi" } else { "lo" }, sign(*a_signed), sign(*b_signed))
        }
        Op::Video(video) => format!("{video:?}"),
        Op::VideoSimd(video) => format!("{video:?}"),

        Op::FloatBinary(op, ty, with) => {
            let rounds = !matches!(op, crate::ir::FloatBinary::Min | crate::ir::FloatBinary::Max);
            format!("{}{}.{ty}", word(op), mode(*with, rounds))
        }
        Op::FloatUnary(op, ty, with) => format!("{}{}.{ty}", word(op), mode(*with, false)),
        Op::Fma(ty, with) => format!("fma{}.{ty}", mode(*with, true)),
        Op::FloatMinMax3 { max, mode: with } => {
            format!("{}3{}.f32", if *max { "max" } else { "min" }, mode(*with, false))
        }
        Op::Div(ty, how, with) => format!("div{}.{ty}", accuracy(*how, *with)),
        Op::Rcp(ty, how, with) => format!("rcp{}.{ty}", accuracy(*how, *with)),
        Op::Sqrt(ty, how, with) => format!("sqrt{}.{ty}", accuracy(*how, *with)),
        Op::Transcendental(op, ty, with) => format!("{}.approx{}.{ty}", word(op), mode(*with, false)),
        Op::Copysign(ty) => typed("copysign", *ty),
        Op::TestP(test, ty) => format!("testp.{}.{ty}", word(test)),

        Op::Load(form) => access("ld", form),
        Op::Store(form) => access("st", form),
        Op::Atomic(form) => atomic("atom", form),
        Op::Reduce(form) => atomic("red", form),
        Op::Fence(semantics, scope) => format!("fence{}", strength(*semantics, *scope)),
        Op::CpAsync { bytes, .. } => format!("cp.async.{bytes}"),
        Op::CpAsyncCommit => "cp.async.commit_group".to_owned(),
        Op::CpAsyncWait(None) => "cp.async.wait_all".to_owned(),
        Op::CpAsyncWait(Some(n)) => format!("cp.async.wait_group {n}"),
        Op::Mbarrier(form) => mbarrier(form),

        Op::Mma(form) => mma(form),
        Op::WmmaLoad(form) => wmma("load", form),
        Op::WmmaStore(form) => wmma("store", form),
        Op::LdMatrix(form) => matrix("ldmatrix", form),
        Op::StMatrix(form) => matrix("stmatrix", form),
        Op::MovMatrix => "movmatrix.m8n8.trans.b16".to_owned(),

        Op::Barrier(barrier) => {
            let threads = flags(&[(barrier.aligned, ".aligned"), (barrier.has_threads, ".counted")]);
            format!("barrier.{}{threads}", word(barrier.op))
        }
        Op::WarpSync => "bar.warp.sync".to_owned(),
        Op::Shuffle { mode, sync } => format!("shfl{}.{}.b32", flags(&[(*sync, ".sync")]), word(mode)),
        Op::Vote { mode, sync } => format!("vote{}.{}", flags(&[(*sync, ".sync")]), word(mode)),
        Op::Match { all, ty } => format!("match.{}.sync.{ty}", if *all { "all" } else { "any" }),
        Op::ActiveMask => "activemask.b32".to_owned(),
        Op::Redux { op, ty } => format!("redux.sync.{}.{ty}", word(op)),
        Op::Elect => "elect.sync".to_owned(),
        Op::Nanosleep => "nanosleep.u32".to_owned(),

        Op::Call(..) => "call".to_owned(),
        Op::CallIndirect(proto, _) => format!("call.indirect {proto}"),
        Op::CallBuiltin(builtin, _) => format!("call.builtin {builtin:?}"),
        Op::Alloca { align } => format!("alloca align {align}"),
        Op::StackSave => "stacksave".to_owned(),
        Op::StackRestore => "stackrestore".to_owned(),
        Op::Nop => "nop".to_owned(),
    }
}

fn matrix(name: &str, form: &crate::ir::MatrixAccess) -> String {
    let trans = flags(&[(form.transposed, ".trans")]);
    format!("{name}.m8n8.x{}{trans}{}.b16{}", form.count, in_space(form.space), offset(form.offset))
}
