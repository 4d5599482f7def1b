//! Makes the table of all driver symbols from `functions.txt`.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=functions.txt");
    let list = std::fs::read_to_string("functions.txt").expect("functions.txt stands beside build.rs");
    let mut table = String::from("pub(crate) static SYMBOLS: &[Symbol] = &[\n");
    for (idx, line) in list.lines().enumerate() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().expect("a line is SYMBOL SINCE PARAMETERS");
        let (name, since, params) = (word(), word(), word());
        writeln!(
            table,
            "    Symbol {{ name: \"{name}\", since: {since}, parameters: \"{params}\", refusal: refuse::<{idx}> }},"
        )
        .expect("writing to a string succeeds");
    }
    table.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("symbols.rs"), table).expect("OUT_DIR is writable");
}
