//! The daemon as a program: started for real, spoken to over HTTP, killed, started again.

mod harness;
mod hostile;
mod isolation;
mod lifecycle;
