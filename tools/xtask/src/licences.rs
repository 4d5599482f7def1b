//! Every dependency's licence is one of those that `deny.toml` allows.
//!
//! `cargo deny` reads the same file and is used instead when it is installed; this check exists so that `ci` needs
//! nothing that is slow to build. It reads only the `allow` list.

use crate::metadata::Metadata;
use crate::shell;
use anyhow::{Context, Result, bail};

/// The check.
///
/// # Errors
/// A package has no licence expression, or one that the list does not satisfy; all of them are listed.
pub fn check() -> Result<()> {
    if shell::succeeds(shell::cargo().args(["deny", "--version"])) {
        return shell::run(shell::cargo().args(["deny", "--offline", "check", "licenses"]));
    }
    let text = std::fs::read_to_string(shell::root().join("deny.toml")).context("cannot read deny.toml")?;
    let allowed = allow_list(&text)?;
    let metadata = Metadata::load()?;
    let mut refused = Vec::new();
    for package in metadata.packages.iter().filter(|package| !package.member) {
        let satisfied = match &package.license {
            Some(expression) => satisfies(expression, &allowed)
                .with_context(|| format!("licence of {} {}", package.name, package.version))?,
            None => false,
        };
        if !satisfied {
            let licence = package.license.as_deref().unwrap_or("none");
            refused.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    if !refused.is_empty() {
        bail!("licences that deny.toml does not allow:\n  {}", refused.join("\n  "));
    }
    Ok(())
}

/// The strings of `allow = [ .. ]`.
fn allow_list(deny_toml: &str) -> Result<Vec<String>> {
    let (_, rest) = deny_toml.split_once("\nallow = [").context("deny.toml has no `allow = [` line")?;
    let (list, _) = rest.split_once(']').context("the allow list of deny.toml has no end")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Whether an SPDX expression can be satisfied from `allowed`. `/` is the old way to write `OR`.
fn satisfies(expression: &str, allowed: &[String]) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let answer = any_of(&mut words, allowed)?;
    match words.next() {
        None => Ok(answer),
        Some(word) => bail!("cannot read licence expression \"{expression}\" at \"{word}\""),
    }
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

fn any_of(words: &mut Words<'_>, allowed: &[String]) -> Result<bool> {
    let mut answer = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        answer |= all_of(words, allowed)?;
    }
    Ok(answer)
}

fn all_of(words: &mut Words<'_>, allowed: &[String]) -> Result<bool> {
    let mut answer = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        answer &= one(words, allowed)?;
    }
    Ok(answer)
}

fn one(words: &mut Words<'_>, allowed: &[String]) -> Result<bool> {
    let word = words.next().context("licence expression ends too early")?;
    if word == "(" {
        let answer = any_of(words, allowed)?;
        if words.next() != Some(")") {
            bail!("licence expression lacks a closing parenthesis");
        }
        return Ok(answer);
    }
    let name = match words.next_if_eq(&"WITH") {
        Some(_) => format!("{word} WITH {}", words.next().context("licence expression ends after WITH")?),
        None => word.to_owned(),
    };
    Ok(allowed.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: bool) {
        let allowed =
            allow_list("[licenses]\nallow = [\n  \"MIT\",\n  \"Apache-2.0 WITH LLVM-exception\", \"ISC\"\n]\n");
        let allowed = allowed.expect("well-formed");
        assert_eq!(satisfies(expression, &allowed).expect("well-formed"), expected, "{expression}");
    }

    #[test]
    fn expressions() {
        check("MIT", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR MIT", true);
        check("GPL-3.0/MIT", true);
        check("MIT AND Unicode-3.0", false);
        check("(GPL-2.0 OR MIT) AND ISC", true);
        check("(GPL-2.0 OR MIT) AND (BSL-1.0)", false);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("Apache-2.0", false);
    }

    #[test]
    fn broken_expressions_are_errors() {
        for text in ["", "MIT OR", "(MIT", "MIT ISC", "Apache-2.0 WITH"] {
            assert!(satisfies(text, &["MIT".to_owned(), "ISC".to_owned()]).is_err(), "{text}");
        }
    }
}
