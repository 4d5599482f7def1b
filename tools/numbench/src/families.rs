//! Rows whose peers live in Python packages: contractions, convolutions, transfer entropy.

use crate::python::{Folder, Peer};
use crate::rows::{numbers, row};
use crate::timing::Contender;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use vgpu_num::conv::{Geometry, Order, Shape4, conv2d};
use vgpu_num::einsum::{Expression, Plan, Search};
use vgpu_num::neighbours::{History, transfer_entropy};
use vgpu_num::random::Philox;
use vgpu_num::{ArrayRef, Scratch, Serial, Threads};

/// Contractions: text and shapes.
fn contractions() -> Vec<(&'static str, String, Vec<Vec<usize>>)> {
    // Ten tensors on a ring, each with a chord to the opposite one, one of them with an open index.
    let letter = |i: usize| char::from(b'a' + i as u8);
    let ring: Vec<String> =
        (0..10).map(|i| [letter(i), letter((i + 1) % 10), letter(10 + i % 5)].iter().collect()).collect();
    let mut shapes = vec![vec![12; 3]; 10];
    shapes[0].push(8);
    vec![
        ("chain 1024", "ij,jk,kl->il".to_owned(), vec![vec![1024, 1024]; 3]),
        ("attention 8x8x512x64", "bhqd,bhkd->bhqk".to_owned(), vec![vec![8, 8, 512, 64]; 2]),
        ("abcd,cdef 32", "abcd,cdef->abef".to_owned(), vec![vec![32; 4]; 2]),
        ("abcd,cdef 48", "abcd,cdef->abef".to_owned(), vec![vec![48; 4]; 2]),
        ("ten tensors", format!("{}z,{}->z", ring[0], ring[1..].join(",")), shapes),
    ]
}

fn bytes_f32(values: &[f32]) -> impl Iterator<Item = u8> + '_ {
    values.iter().flat_map(|value| value.to_ne_bytes())
}

fn bytes_f64(values: &[f64]) -> impl Iterator<Item = u8> + '_ {
    values.iter().flat_map(|value| value.to_ne_bytes())
}

/// Whether the peer's result is ours within `limit` times the largest of ours.
fn agree(peer: &mut Peer, ours: &[f32], limit: f32) -> Result<bool> {
    let bytes = peer.result()?;
    let size = ours.iter().fold(0.0_f32, |size, x| size.max(x.abs()));
    let theirs = bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    Ok(bytes.len() == 4 * ours.len() && theirs.zip(ours).all(|(x, y)| (x - y).abs() <= limit * size))
}

