//! Random programs: a tree of statements that terminates and has no data race, whatever is removed from it.
//!
//! How termination and freedom from races are built in, not checked:
//! * a loop counts in a register of its own, at most [`MAX_TRIPS`] times; `Break` only leaves it earlier;
//! * a barrier, and an exchange through shared memory, stands only where all threads of the block arrive (`Reach::Block`);
//! * a warp operation stands only where the lanes that arrive are known: the generator keeps a register with their mask,
//!   narrowed by ballots at divergent branches and loops (`Reach::Warp`); not inside loops that lanes may leave early (`Reach::Thread`);
//! * memory: input is only read; each thread writes its own words of the output and its own local array; counters only take
//!   commutative atomics whose result is not used.
//!
//! Float values never become integer bits, because any NaN is as good as another.

use crate::init::hash;

/// Integer variables of 32 bits.
pub const N_WORDS: u32 = 6;
/// Integer variables of 64 bits.
pub const N_LONGS: u32 = 3;
/// Float variables.
pub const N_FLOATS: u32 = 3;
/// Most trips of a loop.
pub const MAX_TRIPS: u32 = 6;
/// Statements nest this deep at most.
const MAX_DEPTH: u32 = 4;

/// Who arrives at a place together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Whoever comes.
    Thread,
    /// The lanes in the current mask register.
    Warp,
    /// All threads of the block.
    Block,
}

