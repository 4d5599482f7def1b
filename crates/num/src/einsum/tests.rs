//! Contractions against the definition: one loop over all indices.
//!
//! Tolerance: a sum of K products of P factors, in whatever order, is within `(K + P) * eps` of the sum of the products'
//! absolute values; K is the product of the extents of all indices.

use super::*;
use crate::{Serial, Threads};
use num_complex::Complex64;
use proptest::prelude::*;

/// Values that depend on the place alone.
fn value(operand: usize, at: usize) -> f64 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17 + operand as u32);
    (mixed.wrapping_mul(0xd134_2543_de82_ef95) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// The definition, in f64: values and the sums of absolute values.
fn oracle(expression: &Expression, operands: &[ArrayRef<'_, f64>]) -> Vec<(f64, f64)> {
    let extents = expression.extents();
    let total: usize = extents.iter().product();
    let shape = expression.output_shape();
    let mut out = vec![(0.0, 0.0); shape.iter().product()];
    let tensors: Vec<_> = (0..operands.len()).map(|i| expression.axes(i)).collect();
    for position in 0..total {
        let mut rest = position;
        let idx: Vec<usize> = extents.iter().map(|e| (rest % e, rest /= e).0).collect();
        let mut product = 1.0;
        for (labels, operand) in tensors.iter().zip(operands) {
            let mut at = operand.offset() as isize;
            for ((label, extent), stride) in labels.iter().zip(operand.shape()).zip(operand.strides()) {
                at += if *extent == 1 { 0 } else { idx[*label] as isize * stride };
            }
            product *= operand.data()[at as usize];
        }
        let place = expression.output().iter().fold(0, |at, label| at * extents[*label] + idx[*label]);
        out[place].0 += product;
        out[place].1 += product.abs();
    }
    out
}

/// Runs one expression in f32 and f64, with one thread and two, by both searches.
fn check(text: &str, shapes: &[&[usize]], order: usize) {
    let expression = Expression::parse(text, shapes).expect(text);
    let mut data = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        let n: usize = shape.iter().product();
        data.push((0..2 * n + 3).map(|at| value(i, at)).collect::<Vec<f64>>());
    }
    let narrow: Vec<Vec<f32>> = data.iter().map(|d| d.iter().map(|v| *v as f32).collect()).collect();
    let exact: Vec<Vec<f64>> = narrow.iter().map(|d| d.iter().map(|v| f64::from(*v)).collect()).collect();
    let place = |i: usize| -> (Vec<isize>, usize) {
        let shape = shapes[i];
        let mut strides = nd::contiguous_strides(shape);
        let n: usize = shape.iter().product();
        match (order + i) % 4 {
            // Columns first, backwards, with gaps.
            1 => {
                let turned: Vec<usize> = shape.iter().rev().copied().collect();
                strides = nd::contiguous_strides(&turned).into_iter().rev().collect();
                (strides, 1)
            }
            2 => (strides.into_iter().map(|s| -s).collect(), n.max(1) - 1),
            3 => (strides.into_iter().map(|s| 2 * s).collect(), 2),
            _ => (strides, 0),
        }
    };
    fn views<'a, T>(
        data: &'a [Vec<T>],
        shapes: &[&[usize]],
        place: &dyn Fn(usize) -> (Vec<isize>, usize),
    ) -> Vec<ArrayRef<'a, T>> {
        let view = |(i, data): (usize, &'a Vec<T>)| {
            let (strides, offset) = place(i);
            ArrayRef::new(data, shapes[i], &strides, offset).expect("inside")
        };
        data.iter().enumerate().map(view).collect()
    }
    let expected = oracle(&expression, &views(&exact, shapes, &place));
    let k: usize = expression.extents().iter().product::<usize>() + shapes.len() + 4;
    let pool = Threads::new(2).expect("threads");
    for optimal_up_to in [10, 0] {
        let plan = Plan::new(expression.clone(), &Search { optimal_up_to, ..Search::default() }).expect("an order");
        let scratch = &mut Scratch::new();
        let (mut ours, mut alone) = (vec![7.0_f32; expected.len()], vec![8.0_f32; expected.len()]);
        let operands = views(&narrow, shapes, &place);
        plan.execute(&operands, &mut ours, &pool, scratch).expect(text);
        plan.execute(&operands, &mut alone, &Serial, scratch).expect(text);
        assert_eq!(ours, alone, "{text}: threads");
        for (x, (exact, size)) in ours.iter().zip(&expected) {
            let limit = k as f64 * f64::from(f32::EPSILON) * size;
            assert!((f64::from(*x) - exact).abs() <= limit, "{text} {shapes:?}: {x} for {exact}");
        }
        let mut wide = vec![7.0; expected.len()];
        plan.execute(&views(&exact, shapes, &place), &mut wide, &Serial, scratch).expect(text);
        for (x, (exact, size)) in wide.iter().zip(&expected) {
            assert!((x - exact).abs() <= 2.0 * k as f64 * f64::EPSILON * size, "{text}: {x} for {exact}");
        }
    }
}

