//! What can be wrong with a call of this crate. Nothing is computed, and no output touched, when an error is returned.

/// An error of a numeric routine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Caller: extents that do not fit together.
    #[error("{what}: found {found}, expected {expected}")]
    Shape {
        /// The thing, for example `columns of a`.
        what: &'static str,
        /// What the caller passed.
        found: String,
        /// What would fit.
        expected: String,
    },
    /// Caller: a view reaches outside its slice.
    #[error("{what} reaches element {reach} of a slice of {len}")]
    OutOfBounds {
        /// The view.
        what: &'static str,
        /// The element that is not there; negative when strides lead before the start.
        reach: i128,
        /// Elements of the slice.
        len: usize,
    },
    /// Caller: an output in which two indices are one element.
    #[error(
        "output {what} with extents {extents:?} and strides {strides:?} may hold one element twice; outputs need distinct elements"
    )]
    Overlap {
        /// The view.
        what: &'static str,
        /// Its extents.
        extents: Vec<usize>,
        /// Its strides.
        strides: Vec<isize>,
    },
    /// Caller: text that is not of a notation.
    #[error("{what} at character {at} of `{text}`")]
    Expression {
        /// What was found.
        what: String,
        /// Where, counted from 1.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// Limit: extents whose product does not fit the address space.
    #[error("{what} needs {count} elements, more than can be addressed")]
    TooLarge {
        /// What would be that large.
        what: &'static str,
        /// How large.
        count: u128,
    },
    /// Limit: no memory for scratch.
    #[error("no memory for {bytes} bytes of scratch")]
    OutOfMemory {
        /// What was asked for.
        bytes: usize,
    },
    /// Unsupported: a combination that no routine implements.
    #[error("{what} is not supported for {kind}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// The type or option it was asked of.
        kind: &'static str,
    },
    /// Input: a matrix without the property the routine needs.
    #[error("{what} at index {index}")]
    Singular {
        /// Which property is missing, for example `zero on the diagonal`.
        what: &'static str,
        /// Where it shows.
        index: usize,
    },
}

impl Error {
    /// A [`Error::Shape`] from anything that can be shown.
    pub(crate) fn shape(what: &'static str, found: impl ToString, expected: impl ToString) -> Self {
        Self::Shape { what, found: found.to_string(), expected: expected.to_string() }
    }
}
