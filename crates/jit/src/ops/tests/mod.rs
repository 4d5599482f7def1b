//! Every elementwise operation, type and modifier against the interpreter's arithmetic: bits for exact operations, the
//! manual's bounds for approximate ones; as vectors and as scalars, at every vector level of this machine.

mod approximate;
mod convert;
mod float;
mod harness;
mod integer;
mod model;
