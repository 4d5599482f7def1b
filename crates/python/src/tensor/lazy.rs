//! Element-wise work that is put off: expressions as graphs, run as one kernel each.
//!
//! Model. A [`Node`] has extents, a type, and either its elements or what makes them: a scalar, a conversion, a function of other
//! nodes. [`apply`] makes nodes; [`evaluate`] runs the graph under one and keeps the elements. A graph has at most [`MOST_NODES`]
//! nodes and [`MOST_LEAVES`] arrays: beyond, operands are evaluated first. What the fused kernels do not have (complex numbers,
//! most functions of f64: `vgpu_fuse::Op::takes`) runs at once, on the host; so do graphs of few elements, node by node, for which
//! a kernel is not worth making.
//!
//! Writing to an array comes after all that was to read it: a storage knows its readers, and the writer evaluates them. A storage
//! that others may write (`Storage::is_shared`) is read at once.
//!
//! Kernels are kept by expression, at most [`MOST_KERNELS`].

use super::dtype::DType;
use super::functions;
use super::storage::{View, broadcast_shapes, count};
use super::walk::converted;
use crate::engine::entered;
use crate::error::{Fail, check};
use crate::wait;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use vgpu_fuse::{Leaf, Op, Program, Step, Type};

/// Nodes of a graph.
const MOST_NODES: usize = 48;
/// Arrays of a graph.
const MOST_LEAVES: usize = 10;
/// Kernels that are kept; when there are more, all go.
const MOST_KERNELS: usize = 512;
/// Threads of a block.
const BLOCK: u32 = 256;
/// Blocks in y, CUDA's limit.
const MOST_ROWS: usize = 65535;
/// Elements of a row in one launch.
const MOST_COLUMNS: usize = 1 << 30;
/// Rows shorter than this are not worth blocks of their own.
const SHORT_ROW: usize = 256;

static LAZY: AtomicBool = AtomicBool::new(true);
/// Graphs with fewer elements run node by node.
static SMALL: AtomicUsize = AtomicUsize::new(16384);
/// Kernels launched, for tests and curious users.
static LAUNCHES: AtomicUsize = AtomicUsize::new(0);

/// Puts work off, or not; what was before.
#[pyfunction]
pub fn set_lazy(on: bool) -> bool {
    LAZY.swap(on, Ordering::AcqRel)
}

/// Elements from which graphs become kernels; what was before.
#[pyfunction]
pub fn set_fusion_threshold(elements: usize) -> usize {
    SMALL.swap(elements, Ordering::AcqRel)
}

/// How many fused kernels were launched.
#[pyfunction]
pub fn fused_launches() -> usize {
    LAUNCHES.load(Ordering::Acquire)
}

/// What makes a node's elements.
#[derive(Clone)]
enum Source {
    /// One number, as the bits of its type.
    Scalar(u64),
    Cast(Arc<Node>),
    Apply(&'static Known, Vec<Arc<Node>>),
}

/// How to make a node's elements, and what that reads.
#[derive(Clone)]
struct Recipe {
    source: Source,
    n_nodes: usize,
    /// Nodes with elements that it reads; each once.
    leaves: Vec<Arc<Node>>,
}

/// An array, or how to make it.
pub struct Node {
    pub shape: Vec<usize>,
    pub dtype: DType,
    value: OnceLock<View>,
    /// None once there are elements: what they were made of need not live as long.
    recipe: Mutex<Option<Recipe>>,
}

/// A function that fused kernels have, and its name on the host.
struct Known {
    name: &'static str,
    op: Op,
}

const KNOWN: &[Known] = &{
    macro_rules! table {
        ($($name:literal $op:ident,)*) => { [$(Known { name: $name, op: Op::$op }),*] };
    }
    table!(
        "add" Add, "subtract" Sub, "multiply" Mul, "divide" Div, "maximum" Max, "minimum" Min, "equal" Eq, "not_equal" Ne,
        "less" Lt, "less_equal" Le, "greater" Gt, "greater_equal" Ge, "bitwise_and" And, "bitwise_or" Or, "bitwise_xor" Xor,
        "invert" Not, "negative" Neg, "abs" Abs, "square" Square, "reciprocal" Recip, "sqrt" Sqrt, "floor" Floor,
        "ceil" Ceil, "trunc" Trunc, "round" Round, "isnan" IsNan, "isinf" IsInf, "isfinite" IsFinite, "where" Select,
        "exp" Exp, "log" Log, "tanh" Tanh, "erf" Erf, "sigmoid" Sigmoid, "gelu" Gelu,
    )
};

const fn fused_type(dtype: DType) -> Option<Type> {
    Some(match dtype {
        DType::Bool => Type::Bool,
        DType::I8 => Type::I8,
        DType::I16 => Type::I16,
        DType::I32 => Type::I32,
        DType::I64 => Type::I64,
        DType::U8 => Type::U8,
        DType::U16 => Type::U16,
        DType::U32 => Type::U32,
        DType::U64 => Type::U64,
        DType::F32 => Type::F32,
        DType::F64 => Type::F64,
        DType::C64 | DType::C128 => return None,
    })
}

const fn own_type(ty: Type) -> DType {
    match ty {
        Type::Bool => DType::Bool,
        Type::I8 => DType::I8,
        Type::I16 => DType::I16,
        Type::I32 => DType::I32,
        Type::I64 => DType::I64,
        Type::U8 => DType::U8,
        Type::U16 => DType::U16,
        Type::U32 => DType::U32,
        Type::U64 => DType::U64,
        Type::F32 => DType::F32,
        Type::F64 => DType::F64,
    }
}

impl Node {
    /// An array with its elements.
    pub fn given(view: View) -> Arc<Self> {
        let value = OnceLock::new();
        let (shape, dtype) = (view.shape.clone(), view.dtype);
        _ = value.set(view);
        Arc::new(Self { shape, dtype, value, recipe: Mutex::new(None) })
    }

