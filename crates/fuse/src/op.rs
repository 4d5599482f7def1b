//! Element types and operations, and which goes with which.

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A byte that is 0 or 1.
    Bool,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Type {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F32,
        Self::F64,
    ];

    /// Bytes of an element.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Single or double precision.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// With a sign.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64 | Self::F32 | Self::F64)
    }
}

/// A function of one to three elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Sum; integers wrap.
    Add,
    /// Difference; integers wrap.
    Sub,
    /// Product; integers wrap.
    Mul,
    /// Quotient of floats.
    Div,
    /// The larger; NaN when there is one.
    Max,
    /// The smaller; NaN when there is one.
    Min,
    /// Equal.
    Eq,
    /// Not equal; true with NaN.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Conjunction: of bits, or of bools.
    And,
    /// Disjunction.
    Or,
    /// Exclusive disjunction.
    Xor,
    /// Complement.
    Not,
    /// Sign changed; integers wrap.
    Neg,
    /// Absolute value.
    Abs,
    /// x x.
    Square,
    /// 1 / x.
    Recip,
    /// Square root, correctly rounded.
    Sqrt,
    /// Toward minus infinity.
    Floor,
    /// Toward plus infinity.
    Ceil,
    /// Toward zero.
    Trunc,
    /// To nearest, ties to even.
    Round,
    /// Not a number.
    IsNan,
    /// Infinite.
    IsInf,
    /// Neither infinite nor NaN.
    IsFinite,
    /// The second operand where the first is true, else the third.
    Select,
    /// e^x, single precision, within 2 ulp.
    Exp,
    /// Natural logarithm, single precision, within 1.5 ulp.
    Log,
    /// Hyperbolic tangent, single precision, within 2 ulp.
    Tanh,
    /// Error function, single precision, within 2 ulp.
    Erf,
    /// 1 / (1 + e^-x), single precision.
    Sigmoid,
    /// x Phi(x) = x/2 (1 + erf(x / sqrt 2)), single precision.
    Gelu,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Max,
        Self::Min,
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::And,
        Self::Or,
        Self::Xor,
        Self::Not,
        Self::Neg,
        Self::Abs,
        Self::Square,
        Self::Recip,
        Self::Sqrt,
        Self::Floor,
        Self::Ceil,
        Self::Trunc,
        Self::Round,
        Self::IsNan,
        Self::IsInf,
        Self::IsFinite,
        Self::Select,
        Self::Exp,
        Self::Log,
        Self::Tanh,
        Self::Erf,
        Self::Sigmoid,
        Self::Gelu,
    ];

    /// How many operands it has.
    pub const fn n_operands(self) -> usize {
        match self {
            Self::Select => 3,
            Self::Add
            | Self::Sub
            | Self::Mul
            | Self::Div
            | Self::Max
            | Self::Min
            | Self::Eq
            | Self::Ne
            | Self::Lt
            | Self::Le
            | Self::Gt
            | Self::Ge
            | Self::And
            | Self::Or
            | Self::Xor => 2,
            _ => 1,
        }
    }

    /// The type of the result for operands of these types; `None` when the operation is not there for them.
    pub fn takes(self, operands: &[Type]) -> Option<Type> {
        if operands.len() != self.n_operands() {
            return None;
        }
        let &last = operands.last()?;
        let same = match self {
            Self::Select => operands[0] == Type::Bool && operands[1] == last,
            _ => operands[0] == last,
        };
        let bool_result = matches!(
            self,
            Self::Eq
                | Self::Ne
                | Self::Lt
                | Self::Le
                | Self::Gt
                | Self::Ge
                | Self::IsNan
                | Self::IsInf
                | Self::IsFinite
        );
        let fits = match self {
            Self::Add
            | Self::Sub
            | Self::Mul
            | Self::Max
            | Self::Min
            | Self::Abs
            | Self::Square
            | Self::Lt
            | Self::Le
            | Self::Gt
            | Self::Ge => last != Type::Bool,
            Self::Neg => last != Type::Bool,
            Self::Eq | Self::Ne | Self::Select => true,
            Self::And | Self::Or | Self::Xor | Self::Not => !last.is_float(),
            Self::Div
            | Self::Recip
            | Self::Sqrt
            | Self::Floor
            | Self::Ceil
            | Self::Trunc
            | Self::Round
            | Self::IsNan
            | Self::IsInf
            | Self::IsFinite => last.is_float(),
            Self::Exp | Self::Log | Self::Tanh | Self::Erf | Self::Sigmoid | Self::Gelu => last == Type::F32,
        };
        (same && fits).then_some(if bool_result { Type::Bool } else { last })
    }
}