/// A condition of a branch.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `word op word`.
    Words(&'static str, u32, u32),
    /// `float op float`.
    Floats(&'static str, u32, u32),
    /// A bit of the block index: the same for the whole block.
    BlockIndex(u32),
    /// The thread index against a constant.
    Thread(&'static str, u32),
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// Straight-line instruction text with the variables already chosen.
    Plain(String),
    /// Two ways.
    If {
        /// Which way.
        condition: Condition,
        /// Where it holds.
        then: Vec<Statement>,
        /// Where it does not.
        otherwise: Vec<Statement>,
    },
    /// `brx.idx` on a variable.
    Switch {
        /// Variable.
        word: u32,
        /// Arms; an arm may run into the next.
        arms: Vec<(Vec<Statement>, bool)>,
    },
    /// Counted loop.
    Loop {
        /// Trips: a constant, or that many bits of a variable.
        trips: Trips,
        /// Body.
        body: Vec<Statement>,
    },
    /// Leaves the innermost loop where the condition holds.
    Break(Condition),
    /// Goes on with the next trip where the condition holds.
    Continue(Condition),
    /// `bar.sync`.
    Barrier,
    /// Through shared memory: word `to` gets what thread `(index) mod n` had in word `from`.
    Exchange {
        /// Written.
        to: u32,
        /// Read.
        from: u32,
        /// Index variable.
        index: u32,
    },
    /// `shfl.sync` with a source lane that is checked to be in the mask.
    Shuffle {
        /// `up`, `down`, `bfly` or `idx`.
        mode: &'static str,
        /// Written.
        to: u32,
        /// Read.
        from: u32,
        /// Distance, or index variable.
        lane: u32,
    },
    /// A warp operation on the current mask: text with `%mask`.
    Warp(String),
    /// Calls a device function: `to = f(a, b)`.
    Call {
        /// Which function.
        function: u32,
        /// Written.
        to: u32,
        /// Arguments.
        args: [u32; 2],
    },
}

/// How often a loop runs.
#[derive(Clone, Copy, Debug)]
pub enum Trips {
    /// The same for everybody.
    Constant(u32),
    /// A variable modulo [`MAX_TRIPS`], per thread.
    Word(u32),
}

/// A kernel and its launch.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it came from.
    pub seed: u64,
    /// Blocks.
    pub grid: u32,
    /// Threads per block.
    pub block: [u32; 3],
    /// Body of the kernel.
    pub body: Vec<Statement>,
    /// Bodies of the device functions.
    pub functions: Vec<Vec<Statement>>,
}

struct Generator {
    seed: u64,
    count: u64,
    /// Statements left.
    budget: u32,
    n_functions: u32,
}

/// The program of a seed.
pub fn generate(seed: u64) -> Program {
    let mut generator = Generator { seed, count: 0, budget: 0, n_functions: 0 };
    let g = &mut generator;
    let grid = 1 + g.below(3);
    let block = match g.below(10) {
        0 => [1, 1, 1],
        1 => [7, 1, 1],
        2 => [33, 1, 1],
        3 => [100, 1, 1],
        4 => [8, 3, 2],
        5 => [16, 8, 1],
        6 => [32, 4, 1],
        7 => [64, 1, 1],
        _ => [32, 1, 1],
    };
    let n_functions = g.below(3);
    let functions = (0..n_functions)
        .map(|_| {
            g.budget = 2 + g.below(5);
            g.block(Reach::Thread, 2, false)
        })
        .collect();
    g.n_functions = n_functions;
    g.budget = 8 + g.below(40);
    let mut body = Vec::new();
    while g.budget > 0 {
        body.extend(g.block(Reach::Block, 0, false));
    }
    Program { seed, grid, block, body, functions }
}

impl Generator {
    fn bits(&mut self) -> u64 {
        self.count += 1;
        hash(self.seed, self.count)
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.bits() >> 32) as u32 % n
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    fn word(&mut self) -> u32 {
        self.below(N_WORDS)
    }

    /// A word variable or a constant.
    fn operand(&mut self) -> String {
        const CONSTANTS: [i64; 10] = [0, 1, -1, 2, 7, 31, 32, 255, 0x7fff_ffff, 0x1234_5678];
        if self.below(4) == 0 { self.pick(&CONSTANTS).to_string() } else { format!("%w{}", self.word()) }
    }

    fn condition(&mut self, reach: Reach) -> Condition {
        const INTEGER: [&str; 8] = ["eq.u32", "ne.u32", "lt.s32", "le.u32", "gt.u32", "ge.s32", "lt.u32", "gt.s32"];
        const FLOAT: [&str; 6] = ["lt.f32", "geu.f32", "eq.f32", "neu.f32", "gt.f32", "nan.f32"];
        const LIMITS: [u32; 6] = [1, 5, 16, 31, 32, 50];
        match self.below(if reach == Reach::Block { 6 } else { 5 }) {
            0 => Condition::Floats(self.pick(&FLOAT), self.below(N_FLOATS), self.below(N_FLOATS)),
            1 => Condition::Thread(self.pick(&["lt.u32", "ge.u32", "ne.u32"]), self.pick(&LIMITS)),
            2..=4 => Condition::Words(self.pick(&INTEGER), self.word(), self.word()),
            _ => Condition::BlockIndex(self.below(2)),
        }
    }

    fn block(&mut self, reach: Reach, depth: u32, in_loop: bool) -> Vec<Statement> {
        let n = 1 + self.below(5);
        let mut out = Vec::new();
        for _ in 0..n {
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            out.push(self.statement(reach, depth, in_loop));
        }
        out
    }

    /// What a branch on `condition` leaves of `reach`.
    fn inside(reach: Reach, condition: &Condition) -> Reach {
        match condition {
            Condition::BlockIndex(_) => reach,
            _ => reach.min(Reach::Warp),
        }
    }

    fn statement(&mut self, reach: Reach, depth: u32, in_loop: bool) -> Statement {
        let nested = depth < MAX_DEPTH;
        match self.below(24) {
            0..=2 if nested => {
                let condition = self.condition(reach);
                let inner = Self::inside(reach, &condition);
                let then = self.block(inner, depth + 1, in_loop);
                let otherwise = if self.below(2) == 0 { self.block(inner, depth + 1, in_loop) } else { Vec::new() };
                Statement::If { condition, then, otherwise }
            }
            3 if nested => {
                let n_arms = 2 + self.below(3);
                let arms =
                    (0..n_arms).map(|_| (self.block(Reach::Thread, depth + 1, false), self.below(3) == 0)).collect();
                Statement::Switch { word: self.word(), arms }
            }
            4 | 5 if nested => {
                // Lanes may leave early only where nobody relies on them.
                let leaves = self.below(2) == 0;
                let trips =
                    if self.below(2) == 0 { Trips::Constant(self.below(MAX_TRIPS)) } else { Trips::Word(self.word()) };
                let inner = match (leaves, trips) {
                    (true, _) => Reach::Thread,
                    (false, Trips::Constant(_)) => reach,
                    (false, Trips::Word(_)) => reach.min(Reach::Warp),
                };
                Statement::Loop { trips, body: self.block(inner, depth + 1, leaves) }
            }
            6 if in_loop => Statement::Break(self.condition(Reach::Thread)),
            7 if in_loop => Statement::Continue(self.condition(Reach::Thread)),
            8 if reach == Reach::Block => Statement::Barrier,
            9 | 10 if reach == Reach::Block => {
                Statement::Exchange { to: self.word(), from: self.word(), index: self.word() }
            }
            11 if reach >= Reach::Warp => Statement::Shuffle {
                mode: self.pick(&["up", "down", "bfly", "idx"]),
                to: self.word(),
                from: self.word(),
                lane: self.below(N_WORDS),
            },
            12 if reach >= Reach::Warp => Statement::Warp(self.warp_operation()),
            13 if self.n_functions > 0 => Statement::Call {
                function: self.below(self.n_functions),
                to: self.word(),
                args: [self.word(), self.word()],
            },
            14 | 15 => Statement::Plain(self.memory()),
            16 => Statement::Plain(self.long()),
            17 | 18 => Statement::Plain(self.float()),
            _ => Statement::Plain(self.integer()),
        }
    }

    fn integer(&mut self) -> String {
        const BINARY: [&str; 20] = [
            "add.u32",
            "sub.u32",
            "mul.lo.u32",
            "mul.hi.u32",
            "mul.hi.s32",
            "min.s32",
            "max.u32",
            "and.b32",
            "or.b32",
            "xor.b32",
            "shl.b32",
            "shr.u32",
            "shr.s32",
            "add.sat.s32",
            "div.u32",
            "rem.s32",
            "min.u32",
            "sub.sat.s32",
            "mul24.lo.u32",
            "rem.u32",
        ];
        const TERNARY: [&str; 7] =
            ["mad.lo.u32", "mad.hi.s32", "sad.u32", "bfe.u32", "prmt.b32", "shf.l.wrap.b32", "dp4a.u32.s32"];
        const UNARY: [&str; 7] = ["not.b32", "neg.s32", "abs.s32", "popc.b32", "clz.b32", "brev.b32", "bfind.u32"];
        let (d, a) = (self.word(), self.word());
        let (b, c) = (self.operand(), self.operand());
        match self.below(8) {
            0..=3 => format!("{} %w{d}, %w{a}, {b};", self.pick(&BINARY)),
            4 | 5 => format!("{} %w{d}, %w{a}, {b}, {c};", self.pick(&TERNARY)),
            6 => format!("{} %w{d}, %w{a};", self.pick(&UNARY)),
            _ => format!("lop3.b32 %w{d}, %w{a}, {b}, {c}, {};", self.below(256)),
        }
    }

    fn long(&mut self) -> String {
        let (d, a, b, w) = (self.below(N_LONGS), self.below(N_LONGS), self.below(N_LONGS), self.word());
        match self.below(9) {
            0 => format!("add.u64 %l{d}, %l{a}, %l{b};"),
            1 => format!("mul.lo.u64 %l{d}, %l{a}, %l{b};"),
            2 => format!("mul.wide.s32 %l{d}, %w{w}, %w{};", self.word()),
            3 => format!("shr.s64 %l{d}, %l{a}, %w{w};"),
            4 => format!("xor.b64 %l{d}, %l{a}, %l{b};"),
            5 => format!("cvt.u32.u64 %w{w}, %l{a};"),
            6 => format!("cvt.s64.s32 %l{d}, %w{w};"),
            7 => format!("mov.b64 {{%w{w}, %w{}}}, %l{a};", (w + 1) % N_WORDS),
            _ => format!("max.s64 %l{d}, %l{a}, %l{b};"),
        }
    }

    fn float(&mut self) -> String {
        let (d, a, b, c) = (self.below(N_FLOATS), self.below(N_FLOATS), self.below(N_FLOATS), self.below(N_FLOATS));
        let w = self.word();
        let rounding = self.pick(&["rn", "rn", "rn", "rz", "rm", "rp"]);
        match self.below(11) {
            0 => format!("add.{rounding}.f32 %f{d}, %f{a}, %f{b};"),
            1 => format!("mul.{rounding}.f32 %f{d}, %f{a}, %f{b};"),
            2 => format!("fma.{rounding}.f32 %f{d}, %f{a}, %f{b}, %f{c};"),
            3 => format!("sub.{rounding}.ftz.f32 %f{d}, %f{a}, %f{b};"),
            4 => format!("min.f32 %f{d}, %f{a}, %f{b};"),
            5 => format!("max.f32 %f{d}, %f{a}, %f{b};"),
            6 => format!("cvt.rn.f32.s32 %f{d}, %w{w};"),
            7 => format!("cvt.rzi.s32.f32 %w{w}, %f{a};"),
            8 => format!("div.rn.f32 %f{d}, %f{a}, %f{b};"),
            9 => format!("sqrt.rn.f32 %f{d}, %f{a};"),
            _ => format!("fma.rn.sat.f32 %f{d}, %f{a}, %f{b}, %f{c};"),
        }
    }

    /// Accesses that race with nobody: see the module header.
    fn memory(&mut self) -> String {
        let (d, a) = (self.word(), self.word());
        let (f, slot) = (self.below(N_FLOATS), self.below(4) * 4);
        match self.below(9) {
            0 | 1 => {
                format!("and.b32 %i, %w{a}, 252; cvt.u64.u32 %p, %i; add.u64 %p, %p, %in; ld.global.u32 %w{d}, [%p];")
            }
            2 => {
                format!("and.b32 %i, %w{a}, 255; cvt.u64.u32 %p, %i; add.u64 %p, %p, %in; ld.global.nc.s8 %w{d}, [%p];")
            }
            3 => format!("st.global.u32 [%own+{slot}], %w{a};"),
            4 => format!("ld.global.u32 %w{d}, [%own+{slot}];"),
            5 => format!("and.b32 %i, %w{a}, 28; mov.u32 %j, locals; add.u32 %i, %i, %j; st.local.u32 [%i], %w{d};"),
            6 => format!("and.b32 %i, %w{a}, 28; mov.u32 %j, locals; add.u32 %i, %i, %j; ld.local.u32 %w{d}, [%i];"),
            7 => {
                let (name, offset) = self.pick(&[
                    ("add.u32", 0),
                    ("max.u32", 4),
                    ("min.s32", 8),
                    ("or.b32", 12),
                    ("xor.b32", 16),
                    ("add.u64", 24),
                ]);
                let value = if name == "add.u64" { format!("%l{}", self.below(N_LONGS)) } else { format!("%w{a}") };
                let word = if self.below(2) == 0 { "red.global" } else { "red.relaxed.gpu.global" };
                format!("{word}.{name} [%counters+{offset}], {value};")
            }
            _ => format!("st.global.f32 [%ownf], %f{f};"),
        }
    }

    fn warp_operation(&mut self) -> String {
        let (d, a) = (self.word(), self.word());
        match self.below(7) {
            0 => format!("setp.lt.s32 %q, %w{a}, %w{}; vote.sync.ballot.b32 %w{d}, %q, %mask;", self.word()),
            1 => format!("setp.ne.u32 %q, %w{a}, 0; vote.sync.any.pred %q, %q, %mask; selp.u32 %w{d}, 3, 5, %q;"),
            2 => format!("setp.ne.u32 %q, %w{a}, 7; vote.sync.all.pred %q, %q, %mask; selp.u32 %w{d}, 3, %w{a}, %q;"),
            3 => format!("and.b32 %i, %w{a}, 3; match.any.sync.b32 %w{d}, %i, %mask;"),
            4 => format!("match.all.sync.b32 %i|%q, %w{a}, %mask; selp.u32 %w{d}, 1, 2, %q;"),
            5 => {
                let op = self.pick(&["add.u32", "min.s32", "max.u32", "and.b32", "or.b32", "xor.b32"]);
                format!("redux.sync.{op} %w{d}, %w{a}, %mask;")
            }
            _ => format!("bar.warp.sync %mask; add.u32 %w{d}, %w{d}, %mask;"),
        }
    }
}
