//! From text and shapes to lists of indices.
//!
//! Indices become numbers: named ones in the order in which they first occur, then the axes that ellipses stand for. An
//! axis of extent 1 where others have more does not depend on the index, so the operand loses it.

use super::contract::Tensor;
use super::path::MAX_LABELS;
use crate::Error;
use crate::linalg::Field;
use crate::nd::{self, ArrayRef};

/// Which index each axis of each operand has, and what they extend over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    inputs: Vec<Vec<usize>>,
    output: Vec<usize>,
    extents: Vec<usize>,
    shapes: Vec<Vec<usize>>,
}

/// One operand's or the output's subscripts.
#[derive(Clone, Debug, Default)]
struct Term {
    /// Names with their places in the text.
    names: Vec<(char, usize)>,
    /// How many names stand before the ellipsis.
    ellipsis: Option<usize>,
}

impl Expression {
    /// Reads `text` for operands of these shapes.
    ///
    /// # Errors
    /// [`Error::Expression`] for text that is not of the notation, [`Error::Shape`] when shapes do not fit it or each other,
    /// [`Error::TooLarge`] for more than 256 indices.
    pub fn parse(text: &str, shapes: &[&[usize]]) -> Result<Self, Error> {
        let fail = |what: String, at: usize| Error::Expression { what, at: at + 1, text: text.to_owned() };
        let (inputs, output) = terms(text, &fail)?;
        if inputs.len() != shapes.len() {
            let found = format!("{} for {} operands", inputs.len(), shapes.len());
            return Err(Error::shape("number of subscripts", found, "one per operand"));
        }
        let mut names: Vec<char> = Vec::new();
        for (name, _) in inputs.iter().flat_map(|term| &term.names) {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        // The axes of all ellipses are aligned at their ends.
        let mut n_dots = 0;
        for (idx, (term, shape)) in inputs.iter().zip(shapes).enumerate() {
            let fits =
                if term.ellipsis.is_some() { term.names.len() <= shape.len() } else { term.names.len() == shape.len() };
            if !fits {
                let expected = format!("{} for operand {idx} of shape {shape:?}", shape.len());
                return Err(Error::shape("number of subscripts", term.names.len(), expected));
            }
            if term.ellipsis.is_some() {
                n_dots = n_dots.max(shape.len() - term.names.len());
            }
        }
        if names.len() + n_dots > MAX_LABELS {
            return Err(Error::TooLarge { what: "list of indices", count: (names.len() + n_dots) as u128 });
        }
        let label = |name: char| names.iter().position(|known| *known == name);
        let dots = |count: usize| names.len() + n_dots - count..names.len() + n_dots;
        let mut extents = vec![1; names.len() + n_dots];
        let mut labelled = Vec::new();
        for (idx, (term, shape)) in inputs.iter().zip(shapes).enumerate() {
            let mut labels: Vec<usize> = term.names.iter().filter_map(|(name, _)| label(*name)).collect();
            if let Some(at) = term.ellipsis {
                labels.splice(at..at, dots(shape.len() - term.names.len()));
            }
            for (label, extent) in labels.iter().zip(*shape) {
                let known = &mut extents[*label];
                if *known != 1 && *extent != 1 && known != extent {
                    let name =
                        names.get(*label).map_or("an axis of the ellipsis".to_owned(), |name| format!("index {name}"));
                    let found = format!("{extent} for {name} in operand {idx} of shape {shape:?}");
                    return Err(Error::shape("extent", found, known));
                }
                if *known == 1 {
                    *known = *extent;
                }
            }
            labelled.push(labels);
        }
        let output = match output {
            Some(term) => {
                let mut labels = Vec::new();
                for (name, at) in &term.names {
                    let label =
                        label(*name).ok_or_else(|| fail(format!("output index {name} that no operand has"), *at))?;
                    if labels.contains(&label) {
                        return Err(fail(format!("output index {name} a second time"), *at));
                    }
                    labels.push(label);
                }
                match term.ellipsis {
                    Some(at) => _ = labels.splice(at..at, dots(n_dots)),
                    None if n_dots > 0 => {
                        return Err(fail(
                            "output without the ellipsis of the operands".to_owned(),
                            text.chars().count(),
                        ));
                    }
                    None => {}
                }
                labels
            }
            None => {
                let times = |name: char| inputs.iter().flat_map(|term| &term.names).filter(|(n, _)| *n == name).count();
                let mut once: Vec<char> = names.iter().copied().filter(|name| times(*name) == 1).collect();
                once.sort_unstable();
                dots(n_dots).chain(once.into_iter().filter_map(label)).collect()
            }
        };
        let shapes = shapes.iter().map(|shape| shape.to_vec()).collect();
        Ok(Self { inputs: labelled, output, extents, shapes })
    }

    /// The output's extents.
    pub fn output_shape(&self) -> Vec<usize> {
        self.output.iter().map(|label| self.extents[*label]).collect()
    }

    /// The extent of each index.
    pub fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// The output's indices.
    pub fn output(&self) -> &[usize] {
        &self.output
    }

    /// How many operands it has.
    pub const fn n_operands(&self) -> usize {
        self.inputs.len()
    }

    /// The indices that operand `idx` depends on, each once.
    pub(super) fn labels(&self, idx: usize) -> Vec<usize> {
        let mut labels = Vec::new();
        for (label, extent) in self.inputs[idx].iter().zip(&self.shapes[idx]) {
            if *extent == self.extents[*label] && !labels.contains(label) {
                labels.push(*label);
            }
        }
        labels
    }

    /// The index of each axis of operand `idx`.
    #[cfg(test)]
    pub(super) fn axes(&self, idx: usize) -> &[usize] {
        &self.inputs[idx]
    }

    pub(super) fn check<T>(&self, operands: &[ArrayRef<'_, T>]) -> Result<(), Error> {
        if operands.len() != self.inputs.len() {
            return Err(Error::shape("number of operands", operands.len(), self.inputs.len()));
        }
        for (operand, shape) in operands.iter().zip(&self.shapes) {
            if operand.shape() != shape {
                return Err(Error::shape(
                    "shape of an operand",
                    format!("{:?}", operand.shape()),
                    format!("{shape:?}"),
                ));
            }
        }
        nd::elements(&self.output_shape())?;
        Ok(())
    }

    /// The operand with each index once.
    pub(super) fn tensor<'a, T: Field>(&self, idx: usize, operand: &ArrayRef<'a, T>) -> Tensor<'a, T> {
        let labels = self.labels(idx);
        let mut strides = vec![0; labels.len()];
        for ((label, extent), stride) in self.inputs[idx].iter().zip(operand.shape()).zip(operand.strides()) {
            // A repeated index steps along all of its axes at once: the diagonal.
            if let Some(at) = labels.iter().position(|known| known == label).filter(|_| *extent > 1) {
                strides[at] += stride;
            }
        }
        Tensor::borrowed(labels, strides, operand.data(), operand.offset())
    }
}

