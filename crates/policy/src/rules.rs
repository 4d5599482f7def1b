//! Rules: conditions in CEL over the signals' last values, each with the change that it proposes.
//!
//! A rule set is compiled as a whole: every condition is parsed, and tried on the facts that there are, before it replaces
//! the old one ([`Rules::reload`]). A rule set that does not compile changes nothing. [`Rules::dry_run`] tells what a set
//! would propose on given facts beside what the current one does, without taking it into use. Rules only propose: what they
//! propose goes through capability, contract and gate like everything else.
//!
//! Facts are named numbers, such as `temperature_c` or `queue_delay_ms`. A condition that names a fact that is not there, or
//! that is not a truth value, proposes nothing and is reported.

use cel::{Context, Program, Value};
use std::collections::BTreeMap;
use thiserror::Error;
use vgpu_types::Change;

/// What is known: named numbers.
pub type Facts = BTreeMap<String, f64>;

/// A rule as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// Its name, for people.
    pub name: String,
    /// When: a CEL expression over the facts.
    pub when: String,
    /// What it proposes.
    pub propose: Change,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("rule \"{rule}\": {what}")]
pub struct RuleError {
    /// Which rule.
    pub rule: String,
    /// What is wrong.
    pub what: String,
}

/// What a rule set says about some facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The rules whose conditions hold, with what they propose, in the order of the set.
    pub proposals: Vec<(String, Change)>,
    /// The rules that could not be decided.
    pub errors: Vec<RuleError>,
}

/// A rule set before and after, on the same facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// What the current rules propose.
    pub now: Verdict,
    /// What the new ones would propose.
    pub then: Verdict,
}

struct Rule {
    name: String,
    program: Program,
    propose: Change,
}

/// A compiled rule set.
pub struct Rules {
    rules: Vec<Rule>,
    /// Number of the set; each reload counts one up.
    version: u64,
}

impl Rules {
    /// No rules.
    pub const fn none() -> Self {
        Self { rules: Vec::new(), version: 0 }
    }

    /// How often rules were taken into use.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Replaces the rules, when all of them compile and can be decided on these facts.
    ///
    /// # Errors
    /// Everything that is wrong; the old rules stay in use.
    pub fn reload(&mut self, texts: &[RuleText], facts: &Facts) -> Result<(), Vec<RuleError>> {
        let rules = compile(texts)?;
        let verdict = evaluate(&rules, facts);
        if !verdict.errors.is_empty() {
            return Err(verdict.errors);
        }
        self.rules = rules;
        self.version += 1;
        Ok(())
    }

    /// What these rules would propose on these facts, beside what the current ones do. Nothing is taken into use.
    ///
    /// # Errors
    /// Every rule that does not compile.
    pub fn dry_run(&self, texts: &[RuleText], facts: &Facts) -> Result<DryRun, Vec<RuleError>> {
        let then = evaluate(&compile(texts)?, facts);
        Ok(DryRun { now: self.evaluate(facts), then })
    }

    /// What the rules say about these facts.
    pub fn evaluate(&self, facts: &Facts) -> Verdict {
        evaluate(&self.rules, facts)
    }
}

fn compile(texts: &[RuleText]) -> Result<Vec<Rule>, Vec<RuleError>> {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for text in texts {
        match Program::compile(&text.when) {
            Ok(program) => rules.push(Rule { name: text.name.clone(), program, propose: text.propose }),
            Err(error) => errors.push(RuleError { rule: text.name.clone(), what: error.to_string() }),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

fn evaluate(rules: &[Rule], facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    let mut context = Context::default();
    for (name, value) in facts {
        context.add_variable_from_value(name.as_str(), *value);
    }
    for rule in rules {
        let error = |what: String| RuleError { rule: rule.name.clone(), what };
        match rule.program.execute(&context) {
            Ok(Value::Bool(true)) => verdict.proposals.push((rule.name.clone(), rule.propose)),
            Ok(Value::Bool(false)) => {}
            Ok(other) => verdict.errors.push(error(format!("{other:?} is not a truth value"))),
            Err(found) => verdict.errors.push(error(found.to_string())),
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(temperature: f64) -> Facts {
        Facts::from([("temperature_c".to_owned(), temperature), ("queue_delay_ms".to_owned(), 3.0)])
    }

    fn rule(name: &str, when: &str, permille: u32) -> RuleText {
        RuleText { name: name.to_owned(), when: when.to_owned(), propose: Change::Pace { permille } }
    }

    fn names(verdict: &Verdict) -> Vec<&str> {
        verdict.proposals.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn rules_propose() {
        let mut rules = Rules::none();
        let texts = [
            rule("hot", "temperature_c > 80.0", 500),
            rule("idle", "temperature_c < 60.0 && queue_delay_ms < 1.0", 1000),
            rule("busy", "queue_delay_ms >= 3.0", 900),
        ];
        rules.reload(&texts, &facts(20.0)).expect("compiles");
        assert_eq!(names(&rules.evaluate(&facts(85.0))), ["hot", "busy"]);
        assert_eq!(names(&rules.evaluate(&facts(20.0))), ["busy"]);
        assert_eq!(rules.version(), 1);
    }

    #[test]
    fn a_broken_set_changes_nothing() {
        let mut rules = Rules::none();
        rules.reload(&[rule("hot", "temperature_c > 80.0", 500)], &facts(20.0)).expect("compiles");
        let broken = [rule("a", "temperature_c >", 1), rule("b", "true", 2), rule("c", "((", 3)];
        let errors = rules.reload(&broken, &facts(20.0)).expect_err("broken");
        assert_eq!(errors.iter().map(|error| error.rule.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        // These compile, and cannot be decided.
        for when in ["humidity > 1.0", "temperature_c + 1.0", "queue_delay_ms"] {
            let errors = rules.reload(&[rule("d", when, 1)], &facts(20.0)).expect_err(when);
            assert_eq!(errors.len(), 1, "{when}");
        }
        assert_eq!((rules.version(), names(&rules.evaluate(&facts(85.0)))), (1, vec!["hot"]));
    }

    #[test]
    fn a_dry_run_takes_nothing_into_use() {
        let mut rules = Rules::none();
        rules.reload(&[rule("hot", "temperature_c > 80.0", 500)], &facts(20.0)).expect("compiles");
        let dry = rules.dry_run(&[rule("warm", "temperature_c > 70.0", 700)], &facts(75.0)).expect("compiles");
        assert_eq!((names(&dry.now), names(&dry.then)), (vec![], vec!["warm"]));
        assert_eq!(rules.version(), 1);
        let dry = rules.dry_run(&[rule("odd", "humidity > 1.0", 700)], &facts(75.0)).expect("compiles");
        assert_eq!(dry.then.errors.len(), 1);
    }
}
