//! Tables for integer arithmetic.
