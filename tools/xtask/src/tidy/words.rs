//! Words that must not be checked in: unfinished work, tests that do not run, and names of somebody's machine.

use super::SourceFile;

/// Unfinished work and switched-off tests. Spelt in two parts so that this file passes its own check.
const IN_CODE: &[(&str, &str, &str)] = &[
    ("TO", "DO", "unfinished work is an `Unsupported` error with a test, or a text in docs/"),
    ("FIX", "ME", "unfinished work is an `Unsupported` error with a test, or a text in docs/"),
    ("XX", "X", "unfinished work is an `Unsupported` error with a test, or a text in docs/"),
    ("unimplemen", "ted!", "unfinished work is an `Unsupported` error with a test"),
    ("#[ign", "ore", "a test that does not run proves nothing"),
    ("#[should_", "panic", "test the error value instead"),
];

/// Starts of paths that exist on one machine only.
const MACHINE_PATHS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/")];

/// Extensions that hold code or prose of ours. Data files, such as PTX, have names of their own.
const CHECKED: &[&str] = &["rs", "md", "toml", "py", "c", "h", "cu", "cl", "sh", "yml", "yaml", "json", "ptx"];

/// Complaints about one file.
pub fn check(file: &SourceFile) -> Vec<String> {
    let extension = file.path.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !CHECKED.contains(&extension) && !file.path.starts_with(".ci/") {
        return Vec::new();
    }
    let is_code = ["rs", "py", "c", "h", "cu", "cl"].contains(&extension);
    let mut complaints = Vec::new();
    for (idx, line) in file.text.lines().enumerate() {
        let mut complain = |what: String| complaints.push(format!("{}:{}: {what}", file.path, idx + 1));
        if is_code {
            for (start, end, why) in IN_CODE {
                let word = format!("{start}{end}");
                if has_word(line, &word) {
                    complain(format!("`{word}`: {why}"));
                }
            }
        }
        for (start, end) in MACHINE_PATHS {
            let path = format!("{start}{end}");
            if line.match_indices(&path).any(|(at, _)| starts_a_path(line, at)) {
                complain(format!("`{path}`: a path of somebody's machine"));
            }
        }
    }
    complaints
}

/// `word` with no letter, digit or underscore on either side.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = !word.ends_with(|c: char| c.is_alphanumeric()) || !after.is_some_and(part);
        open && !before.is_some_and(part)
    })
}

/// Not the middle of a longer path or address.
fn starts_a_path(line: &str, at: usize) -> bool {
    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-*/~<>{}".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&SourceFile { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn unfinished_work() {
        let word = ["TO", "DO"].concat();
        assert_eq!(complaints("a.rs", &format!("// {word}: later\n")), 1);
        assert_eq!(complaints("a.rs", &format!("let {word}_LIST = 1;\n")), 0);
        assert_eq!(complaints("a.md", &format!("no {word} is left\n")), 0);
        assert_eq!(complaints("a.rs", &["#[ign", "ore]\n"].concat()), 1);
    }

    #[test]
    fn machine_paths() {
        let path = ["/ho", "me/"].concat();
        assert_eq!(complaints("a.md", &format!("see {path}me/x\n")), 1);
        assert_eq!(complaints("a.md", &format!("see example.org{path}page\n")), 0);
        assert_eq!(complaints("a.png", &format!("{path}me\n")), 0);
    }
}
