//! Tests of the interpreter on hand-built IR: scheduling, barriers, memory, calls. Arithmetic has its own tables.

mod exact;
mod float;
mod integer;
mod machine;
mod matrix;
mod program;
mod synchronisation;
