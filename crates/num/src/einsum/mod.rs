//! Tensor contraction in Einstein's notation: `"bij,bjk->bik"`, with ellipsis, repeated and broadcast indices.
//!
//! [`Expression::parse`] turns text and shapes into lists of indices, [`Plan::new`] looks for a cheap order of pairwise
//! contractions, and [`Plan::execute`] runs it: each step is a batched matrix product on the operands where they lie, with
//! a copy only of an operand whose axes cannot be seen as one of rows, columns and batches. A plan can be kept and used
//! again for operands of the same shapes.
//!
//! The notation is NumPy's: axes of extent 1 stand for any extent; an index that occurs twice in an operand takes the
//! diagonal; without `->` the output has the indices that occur once, in alphabetical order, after the ellipsis. An index
//! may not occur twice in the output.
//!
//! Each output element is a sum of products in the order of the steps; with K terms in all, the error is at most about
//! `(K + number of operands) * eps` times the sum of the products' absolute values. Results do not depend on the number
//! of threads.

mod contract;
mod expression;
mod path;
#[cfg(test)]
mod tests;

pub use expression::Expression;
pub use path::Search;

use crate::linalg::Field;
use crate::nd::{self, ArrayRef};
use crate::{Error, Pool, Scratch};
use contract::Tensor;

/// An order of pairwise contractions.
#[derive(Clone, Debug)]
pub struct Plan {
    expression: Expression,
    steps: Vec<(usize, usize)>,
    cost: f64,
    largest: f64,
}

impl Plan {
    /// The cheapest order found.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when every order that was found has an intermediate result above the memory limit.
    pub fn new(expression: Expression, search: &Search) -> Result<Self, Error> {
        let found = path::find(&expression, search)?;
        Ok(Self { expression, steps: found.steps, cost: found.cost, largest: found.largest })
    }

    /// What is computed.
    pub const fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Pairs of positions: both operands are taken out of the list, the result goes to its end.
    pub fn steps(&self) -> &[(usize, usize)] {
        &self.steps
    }

    /// Multiplications of all steps.
    pub const fn cost(&self) -> f64 {
        self.cost
    }

    /// Elements of the largest result of a step.
    pub const fn largest(&self) -> f64 {
        self.largest
    }

    /// Computes the expression; `out` has the output's elements side by side, last index fastest.
    ///
    /// # Errors
    /// [`Error::Shape`] when operands do not have the shapes that the expression was made for or `out` has another length,
    /// [`Error::OutOfMemory`] when there is no memory for an intermediate result.
    pub fn execute<T: Field>(
        &self,
        operands: &[ArrayRef<'_, T>],
        out: &mut [T],
        pool: &dyn Pool,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        self.expression.check(operands)?;
        let expected = nd::elements(&self.expression.output_shape())?;
        if out.len() != expected {
            return Err(Error::shape("length of the output", out.len(), expected));
        }
        if expected == 0 {
            return Ok(());
        }
        if self.expression.extents().contains(&0) {
            out.fill(T::ZERO);
            return Ok(());
        }
        let extents = self.expression.extents();
        let output = self.expression.output();
        let mut list: Vec<Tensor<'_, T>> =
            operands.iter().enumerate().map(|(i, operand)| self.expression.tensor(i, operand)).collect();
        for (idx, &(first, second)) in self.steps.iter().enumerate() {
            let (low, high) = (first.min(second), first.max(second));
            let right = list.remove(high);
            let left = list.remove(low);
            if idx + 1 == self.steps.len() {
                return contract::pair(&left, &right, extents, output, output, out, pool, scratch);
            }
            let kept = |label: &usize| output.contains(label) || list.iter().any(|tensor| tensor.has(*label));
            let labels = contract::result_labels(&left, &right, kept);
            let shape: Vec<usize> = labels.iter().map(|label| extents[*label]).collect();
            let mut data = nd::zeros(nd::elements(&shape)?)?;
            contract::pair(&left, &right, extents, &labels, &labels, &mut data, pool, scratch)?;
            list.push(Tensor::owned(labels, &shape, data));
        }
        contract::single(&list[0], extents, output, out, pool);
        Ok(())
    }
}

/// Parses, plans and computes in one call; the shape of the output and its elements.
///
/// # Errors
/// As [`Expression::parse`], [`Plan::new`] and [`Plan::execute`].
///
/// ```
/// use vgpu_num::{ArrayRef, Scratch, Serial, einsum};
/// let (a, b) = ([1.0_f64, 2.0, 3.0, 4.0], [10.0, 20.0]);
/// let operands = [ArrayRef::contiguous(&a, &[2, 2])?, ArrayRef::contiguous(&b, &[2])?];
/// let (shape, product) = einsum::einsum("ij,j", &operands, &Serial, &mut Scratch::new())?;
/// assert_eq!((&shape[..], &product[..]), (&[2][..], &[50.0, 110.0][..]));
/// # Ok::<(), vgpu_num::Error>(())
/// ```
pub fn einsum<T: Field>(
    text: &str,
    operands: &[ArrayRef<'_, T>],
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(Vec<usize>, Vec<T>), Error> {
    let shapes: Vec<&[usize]> = operands.iter().map(ArrayRef::shape).collect();
    let plan = Plan::new(Expression::parse(text, &shapes)?, &Search::default())?;
    let shape = plan.expression.output_shape();
    let mut out = nd::zeros(nd::elements(&shape)?)?;
    plan.execute(operands, &mut out, pool, scratch)?;
    Ok((shape, out))
}
