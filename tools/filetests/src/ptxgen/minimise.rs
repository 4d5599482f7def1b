//! Makes a failing program small: takes away statements, unwraps branches and loops, shrinks the launch, as long as it fails.

use super::program::{Program, Statement};
use super::render::leaves_early;

/// The smallest program found that still `fails`.
pub fn minimise(program: &Program, fails: &mut dyn FnMut(&Program) -> bool) -> Program {
    let mut best = program.clone();
    loop {
        let before = size(&best);
        for candidate in launches(&best) {
            if fails(&candidate) {
                best = candidate;
                break;
            }
        }
        // From the end: later statements depend on earlier ones.
        let mut idx = count(&best.body);
        while idx > 0 {
            idx -= 1;
            for edit in [Edit::Remove, Edit::First, Edit::Second] {
                let mut candidate = best.clone();
                let mut left = idx;
                apply(&mut candidate.body, &mut left, edit);
                if size(&candidate) < size(&best) && fails(&candidate) {
                    best = candidate;
                    break;
                }
            }
            idx = idx.min(count(&best.body));
        }
        for function in 0..best.functions.len() {
            let mut at = best.functions[function].len();
            while at > 0 {
                at -= 1;
                let mut candidate = best.clone();
                candidate.functions[function].remove(at);
                if fails(&candidate) {
                    best = candidate;
                }
            }
        }
        if size(&best) == before {
            return best;
        }
    }
}

#[derive(Clone, Copy)]
enum Edit {
    /// Takes the statement away.
    Remove,
    /// Puts its first body in its place.
    First,
    /// Puts its second body in its place.
    Second,
}

fn size(program: &Program) -> u64 {
    let functions: usize = program.functions.iter().map(|body| count(body)).sum();
    let launch = u64::from(program.grid) * program.block.iter().map(|&extent| u64::from(extent)).product::<u64>();
    (count(&program.body) + functions) as u64 * 10_000 + launch
}

fn launches(program: &Program) -> Vec<Program> {
    let shapes = [(1, [1, 1, 1]), (1, [2, 1, 1]), (1, [32, 1, 1]), (1, program.block), (program.grid, [32, 1, 1])];
    let smaller = shapes.into_iter().map(|(grid, block)| Program { grid, block, ..program.clone() });
    smaller.filter(|candidate| size(candidate) < size(program)).collect()
}

/// Statements, nested ones included.
fn count(body: &[Statement]) -> usize {
    body.iter().map(|statement| 1 + bodies(statement).into_iter().map(|body| count(body)).sum::<usize>()).sum()
}

fn bodies(statement: &Statement) -> Vec<&Vec<Statement>> {
    match statement {
        Statement::If { then, otherwise, .. } => vec![then, otherwise],
        Statement::Loop { body, .. } => vec![body],
        Statement::Switch { arms, .. } => arms.iter().map(|(body, _)| body).collect(),
        _ => Vec::new(),
    }
}

/// Applies `edit` to the statement with number `left` in depth-first order; true when it was found.
fn apply(body: &mut Vec<Statement>, left: &mut usize, edit: Edit) -> bool {
    for at in 0..body.len() {
        if *left == 0 {
            let inner = match edit {
                Edit::Remove => Some(Vec::new()),
                // Only branches: the body of a loop or an arm may rely on who arrives there.
                Edit::First | Edit::Second => match &body[at] {
                    Statement::If { then, otherwise, .. } => {
                        Some(if matches!(edit, Edit::First) { then.clone() } else { otherwise.clone() })
                    }
                    // Without its loop a break would leave the outer one.
                    Statement::Loop { body, .. } if !leaves_early(body) => Some(body.clone()),
                    _ => None,
                },
            };
            if let Some(inner) = inner {
                body.splice(at..=at, inner);
            }
            return true;
        }
        *left -= 1;
        let found = match &mut body[at] {
            Statement::If { then, otherwise, .. } => apply(then, left, edit) || apply(otherwise, left, edit),
            Statement::Loop { body, .. } => apply(body, left, edit),
            Statement::Switch { arms, .. } => arms.iter_mut().any(|(body, _)| apply(body, left, edit)),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}