    /// One number.
    pub fn scalar(bits: u64, dtype: DType) -> Arc<Self> {
        let recipe = Recipe { source: Source::Scalar(bits), n_nodes: 1, leaves: Vec::new() };
        Arc::new(Self { shape: Vec::new(), dtype, value: OnceLock::new(), recipe: Mutex::new(Some(recipe)) })
    }

    /// Whether it has its elements.
    pub fn is_ready(&self) -> bool {
        self.value.get().is_some()
    }

    /// How to make it; `None` when it has its elements.
    fn recipe(&self) -> Option<Recipe> {
        self.recipe.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A node of operands, evaluated first where the graph would grow too large.
    fn made(
        py: Python<'_>,
        shape: Vec<usize>,
        dtype: DType,
        operands: &[&Arc<Self>],
        source: Source,
    ) -> PyResult<Arc<Self>> {
        let mut recipe = Recipe { source, n_nodes: 1, leaves: Vec::new() };
        let read = |recipe: &mut Recipe, leaf: &Arc<Self>| {
            if !recipe.leaves.iter().any(|known| Arc::ptr_eq(known, leaf)) {
                recipe.leaves.push(Arc::clone(leaf));
            }
        };
        for operand in operands {
            match operand.recipe() {
                Some(inner) => {
                    recipe.n_nodes += inner.n_nodes;
                    inner.leaves.iter().for_each(|leaf| read(&mut recipe, leaf));
                }
                None => {
                    recipe.n_nodes += 1;
                    read(&mut recipe, operand);
                }
            }
        }
        if recipe.n_nodes > MOST_NODES || recipe.leaves.len() > MOST_LEAVES {
            recipe.n_nodes = 1 + operands.len();
            recipe.leaves.clear();
            for operand in operands {
                if !matches!(operand.recipe(), Some(Recipe { source: Source::Scalar(_), .. })) {
                    evaluate(py, operand)?;
                    read(&mut recipe, operand);
                }
            }
        }
        let leaves = recipe.leaves.clone();
        let node = Arc::new(Self { shape, dtype, value: OnceLock::new(), recipe: Mutex::new(Some(recipe)) });
        let mut at_once = !LAZY.load(Ordering::Acquire);
        for view in leaves.iter().filter_map(|leaf| leaf.value.get()) {
            at_once |= view.storage.is_shared();
            view.storage.add_reader(&node);
        }
        if at_once {
            evaluate(py, &node)?;
        }
        Ok(node)
    }
}

/// A function of arrays that are broadcast together, put off where that can be.
pub fn apply(py: Python<'_>, name: &str, operands: &[&Arc<Node>]) -> PyResult<Arc<Node>> {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.shape.as_slice()).collect();
    let shape = broadcast_shapes(&shapes)?;
    let types: Option<Vec<Type>> = operands.iter().map(|operand| fused_type(operand.dtype)).collect();
    let known = KNOWN.iter().find(|known| known.name == name);
    if let Some((known, types)) = known.zip(types)
        && let Some(result) = known.op.takes(&types)
    {
        let source = Source::Apply(known, operands.iter().map(|operand| Arc::clone(operand)).collect());
        return Node::made(py, shape, own_type(result), operands, source);
    }
    let views = operands.iter().map(|operand| evaluate(py, operand)).collect::<PyResult<Vec<_>>>()?;
    let views: Vec<&View> = views.iter().collect();
    wait::settle(py)?;
    Ok(Node::given(py.detach(|| on_host(name, &views))?))
}

fn on_host(name: &str, operands: &[&View]) -> Result<View, Fail> {
    match operands {
        [a] => functions::unary(name, a),
        [a, b] => functions::binary(name, a, b),
        [condition, a, b] if name == "where" => functions::select(condition, a, b),
        _ => Err(Fail::Value(format!("{name}: {} operands", operands.len()))),
    }
}

/// The array in another type.
pub fn cast(py: Python<'_>, operand: &Arc<Node>, dtype: DType) -> PyResult<Arc<Node>> {
    if operand.dtype == dtype {
        return Ok(Arc::clone(operand));
    }
    if fused_type(operand.dtype).is_some() && fused_type(dtype).is_some() {
        let source = Source::Cast(Arc::clone(operand));
        return Node::made(py, operand.shape.clone(), dtype, &[operand], source);
    }
    let view = evaluate(py, operand)?;
    wait::settle(py)?;
    Ok(Node::given(py.detach(|| converted(&view, dtype))?))
}

/// Evaluates what is to read a storage, before it is written.
pub fn before_write(py: Python<'_>, view: &View) -> PyResult<()> {
    for node in view.storage.take_readers() {
        evaluate(py, &node)?;
    }
    Ok(())
}

/// The elements, made if they are not there yet.
pub fn evaluate(py: Python<'_>, node: &Arc<Node>) -> PyResult<View> {
    if let Some(view) = node.value.get() {
        return Ok(view.clone());
    }
    wait::settle(py)?;
    let total = count(&node.shape)?;
    let view = py
        .detach(|| if total < SMALL.load(Ordering::Acquire).max(1) { step_by_step(node) } else { in_one_pass(node) })?;
    // Another thread may have been quicker: its elements are the same.
    let view = node.value.get_or_init(|| view).clone();
    *node.recipe.lock().unwrap_or_else(PoisonError::into_inner) = None;
    Ok(view)
}

/// What a node of a graph was when the graph was looked at.
enum Found {
    Ready(View),
    Made(Source),
}

/// A node of a graph in order of evaluation.
struct Visited {
    node: Arc<Node>,
    step: Found,
}

/// The graph under a node in order of evaluation, each node once; nodes with elements are not looked into.
fn ordered(node: &Arc<Node>) -> Vec<Visited> {
    fn visit(node: &Arc<Node>, seen: &mut HashMap<*const Node, ()>, out: &mut Vec<Visited>) {
        if seen.insert(Arc::as_ptr(node), ()).is_some() {
            return;
        }
        let step = match node.recipe() {
            Some(recipe) => Found::Made(recipe.source),
            // The elements come before the recipe goes.
            None => match node.value.get() {
                Some(view) => Found::Ready(view.clone()),
                None => return,
            },
        };
        match &step {
            Found::Made(Source::Cast(operand)) => visit(operand, seen, out),
            Found::Made(Source::Apply(_, operands)) => operands.iter().for_each(|operand| visit(operand, seen, out)),
            Found::Made(Source::Scalar(_)) | Found::Ready(_) => {}
        }
        out.push(Visited { node: Arc::clone(node), step });
    }
    let mut out = Vec::new();
    visit(node, &mut HashMap::new(), &mut out);
    out
}

fn scalar_view(bits: u64, dtype: DType) -> Result<View, Fail> {
    let view = View::new(dtype, &[])?;
    let bytes = bits.to_ne_bytes();
    let from = if cfg!(target_endian = "little") { 0 } else { 8 - dtype.size() };
    // SAFETY: the new array has one element of that size, at most 8 bytes: complex numbers are no scalar nodes.
    unsafe { std::ptr::copy_nonoverlapping(bytes[from..].as_ptr(), view.pointer::<u8>(), dtype.size()) };
    Ok(view)
}

/// Each node by the host's loops.
fn step_by_step(node: &Arc<Node>) -> Result<View, Fail> {
    let mut views: HashMap<*const Node, View> = HashMap::new();
    let order = ordered(node);
    for Visited { node, step } in &order {
        let of = |operand: &Arc<Node>| views[&Arc::as_ptr(operand)].clone();
        let view = match step {
            Found::Ready(view) => view.clone(),
            Found::Made(Source::Scalar(bits)) => scalar_view(*bits, node.dtype)?,
            Found::Made(Source::Cast(operand)) => converted(&of(operand), node.dtype)?,
            Found::Made(Source::Apply(known, operands)) => {
                let operands: Vec<View> = operands.iter().map(of).collect();
                on_host(known.name, &operands.iter().collect::<Vec<_>>())?
            }
        };
        views.insert(Arc::as_ptr(node), view);
    }
    Ok(views[&Arc::as_ptr(node)].clone())
}

/// An input of a launch: an array at an address with bytes from row to row and from element to element, or a number.
enum Input {
    Array { address: usize, row: isize, column: isize, size: usize },
    Scalar { bits: u64 },
}

/// One kernel for the whole graph.
fn in_one_pass(node: &Arc<Node>) -> Result<View, Fail> {
    let order = ordered(node);
    let out = View::new(node.dtype, &node.shape)?;
    let mut views = Vec::new();
    for visited in &order {
        if let Found::Ready(view) = &visited.step {
            views.push(view.broadcast(&out.shape)?);
        }
    }
    let (rows, columns) = rows_and_columns(&out, &mut views)?;
    let (mut leaves, mut inputs, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
    let mut places: HashMap<*const Node, usize> = HashMap::new();
    let mut next_view = views.iter();
    for Visited { node, step } in &order {
        let ty = fused_type(node.dtype).ok_or_else(|| Fail::Value(format!("no fused {}", node.dtype.name())))?;
        let made = match step {
            Found::Ready(_) => {
                let view = next_view.next().ok_or_else(|| Fail::Value("an array without elements".to_owned()))?;
                let (row, column) = two_strides(view, rows, columns);
                leaves.push(Leaf::Array(ty, if column == 0 { Step::Zero } else { Step::One }));
                inputs.push(Input::Array { address: view.address(), row, column, size: node.dtype.size() });
                vgpu_fuse::Node::Leaf(leaves.len() - 1)
            }
            Found::Made(Source::Scalar(bits)) => {
                leaves.push(Leaf::Scalar(ty));
                inputs.push(Input::Scalar { bits: *bits });
                vgpu_fuse::Node::Leaf(leaves.len() - 1)
            }
            Found::Made(Source::Cast(operand)) => vgpu_fuse::Node::Cast(ty, places[&Arc::as_ptr(operand)]),
            Found::Made(Source::Apply(known, operands)) => {
                vgpu_fuse::Node::Apply(known.op, operands.iter().map(|operand| places[&Arc::as_ptr(operand)]).collect())
            }
        };
        places.insert(Arc::as_ptr(node), nodes.len());
        nodes.push(made);
    }
    let function = kernel(Program { leaves, nodes })?;
    launch(function, &out, rows, columns, &inputs)?;
    // What the launch read, copies included, lives until it has ended.
    drop((order, views));
    Ok(out)
}

/// Cuts the result into rows, so that every input goes along a row by one element or none; inputs that do not are copied.
fn rows_and_columns(out: &View, views: &mut [View]) -> Result<(usize, usize), Fail> {
    let total = out.len();
    // The longest tail of dimensions along which every input is contiguous or repeated as a whole.
    let tail = |view: &View| -> usize {
        let size = view.dtype.size() as isize;
        let (mut plain, mut still) = (1_usize, 1_usize);
        let (mut step, mut is_plain, mut is_still) = (size, true, true);
        for (extent, stride) in view.shape.iter().zip(&view.strides).rev().filter(|(extent, _)| **extent != 1) {
            is_plain &= *stride == step;
            is_still &= *stride == 0;
            if is_plain {
                plain *= extent;
                step *= *extent as isize;
            }
            if is_still {
                still *= extent;
            }
        }
        plain.max(still)
    };
    // Tails are products of the last extents, so each divides the next.
    let columns = views.iter().map(tail).min().unwrap_or(total).max(1);
    let rows = total / columns;
    let regular = |view: &View| {
        // One stride from row to row.
        let mut left = columns;
        let outer: Vec<_> = view
            .shape
            .iter()
            .zip(&view.strides)
            .rev()
            .filter(|(extent, _)| **extent != 1)
            .filter(|(extent, _)| {
                let inside = left > 1;
                left /= **extent;
                !inside
            })
            .collect();
        outer.windows(2).all(|pair| *pair[1].1 == *pair[0].0 as isize * *pair[0].1)
    };
    if rows == 1 || (columns >= SHORT_ROW && views.iter().all(regular)) {
        return Ok((rows, columns));
    }
    for view in views.iter_mut() {
        if !(view.is_plain()
            || view.strides.iter().zip(&view.shape).all(|(stride, extent)| *stride == 0 || *extent == 1))
        {
            *view = converted(view, view.dtype)?;
        }
    }
    Ok((1, total))
}

/// Bytes from row to row and from element to element.
fn two_strides(view: &View, rows: usize, columns: usize) -> (isize, isize) {
    let (mut row, mut column) = (0, 0);
    let mut left = columns;
    for (extent, stride) in view.shape.iter().zip(&view.strides).rev().filter(|(extent, _)| **extent != 1) {
        if left > 1 {
            if left == columns {
                column = *stride;
            }
            left /= extent;
        } else if rows > 1 {
            row = *stride;
            break;
        }
    }
    (row, column)
}

/// The kernel of an expression, compiled once.
fn kernel(program: Program) -> Result<u64, Fail> {
    static KERNELS: Mutex<Option<HashMap<Program, u64>>> = Mutex::new(None);
    let mut kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    let kernels = kernels.get_or_insert_default();
    if let Some(function) = kernels.get(&program) {
        return Ok(*function);
    }
    let text = vgpu_fuse::ptx(&program).map_err(|error| Fail::Value(error.to_string()))?;
    let engine = entered()?;
    let (text, name) = (CString::new(text), CString::new(vgpu_fuse::ENTRY));
    let (Ok(text), Ok(name)) = (text, name) else { return Err(Fail::Value("a zero byte in a kernel".to_owned())) };
    let (mut module, mut function) = (0, 0);
    // SAFETY: rule 1 of `engine`; the texts are zero-terminated and live through the calls, the places are ours.
    unsafe {
        check("cuModuleLoadData", (engine.module_load)(&raw mut module, text.as_ptr().cast()))?;
        check("cuModuleGetFunction", (engine.module_function)(&raw mut function, module, name.as_ptr()))?;
    }
    // Modules stay loaded: another thread may be about to launch. Their code is in the engine's own bounded cache.
    if kernels.len() >= MOST_KERNELS {
        kernels.clear();
    }
    kernels.insert(program, function);
    Ok(function)
}

fn launch(function: u64, out: &View, rows: usize, columns: usize, inputs: &[Input]) -> Result<(), Fail> {
    let engine = entered()?;
    let out_size = out.dtype.size();
    // A row that is cut is launched by itself: the kernel counts rows in its own n.
    let together = if columns > MOST_COLUMNS { 1 } else { MOST_ROWS };
    for first_row in (0..rows).step_by(together) {
        let n_rows = together.min(rows - first_row);
        for first in (0..columns).step_by(MOST_COLUMNS) {
            let n = MOST_COLUMNS.min(columns - first);
            let mut values = vec![(out.address() + (first_row * columns + first) * out_size) as u64, n as u64];
            for input in inputs {
                match input {
                    Input::Array { address, row, column, size } => {
                        let step = if *column == 0 { 0 } else { *size };
                        let at = *address as isize + first_row as isize * row + (first * step) as isize;
                        values.extend([at as u64, *row as u64]);
                    }
                    Input::Scalar { bits } => values.push(*bits),
                }
            }
            let mut places: Vec<*mut c_void> = values.iter_mut().map(|value| (value as *mut u64).cast()).collect();
            let blocks = n.div_ceil(BLOCK as usize) as u32;
            // SAFETY: rules 1 to 3 of `engine`: one pointer per parameter, each to 8 bytes, little-endian, which is as many
            // as any parameter of a fused kernel has; inputs and output live until the wait below.
            unsafe {
                let code = (engine.launch)(
                    function,
                    blocks,
                    n_rows as u32,
                    1,
                    BLOCK,
                    1,
                    1,
                    0,
                    0,
                    places.as_mut_ptr(),
                    std::ptr::null_mut(),
                );
                check("cuLaunchKernel", code)?;
            }
            LAUNCHES.fetch_add(1, Ordering::AcqRel);
        }
    }
    // SAFETY: rule 1 of `engine`.
    check("cuStreamSynchronize", unsafe { (engine.stream_synchronize)(0) })
}
