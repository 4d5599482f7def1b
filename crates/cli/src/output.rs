//! Standard output that ends the program quietly when nobody reads any more (`vgpu check big.ptx | head`).

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

/// Writes to standard output. A closed pipe ends the process as it ends other filters: status 141, as for SIGPIPE.
pub(crate) fn write(text: Arguments<'_>) {
    if let Err(error) = stdout().write_fmt(text) {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("vgpu: cannot write to standard output: {error}");
        }
        std::process::exit(if error.kind() == ErrorKind::BrokenPipe { 141 } else { 1 });
    }
}

/// `println!` through [`write`].
macro_rules! out {
    ($($arg:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($($arg)*)))
    };
}
pub(crate) use out;
