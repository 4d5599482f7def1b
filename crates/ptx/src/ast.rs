//! The syntax tree of a PTX text: what was written, before any name is resolved or any rule is checked.
//!
//! Model: names and opcodes are slices of the source, so a tree costs one allocation per instruction. Constant
//! expressions are already folded (they depend on nothing but literals); everything else is as written. Every node has
//! a [`Span`]. Instructions are generic: an opcode text such as `ld.global.v4.f32` and a list of operands; which
//! modifiers and operands an opcode takes is the business of [`crate::lower`].
//!
//! Source: PTX ISA chapters "Syntax", "State Spaces, Types, and Variables" and "Directives".

use vgpu_types::Span;

/// An identifier and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'s> {
    /// The text.
    pub text: &'s str,
    /// Where it stands.
    pub span: Span,
}

/// A whole text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module<'s> {
    /// `.version major.minor`.
    pub version: Option<Version>,
    /// Words of `.target`.
    pub target: Vec<Name<'s>>,
    /// `.address_size` in bits.
    pub address_size: Option<(u64, Span)>,
    /// Everything else in order.
    pub items: Vec<Item<'s>>,
}

/// `.version 8.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Before the point.
    pub major: u32,
    /// After the point.
    pub minor: u32,
    /// Where it stands.
    pub span: Span,
}

/// A top-level item.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'s> {
    /// Module variable.
    Variable(Variable<'s>),
    /// Kernel or device function, with or without body.
    Function(Function<'s>),
    /// `.file number "path"`.
    File {
        /// Number used by `.loc`.
        number: u64,
        /// Path without the quotes.
        path: &'s str,
    },
    /// `.alias new, old;`.
    Alias {
        /// The new name.
        alias: Name<'s>,
        /// The function it stands for.
        aliasee: Name<'s>,
    },
    /// `.pragma "text";`.
    Pragma(Name<'s>),
    /// A labelled `.callprototype` outside any function.
    Prototype(Prototype<'s>),
}

/// Linkage directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the directives")]
pub enum Linkage {
    None,
    Visible,
    Extern,
    Weak,
    Common,
}

/// State space of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the directives")]
pub enum DeclSpace {
    Reg,
    Local,
    Shared,
    Global,
    Const,
    Param,
    Tex,
}

/// One declared name. `.b32 a, b;` gives two of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable<'s> {
    /// Linkage directive in front.
    pub linkage: Linkage,
    /// State space.
    pub space: DeclSpace,
    /// `.align`.
    pub align: Option<u64>,
    /// 2, 4 or 8 with `.v2 .v4 .v8`, else 1.
    pub vector: u32,
    /// Type word without the dot.
    pub ty: Name<'s>,
    /// `.ptr` with its space word (empty for generic).
    pub pointer: Option<&'s str>,
    /// Alignment of what a `.ptr` points to.
    pub pointer_align: Option<u64>,
    /// The name; empty for an unnamed parameter.
    pub name: Name<'s>,
    /// `%r<10>`: number of registers of that prefix.
    pub count: Option<u64>,
    /// Array dimensions, outermost first; `None` for `[]`.
    pub dims: Vec<Option<u64>>,
    /// Initial value.
    pub init: Option<Init<'s>>,
    /// `.attribute(...)` words.
    pub attributes: Vec<Name<'s>>,
    /// The declaration.
    pub span: Span,
}

/// An initialiser.
#[derive(Clone, Debug, PartialEq)]
pub enum Init<'s> {
    /// A number.
    Value(Const),
    /// `{ .. }`.
    List(Vec<Init<'s>>, Span),
    /// A string of bytes.
    Text(Name<'s>),
    /// The address of a symbol.
    Address(Box<InitAddress<'s>>),
}

/// The address of a symbol in an initialiser.
#[derive(Clone, Debug, PartialEq)]
pub struct InitAddress<'s> {
    /// The symbol.
    pub symbol: Name<'s>,
    /// Added to it.
    pub addend: i64,
    /// `generic(symbol)`.
    pub generic: bool,
    /// `0xff00(symbol)`: the mask.
    pub mask: Option<u64>,
}

/// A folded constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Const {
    /// The value.
    pub value: ConstValue,
    /// Where the expression stands.
    pub span: Span,
}

/// Value of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConstValue {
    /// A signed 64-bit integer.
    Signed(i64),
    /// An unsigned 64-bit integer (`U` suffix, or too large for a signed one).
    Unsigned(u64),
    /// `0f` and eight hexadecimal digits: the bits of an f32.
    F32(u32),
    /// `0d` and sixteen hexadecimal digits, or a decimal: the bits of an f64.
    F64(u64),
}

/// Entry or device function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function<'s> {
    /// Linkage directive.
    pub linkage: Linkage,
    /// `.entry` when true, else `.func`.
    pub entry: bool,
    /// Name.
    pub name: Name<'s>,
    /// Return values of a device function.
    pub returns: Vec<Variable<'s>>,
    /// Parameters.
    pub params: Vec<Variable<'s>>,
    /// `.maxntid` and the like, `.noreturn`, `.pragma`.
    pub directives: Vec<FunctionDirective<'s>>,
    /// Statements; `None` for a declaration.
    pub body: Option<Vec<Statement<'s>>>,
    /// The header.
    pub span: Span,
    /// The closing brace, or the end of the header.
    pub end: Span,
}