/// Times ours and the peers in turn, then compares the results.
fn race(
    (kind, name, threads, work): (&str, &str, usize, f64),
    ours: &mut dyn FnMut(),
    peers: &mut [(&'static str, Option<Peer>)],
) -> Value {
    let mut contenders = vec![Contender { name: "vgpu", work: Some(Box::new(ours)) }];
    for (name, peer) in peers.iter_mut() {
        let work = peer.as_mut().map(|peer| Box::new(|| peer.run().expect("the peer works")) as Box<dyn FnMut()>);
        contenders.push(Contender { name, work });
    }
    row(kind, name, threads, work, &mut contenders)
}

/// Contractions with a plan made before, against expressions made before.
pub fn einsum(prefix: &Path, threads: usize, rows: &mut Vec<Value>) -> Result<()> {
    let pool = Threads::new(threads)?;
    for (name, text, shapes) in contractions() {
        let folder = Folder::new()?;
        let data: Vec<Vec<f32>> =
            shapes.iter().zip(1..).map(|(shape, seed)| numbers(shape.iter().product(), seed)).collect();
        let files: Result<Vec<String>> =
            data.iter().enumerate().map(|(i, data)| folder.put(&i.to_string(), bytes_f32(data))).collect();
        let case = json!({ "kind": "einsum", "text": text, "shapes": shapes, "files": files? });
        let with = |peer: &'static str| {
            let mut case = case.clone();
            case["peer"] = json!(peer);
            (peer, Peer::start(prefix, &folder, case))
        };
        let mut peers = ["numpy", "opt_einsum", "cotengra"].map(with);
        let views: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let plan = Plan::new(Expression::parse(&text, &views)?, &Search::default())?;
        let operands: Result<Vec<_>, _> = data.iter().zip(&shapes).map(|(d, s)| ArrayRef::contiguous(d, s)).collect();
        let operands = operands?;
        let mut out = vec![0.0_f32; plan.expression().output_shape().iter().product()];
        let mut scratch = Scratch::new();
        let mut work = || plan.execute(&operands, &mut out, &pool, &mut scratch).expect("a contraction");
        rows.push(race(("einsum_f32", name, threads, 2.0 * plan.cost()), &mut work, &mut peers));
        for (peer, process) in &mut peers {
            if let Some(process) = process {
                // Sums of up to 12^20 terms of either sign, in stages: relative to the largest element.
                ensure!(agree(process, &out, 1e-3)?, "{peer} and vgpu disagree on {name}");
            }
        }
    }
    Ok(())
}

/// Images, channels in and out, extent, kernel, stride, padding.
const CONVOLUTIONS: [[usize; 7]; 4] =
    [[1, 64, 64, 112, 3, 1, 1], [8, 256, 256, 14, 3, 1, 1], [1, 3, 64, 224, 7, 2, 3], [1, 256, 64, 56, 1, 1, 0]];

/// Convolutions of plain NCHW arrays against oneDNN's.
pub fn convolutions(prefix: &Path, threads: usize, rows: &mut Vec<Value>) -> Result<()> {
    let pool = Threads::new(threads)?;
    for [images, ins, outs, extent, kernel, stride, padding] in CONVOLUTIONS {
        let folder = Folder::new()?;
        let input = Shape4 { images, channels: ins, rows: extent, cols: extent };
        let weights = Shape4 { images: outs, channels: ins, rows: kernel, cols: kernel };
        let padded = [[padding; 2]; 2];
        let geometry = Geometry::with(Order::Nchw, input, weights, [stride; 2], padded, [1, 1], 1)?;
        let (x, w) = (numbers(input.elements(), 1), numbers(weights.elements(), 2));
        let files = [folder.put("x", bytes_f32(&x))?, folder.put("w", bytes_f32(&w))?];
        let output = geometry.output();
        let case = json!({
            "kind": "convolution", "peer": "onednn", "files": files, "library": prefix.join("onednn-cpu/lib/libdnnl.so"),
            "shapes": [[images, ins, extent, extent], [outs, ins, kernel, kernel]],
            "rows": output.rows, "cols": output.cols, "stride": stride, "padding": padding,
        });
        let mut peers = [("onednn", Peer::start(prefix, &folder, case))];
        let (mut out, mut scratch) = (vec![0.0_f32; output.elements()], Scratch::new());
        let mut work = || conv2d(&geometry, None, &x, &w, None, &mut out, &pool, &mut scratch).expect("a convolution");
        let terms = ins * kernel * kernel;
        let name = format!("{images}x{ins}x{extent}^2 {outs}x{kernel}^2/{stride}");
        let flop = 2.0 * (output.elements() * terms) as f64;
        rows.push(race(("conv_f32", &name, threads, flop), &mut work, &mut peers));
        if let [(_, Some(process))] = &mut peers {
            // Terms are at most 1: the largest element is at least of the size of one.
            let limit = 2.0 * terms as f32 * f32::EPSILON;
            ensure!(agree(process, &out, limit)?, "onednn and vgpu disagree on {name}");
        }
    }
    Ok(())
}

/// Transfer entropy against a tree of SciPy's with as many workers.
pub fn entropies(prefix: &Path, threads: usize, rows: &mut Vec<Value>) -> Result<()> {
    let pool = Threads::new(threads)?;
    for n in [10_000, 100_000] {
        let folder = Folder::new()?;
        let mut values = vec![0.0_f32; 2 * n];
        Philox::new(7, 0).normal_f32(0, &mut values, &Serial)?;
        let source: Vec<f64> = values[..n].iter().map(|x| f64::from(*x)).collect();
        let mut target = vec![0.0; n];
        for i in 1..n {
            target[i] = 0.4 * target[i - 1] + 0.8 * source[i - 1] + f64::from(values[n + i]);
        }
        let files = [folder.put("source", bytes_f64(&source))?, folder.put("target", bytes_f64(&target))?];
        let case = json!({
            "kind": "transfer_entropy", "peer": "ckdtree", "files": files, "shapes": [[n], [n]], "k": 4,
            "threads": threads,
        });
        let mut peers = [("ckdtree", Peer::start(prefix, &folder, case))];
        let mut ours = 0.0;
        let history = History::default();
        let mut work = || ours = transfer_entropy(&source, &target, &history, &pool).expect("an estimate");
        rows.push(race(("te_f64", &format!("T={n}"), threads, n as f64), &mut work, &mut peers));
        if let [(_, Some(process))] = &mut peers {
            let bytes = process.result()?;
            let theirs = bytes.as_slice().try_into().map(f64::from_ne_bytes)?;
            // Counts are equal; the means are summed in another order.
            ensure!((theirs - ours).abs() <= 1e-9, "ckdtree finds {theirs}, vgpu {ours}");
        }
    }
    Ok(())
}