type Fail<'a> = &'a dyn Fn(String, usize) -> Error;

/// The operands' terms and the output's, where there is an arrow.
fn terms(text: &str, fail: Fail<'_>) -> Result<(Vec<Term>, Option<Term>), Error> {
    let chars: Vec<char> = text.chars().collect();
    let mut inputs = vec![Term::default()];
    let mut output: Option<Term> = None;
    let mut at = 0;
    while at < chars.len() {
        let before_arrow = output.is_none();
        let term = output.as_mut().unwrap_or_else(|| inputs.last_mut().expect("there is one from the start"));
        match chars[at] {
            ' ' => {}
            ',' if before_arrow => inputs.push(Term::default()),
            '-' if chars.get(at + 1) == Some(&'>') && before_arrow => {
                output = Some(Term::default());
                at += 1;
            }
            '.' if chars[at..].starts_with(&['.', '.', '.']) => {
                if term.ellipsis.replace(term.names.len()).is_some() {
                    return Err(fail("a second ellipsis".to_owned(), at));
                }
                at += 2;
            }
            name if name.is_alphabetic() => term.names.push((name, at)),
            other => {
                return Err(fail(format!("`{other}`, which is neither a letter, comma, `->` nor `...` there"), at));
            }
        }
        at += 1;
    }
    Ok((inputs, output))
}
