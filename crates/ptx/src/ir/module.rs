//! Modules: variables, functions, symbols and what linking needs to know of them.

use super::{Function, Param, Space};
use vgpu_types::{IndexVec, Span, typed_index};

typed_index!(
    /// A function of one module.
    FuncId, "fn"
);
typed_index!(
    /// A module variable.
    VarId, "var"
);
typed_index!(
    /// A `.callprototype`.
    ProtoId, "proto"
);

/// Visibility of a symbol between modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// Seen only in its module (no directive).
    Internal,
    /// `.visible`.
    Visible,
    /// `.extern`: defined elsewhere; on a shared array without size, dynamic shared memory.
    Extern,
    /// `.weak`.
    Weak,
    /// `.common`.
    Common,
}

/// A thing with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolRef {
    /// A variable.
    Var(VarId),
    /// A function. Its address is an opaque non-zero handle: the function's index in the linked module plus one.
    Func(FuncId),
}

/// A piece of an initialiser. Bytes not covered are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitPart {
    /// Literal bytes at an offset.
    Bytes {
        /// Byte offset in the variable.
        offset: u32,
        /// Little-endian bytes.
        bytes: Vec<u8>,
    },
    /// The address of a symbol plus an offset, as 8 (or `size`) bytes.
    Address {
        /// Byte offset in the variable.
        offset: u32,
        /// 4 or 8, or 1 for a `mask()`ed byte.
        size: u32,
        /// Which symbol.
        symbol: SymbolRef,
        /// Added to the address.
        addend: i64,
        /// `generic(sym)`: the generic address. Makes no difference for `.global` and `.const`.
        generic: bool,
        /// `mask(sym)`: shift right by this many bits before storing; 0 otherwise.
        shift: u32,
    },
}

/// A module-level variable, or a `.shared`/`.const`/`.global` variable declared inside a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name in the text.
    pub name: String,
    /// `Global`, `Const` or `Shared`.
    pub space: Space,
    /// Size in bytes; 0 for `extern .shared name[]` (dynamic shared memory).
    pub size: u64,
    /// Alignment in bytes, a power of two.
    pub align: u32,
    /// Visibility.
    pub linkage: Linkage,
    /// Initial contents; empty means zero.
    pub init: Vec<InitPart>,
    /// Declared inside a function: the name is not a symbol of the module.
    pub function_scoped: bool,
    /// Declared `.managed`.
    pub managed: bool,
    /// Where it stands in the text.
    pub span: Span,
}

/// Signature for an indirect call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    /// Parameters.
    pub params: Vec<Param>,
    /// Return values.
    pub returns: Vec<Param>,
}

/// An entry of the `.file` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugFile {
    /// Number in the text.
    pub number: u32,
    /// Path in the text.
    pub path: String,
}

/// One PTX module, or several linked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Module {
    /// `.version` major and minor.
    pub version: (u32, u32),
    /// `.target`, such as `sm_80`, with its further words.
    pub target: Vec<String>,
    /// Functions: kernels, device functions and declarations.
    pub functions: IndexVec<FuncId, Function>,
    /// Variables.
    pub variables: IndexVec<VarId, Variable>,
    /// Call prototypes of all functions.
    pub prototypes: IndexVec<ProtoId, Prototype>,
    /// Debug file table.
    pub files: Vec<DebugFile>,
}

impl Module {
    /// The function of that name, when there is one.
    pub fn function(&self, name: &str) -> Option<FuncId> {
        self.functions.iter_enumerated().find(|(_, function)| function.name == name).map(|(id, _)| id)
    }

    /// The module-level variable of that name, when there is one.
    pub fn variable(&self, name: &str) -> Option<VarId> {
        let mut found = self.variables.iter_enumerated();
        found.find(|(_, variable)| variable.name == name && !variable.function_scoped).map(|(id, _)| id)
    }
}