#[test]
fn the_usual_ones() {
    let cases: [(&str, &[&[usize]]); 34] = [
        ("ij,jk", &[&[17, 33], &[33, 9]]),
        ("ij,jk->ki", &[&[17, 33], &[33, 9]]),
        ("ij,jk,kl->il", &[&[10, 20], &[20, 30], &[30, 5]]),
        ("bij,bjk->bik", &[&[3, 8, 7], &[3, 7, 9]]),
        ("bij,bjk->ibk", &[&[3, 8, 7], &[3, 7, 9]]),
        ("bhqd,bhkd->bhqk", &[&[2, 3, 16, 8], &[2, 3, 12, 8]]),
        ("abcd,cdef->abef", &[&[4, 5, 6, 7], &[6, 7, 3, 2]]),
        ("abcd,dcef->eafb", &[&[4, 5, 6, 7], &[7, 6, 3, 2]]),
        ("acbd,defc->abef", &[&[4, 5, 6, 7], &[7, 3, 2, 5]]),
        ("ii", &[&[6, 6]]),
        ("ii->i", &[&[6, 6]]),
        ("iij->ji", &[&[4, 4, 5]]),
        ("ij->", &[&[40, 50]]),
        ("ij->i", &[&[40, 50]]),
        ("ij->j", &[&[40, 50]]),
        ("ji", &[&[4, 5]]),
        ("ijk->kij", &[&[4, 5, 6]]),
        ("i,i", &[&[1000], &[1000]]),
        ("i,j", &[&[7], &[11]]),
        ("i,i->i", &[&[100], &[100]]),
        ("ij,j->ij", &[&[20, 30], &[30]]),
        ("ij,i->ij", &[&[20, 30], &[20]]),
        ("ij,ij->i", &[&[20, 300], &[20, 300]]),
        ("ij,kj->", &[&[20, 30], &[10, 30]]),
        ("i,j,k,l->lkji", &[&[2], &[3], &[4], &[5]]),
        ("...ij,...jk->...ik", &[&[2, 3, 4, 5], &[3, 5, 6]]),
        ("...ij,...jk", &[&[4, 1, 6, 5], &[3, 5, 6]]),
        ("i...,i...->...", &[&[6, 3, 4], &[6, 3, 4]]),
        ("...->...", &[&[3, 4]]),
        ("ij,ij->ij", &[&[3, 1], &[1, 4]]),
        ("ij,jk->ik", &[&[3, 1], &[5, 4]]),
        ("ij,ji,ik->k", &[&[5, 6], &[6, 5], &[5, 7]]),
        ("abi,bcj,cdk,dal,ijkl->", &[&[3, 3, 2], &[3, 3, 2], &[3, 3, 2], &[3, 3, 2], &[2, 2, 2, 2]]),
        (",ij->ji", &[&[], &[3, 4]]),
    ];
    for (text, shapes) in cases {
        for order in 0..4 {
            check(text, shapes, order);
        }
    }
}

#[test]
fn complex_and_large() {
    let (a, b): (Vec<Complex64>, Vec<Complex64>) = (0..40 * 50)
        .map(|i| (Complex64::new(value(0, i), value(1, i)), Complex64::new(value(2, i), value(3, i))))
        .unzip();
    let operands =
        [ArrayRef::contiguous(&a, &[40, 50]).expect("fits"), ArrayRef::contiguous(&b, &[50, 40]).expect("fits")];
    let (shape, out) = einsum("ij,jk->ki", &operands, &Serial, &mut Scratch::new()).expect("fits");
    assert_eq!(shape, [40, 40]);
    for i in 0..40 {
        for k in 0..40 {
            let exact: Complex64 = (0..50).map(|j| a[i * 50 + j] * b[j * 40 + k]).sum();
            assert!((out[k * 40 + i] - exact).norm() <= 60.0 * 4.0 * f64::EPSILON * 100.0);
        }
    }
    // Infinity passes through a plain copy as it is.
    let a = [Complex64::new(f64::INFINITY, 0.0)];
    let one = [ArrayRef::contiguous(&a, &[1]).expect("fits")];
    assert_eq!(einsum("i->i", &one, &Serial, &mut Scratch::new()).expect("fits").1, a);
}

