//! Element-wise expressions as one kernel: a list of nodes in, a PTX text out.
//!
//! Model. A [`Program`] is an expression graph in order of evaluation: a node names only nodes before it, and the last one is the
//! result. Leaves are arrays (each with its [`Step`] along a row) and scalars, which are kernel parameters, so a text depends
//! on the expression's form and types alone. [`ptx`] gives the kernel; [`Op::takes`] says which types an operation has.
//! The text asks for nothing beyond the PTX manual, so it runs on any device.
//!
//! The kernel [`ENTRY`] computes `rows` rows of `n` elements: thread x is the place in a row, block y the row. Its parameters: the
//! output's address (contiguous), `n` (u32), then for each leaf in order an array's address and the bytes from one row to
//! the next (s64), or a scalar's value in the type's own size (bool, and integers under 32 bits, as u32).
//!
//! It schedules nothing and launches nothing; functions of f64 beyond the square root are not there ([`Op::takes`]).
//!
//! ```
//! use vgpu_fuse::{Leaf, Node, Op, Program, Step, Type};
//! // tanh(x) * 2
//! let program = Program {
//!     leaves: vec![Leaf::Array(Type::F32, Step::One), Leaf::Scalar(Type::F32)],
//!     nodes: vec![Node::Leaf(0), Node::Apply(Op::Tanh, vec![0]), Node::Leaf(1), Node::Apply(Op::Mul, vec![1, 2])],
//! };
//! assert!(vgpu_fuse::ptx(&program)?.contains(".visible .entry"));
//! # Ok::<(), vgpu_fuse::Error>(())
//! ```
#![forbid(unsafe_code)]

mod emit;
mod math;
mod op;

pub use emit::{ENTRY, ptx};
pub use op::{Op, Type};

/// How an array goes along a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// One element for the whole row.
    Zero,
    /// Elements side by side.
    One,
}

/// An input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// An array.
    Array(Type, Step),
    /// A number that is passed by value.
    Scalar(Type),
}

impl Leaf {
    /// The type of its elements.
    pub const fn ty(self) -> Type {
        match self {
            Self::Array(ty, _) | Self::Scalar(ty) => ty,
        }
    }
}

/// A step of the computation; operands are places of earlier nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// An input by its place among the leaves.
    Leaf(usize),
    /// A function.
    Apply(Op, Vec<usize>),
    /// The value in another type.
    Cast(Type, usize),
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Its inputs.
    pub leaves: Vec<Leaf>,
    /// Its nodes; the last is the result.
    pub nodes: Vec<Node>,
}

impl Program {
    /// The type of each node.
    ///
    /// # Errors
    /// [`Error`] when a node names what does not come before it, or an operation does not take its operands' types.
    pub fn types(&self) -> Result<Vec<Type>, Error> {
        let mut types: Vec<Type> = Vec::with_capacity(self.nodes.len());
        for (idx, node) in self.nodes.iter().enumerate() {
            let of = |at: &usize| types.get(*at).copied().ok_or(Error::Order { node: idx, operand: *at });
            let ty = match node {
                Node::Leaf(leaf) => self.leaves.get(*leaf).ok_or(Error::Order { node: idx, operand: *leaf })?.ty(),
                Node::Cast(ty, at) => of(at).map(|_| *ty)?,
                Node::Apply(op, at) => {
                    let operands = at.iter().map(of).collect::<Result<Vec<_>, _>>()?;
                    op.takes(&operands).ok_or(Error::Types { op: *op, operands })?
                }
            };
            types.push(ty);
        }
        if types.is_empty() { Err(Error::Empty) } else { Ok(types) }
    }
}

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It has no nodes.
    Empty,
    /// A node uses what does not come before it.
    Order {
        /// The node.
        node: usize,
        /// What it names.
        operand: usize,
    },
    /// An operation that is not there for these types.
    Types {
        /// The operation.
        op: Op,
        /// The types it was given.
        operands: Vec<Type>,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("the expression has no nodes"),
            Self::Order { node, operand } => write!(f, "node {node} uses {operand}, which does not come before it"),
            Self::Types { op, operands } => write!(f, "{op:?} is not there for {operands:?}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
