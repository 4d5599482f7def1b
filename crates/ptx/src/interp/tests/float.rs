//! Tables for floating-point arithmetic.