#[test]
fn nothing_and_nonsense() {
    let none: [f64; 0] = [];
    let (a, b) =
        (ArrayRef::contiguous(&none, &[3, 0]).expect("fits"), ArrayRef::contiguous(&none, &[0, 4]).expect("fits"));
    let run = |text: &str, operands: &[ArrayRef<'_, f64>]| einsum(text, operands, &Serial, &mut Scratch::new());
    assert_eq!(run("ij,jk", &[a.clone(), b.clone()]), Ok((vec![3, 4], vec![0.0; 12])));
    assert_eq!(run("ij->i", std::slice::from_ref(&a)), Ok((vec![3], vec![0.0; 3])));
    assert_eq!(run("ij", std::slice::from_ref(&a)), Ok((vec![3, 0], vec![])));
    let text = |text: &str, shapes: &[&[usize]]| Expression::parse(text, shapes).expect_err(text).to_string();
    assert_eq!(
        text("i1", &[&[2, 2]]),
        "`1`, which is neither a letter, comma, `->` nor `...` there at character 2 of `i1`"
    );
    assert_eq!(text("ij->ik", &[&[2, 2]]), "output index k that no operand has at character 6 of `ij->ik`");
    assert_eq!(text("ij->ii", &[&[2, 2]]), "output index i a second time at character 6 of `ij->ii`");
    assert_eq!(text("...i->i", &[&[2, 2]]), "output without the ellipsis of the operands at character 8 of `...i->i`");
    assert_eq!(
        text("ij,jk", &[&[2, 3], &[4, 5]]),
        "extent: found 4 for index j in operand 1 of shape [4, 5], expected 3"
    );
    assert_eq!(text("ij", &[&[2, 3, 4]]), "number of subscripts: found 2, expected 3 for operand 0 of shape [2, 3, 4]");
    assert!(text("ij,jk", &[&[2, 3]]).starts_with("number of subscripts"));
    for nonsense in ["i..j", "......", "i->j->k", "i->,", "-", ">", "i.j", "->...->"] {
        text(nonsense, &[&[2]]);
    }
    let long: String = (0..300).filter_map(|i| char::from_u32(0x4e00 + i)).collect();
    assert!(matches!(Expression::parse(&long, &[&[1; 300]]), Err(Error::TooLarge { .. })));
    let plan =
        Plan::new(Expression::parse("ij->ji", &[&[2, 3]]).expect("valid"), &Search::default()).expect("an order");
    let (data, mut out) = ([0.0; 6], [0.0; 5]);
    let right = ArrayRef::contiguous(&data, &[2, 3]).expect("fits");
    assert!(plan.execute(std::slice::from_ref(&right), &mut out, &Serial, &mut Scratch::new()).is_err());
    assert!(plan.execute(&[right.clone(), right], &mut [0.0; 6], &Serial, &mut Scratch::new()).is_err());
    let wrong = ArrayRef::contiguous(&data, &[3, 2]).expect("fits");
    assert!(plan.execute(&[wrong], &mut [0.0; 6], &Serial, &mut Scratch::new()).is_err());
    // An output that cannot be addressed.
    let huge = ArrayRef::new(&data, &[1 << 40], &[0], 0).expect("one element");
    assert!(matches!(run("i,j", &[huge.clone(), huge]), Err(Error::TooLarge { .. })));
}

/// An expression with up to four operands over six indices, and its shapes.
fn expressions() -> impl Strategy<Value = (String, Vec<Vec<usize>>)> {
    let operand = proptest::collection::vec((0_usize..6, any::<bool>()), 0..4);
    let extents = proptest::collection::vec(1_usize..5, 6);
    (proptest::collection::vec(operand, 1..5), extents, any::<u64>()).prop_map(|(operands, extents, choice)| {
        let letter = |i: usize| char::from(b'a' + i as u8);
        let terms: Vec<String> = operands.iter().map(|o| o.iter().map(|(i, _)| letter(*i)).collect()).collect();
        let shape = |o: &Vec<(usize, bool)>| {
            o.iter().map(|(i, one)| if *one && i % 2 == 0 { 1 } else { extents[*i] }).collect()
        };
        let mut used: Vec<usize> = operands.iter().flatten().map(|(i, _)| *i).collect();
        used.sort_unstable();
        used.dedup();
        let mut output: Vec<char> = used.iter().filter(|i| choice >> **i & 1 == 1).map(|i| letter(*i)).collect();
        if choice >> 10 & 1 == 1 {
            output.reverse();
        }
        (format!("{}->{}", terms.join(","), output.iter().collect::<String>()), operands.iter().map(shape).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn anything((text, shapes) in expressions(), order in 0_usize..4) {
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        check(&text, &shapes, order);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "[ab.,>\\- é]{0,12}") {
        let _ = Expression::parse(&text, &[&[2, 2], &[2]]);
        let _ = Expression::parse(&text, &[]);
    }
}