/// A directive between a function's header and its body.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionDirective<'s> {
    /// Word without the dot.
    pub name: Name<'s>,
    /// Its numbers.
    pub values: Vec<u64>,
    /// Its string, for `.pragma`.
    pub text: Option<&'s str>,
}

/// A statement of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement<'s> {
    /// `name:`.
    Label(Name<'s>),
    /// An instruction.
    Inst(Inst<'s>),
    /// A declaration.
    Variable(Box<Variable<'s>>),
    /// `{ .. }`: a scope of its own.
    Scope(Vec<Statement<'s>>),
    /// `.loc file line column ..`.
    Loc(Loc),
    /// `.pragma "text";`.
    Pragma(Name<'s>),
    /// `name: .callprototype ..;`.
    Prototype(Box<Prototype<'s>>),
    /// `name: .branchtargets ..;`.
    BranchTargets(Box<NameList<'s>>),
    /// `name: .calltargets ..;`.
    CallTargets(Box<NameList<'s>>),
}

/// `.loc`. The `function_name` and `inlined_at` parts are read and dropped: the innermost line is the one kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loc {
    /// Number of the `.file`.
    pub file: u64,
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// `.callprototype`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prototype<'s> {
    /// Label.
    pub name: Name<'s>,
    /// Return values.
    pub returns: Vec<Variable<'s>>,
    /// Parameters.
    pub params: Vec<Variable<'s>>,
    /// `.noreturn`.
    pub noreturn: bool,
}

/// A labelled list of names.
#[derive(Clone, Debug, PartialEq)]
pub struct NameList<'s> {
    /// Label.
    pub name: Name<'s>,
    /// The names.
    pub names: Vec<Name<'s>>,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Inst<'s> {
    /// `@p` or `@!p`.
    pub guard: Option<Guard<'s>>,
    /// The whole opcode: `ld.global.v4.f32`.
    pub opcode: Name<'s>,
    /// Operands in order.
    pub operands: Vec<Operand<'s>>,
    /// From guard to the last operand.
    pub span: Span,
}

/// A guard predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard<'s> {
    /// The predicate.
    pub name: Name<'s>,
    /// `@!p`.
    pub negated: bool,
}

/// An operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'s> {
    /// `name`, `name.x`, `name.h10`.
    Name {
        /// The name.
        name: Name<'s>,
        /// After the dot.
        component: Option<Name<'s>>,
        /// `-name` (video instructions).
        minus: bool,
    },
    /// `!name`.
    Not(Name<'s>),
    /// `name + 4` and `name[4]`: the address of a symbol and an offset.
    Offset {
        /// The name.
        name: Name<'s>,
        /// Bytes.
        offset: i64,
    },
    /// A constant expression.
    Const(Const),
    /// `_`.
    Sink(Span),
    /// `d|p`.
    Pair(Box<[Operand<'s>; 2]>),
    /// `{ .. }`.
    Vector(Vec<Operand<'s>>, Span),
    /// `( .. )` in a call.
    List(Vec<Operand<'s>>, Span),
    /// `[ .. ]`.
    Address(Box<Address<'s>>),
}

/// A memory operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Address<'s> {
    /// Register or symbol; `None` for a plain number.
    pub base: Option<Name<'s>>,
    /// Bytes added (or the whole address).
    pub offset: i64,
    /// Further operands between the brackets (textures, bulk copies).
    pub extra: Vec<Operand<'s>>,
    /// The brackets and all between.
    pub span: Span,
}

impl Operand<'_> {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Name { name, component, .. } => component.map_or(name.span, |part| name.span.to(part.span)),
            Self::Not(name) | Self::Offset { name, .. } => name.span,
            Self::Const(value) => value.span,
            Self::Sink(span) | Self::Vector(_, span) | Self::List(_, span) => *span,
            Self::Pair(pair) => pair[0].span().to(pair[1].span()),
            Self::Address(address) => address.span,
        }
    }
}
