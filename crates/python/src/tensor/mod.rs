//! Arrays: elements in the engine's memory or somebody else's, and what is computed with them.
//!
//! Model. [`Tensor`] is what Python's `vgpu.Array` is made of: a [`lazy::Node`], that is extents, a type, and elements or the
//! expression that gives them. Methods take what the Python side has brought into a plain form: arrays of one type, axes that
//! exist and are counted from 0. They check all the same, because nothing that Python passes may reach memory unchecked.

pub mod dtype;
pub mod exchange;
mod factor;
mod functions;
mod index;
pub mod lazy;
mod order;
mod product;
mod reduce;
mod routines;
mod storage;
mod walk;

pub use routines::{conv2d, entropy_of_transfer, philox, softmax_rows};

use crate::error::Fail;
use crate::wait;
use dtype::{Bool, DType, Element, with_type};
use lazy::Node;
use num_complex::Complex;
use pyo3::exceptions::{PyBufferError, PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyList};
use pyo3::{IntoPyObjectExt as _, ffi};
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use storage::View;

/// An array, or the expression that gives it.
#[pyclass(subclass, frozen, module = "vgpu._vgpu")]
pub struct Tensor {
    node: Arc<Node>,
}

fn of_number(dtype: u8) -> PyResult<DType> {
    Ok(DType::from_number(dtype).ok_or_else(|| Fail::Value(format!("type number {dtype}")))?)
}

impl Tensor {
    fn given(view: View) -> Self {
        Self { node: Node::given(view) }
    }

    /// The elements, with everything that may still write them waited for.
    fn view(&self, py: Python<'_>) -> PyResult<View> {
        let view = lazy::evaluate(py, &self.node)?;
        wait::settle(py)?;
        Ok(view)
    }

    /// Work on the elements without the interpreter's lock.
    fn work<R: Send>(&self, py: Python<'_>, work: impl FnOnce(&View) -> Result<R, Fail> + Send) -> PyResult<R> {
        let view = self.view(py)?;
        Ok(py.detach(|| work(&view))?)
    }
}

fn element<'py>(py: Python<'py>, view: &View, address: usize) -> PyResult<Bound<'py, PyAny>> {
    macro_rules! read {
        ($t:ty) => {
            // SAFETY: rules 1 to 3 of `storage`: the address is that of an element of the view.
            unsafe { (address as *const $t).read_unaligned() }
        };
    }
    match view.dtype {
        DType::Bool => Ok(PyBool::new(py, read!(u8) != 0).to_owned().into_any()),
        DType::I8 => read!(i8).into_bound_py_any(py),
        DType::I16 => read!(i16).into_bound_py_any(py),
        DType::I32 => read!(i32).into_bound_py_any(py),
        DType::I64 => read!(i64).into_bound_py_any(py),
        DType::U8 => read!(u8).into_bound_py_any(py),
        DType::U16 => read!(u16).into_bound_py_any(py),
        DType::U32 => read!(u32).into_bound_py_any(py),
        DType::U64 => read!(u64).into_bound_py_any(py),
        DType::F32 => f64::from(read!(f32)).into_bound_py_any(py),
        DType::F64 => read!(f64).into_bound_py_any(py),
        DType::C64 => {
            let z = read!(Complex<f32>);
            Ok(PyComplex::from_doubles(py, z.re.into(), z.im.into()).into_any())
        }
        DType::C128 => {
            let z = read!(Complex<f64>);
            Ok(PyComplex::from_doubles(py, z.re, z.im).into_any())
        }
    }
}

fn nested<'py>(py: Python<'py>, view: &View, depth: usize, address: usize) -> PyResult<Bound<'py, PyAny>> {
    let Some(extent) = view.shape.get(depth) else { return element(py, view, address) };
    let list = PyList::empty(py);
    for i in 0..*extent as isize {
        list.append(nested(py, view, depth + 1, address.wrapping_add_signed(i * view.strides[depth]))?)?;
    }
    Ok(list.into_any())
}

/// The bits of a Python number in a type of at most 8 bytes.
fn bits_of(value: &Bound<'_, PyAny>, dtype: DType) -> PyResult<u64> {
    let wrong = || PyTypeError::new_err(format!("{value} is no {}", dtype.name()));
    Ok(match dtype {
        DType::F32 => u64::from((value.extract::<f64>()? as f32).to_bits()),
        DType::F64 => value.extract::<f64>()?.to_bits(),
        DType::Bool => u64::from(value.is_truthy()?),
        DType::C64 | DType::C128 => return Err(wrong()),
        DType::U64 => value.extract::<u64>()?,
        // Sign-extended: a kernel takes as many of the bytes as its parameter has.
        DType::I8 => i64::from(value.extract::<i8>()?) as u64,
        DType::I16 => i64::from(value.extract::<i16>()?) as u64,
        DType::I32 => i64::from(value.extract::<i32>()?) as u64,
        DType::I64 => value.extract::<i64>()? as u64,
        DType::U8 => u64::from(value.extract::<u8>()?),
        DType::U16 => u64::from(value.extract::<u16>()?),
        DType::U32 => u64::from(value.extract::<u32>()?),
    })
}

#[pymethods]
impl Tensor {
    /// Another handle of the same array.
    #[new]
    fn new(tensor: PyRef<'_, Self>) -> Self {
        Self { node: Arc::clone(&tensor.node) }
    }

    #[getter]
    fn dtype_number(&self) -> u8 {
        self.node.dtype as u8
    }

    #[getter]
    fn extents(&self) -> Vec<usize> {
        self.node.shape.clone()
    }

    /// Whether it has its elements already.
    #[getter]
    fn is_ready(&self) -> bool {
        self.node.is_ready()
    }

    /// Makes the elements now.
    fn evaluate(&self, py: Python<'_>) -> PyResult<()> {
        self.view(py).map(drop)
    }

    /// Address, strides in bytes, and whether it may be written. From now on others may write it.
    fn expose(&self, py: Python<'_>) -> PyResult<(u64, Vec<isize>, bool)> {
        let view = self.view(py)?;
        lazy::before_write(py, &view)?;
        view.storage.share();
        Ok((view.address() as u64, view.strides.clone(), view.storage.writable()))
    }

    /// Whether the elements lie side by side in order.
    fn is_contiguous(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.view(py)?.is_plain())
    }

    /// New elements of undefined value.
    #[staticmethod]
    fn empty(py: Python<'_>, shape: Vec<usize>, dtype: u8) -> PyResult<Self> {
        let dtype = of_number(dtype)?;
        Ok(Self::given(py.detach(|| View::new(dtype, &shape))?))
    }

    /// One number without dimensions.
    #[staticmethod]
    fn scalar(py: Python<'_>, value: &Bound<'_, PyAny>, dtype: u8) -> PyResult<Self> {
        let dtype = of_number(dtype)?;
        if matches!(dtype, DType::C64 | DType::C128) {
            let value: Complex<f64> = {
                let number = value
                    .call_method0("__complex__")
                    .or_else(|_| value.py().get_type::<PyComplex>().call1((value,)))?;
                Complex::new(number.getattr("real")?.extract()?, number.getattr("imag")?.extract()?)
            };
            let view = py.detach(|| View::new(dtype, &[]))?;
            // SAFETY: the new array has one element of that type.
            unsafe {
                if dtype == DType::C64 {
                    view.pointer::<Complex<f32>>().write(Complex::<f32>::of(value));
                } else {
                    view.pointer::<Complex<f64>>().write(value);
                }
            }
            return Ok(Self::given(view));
        }
        Ok(Self { node: Node::scalar(bits_of(value, dtype)?, dtype) })
    }

    /// A flat list of Python's numbers as an array of one dimension.
    #[staticmethod]
    fn from_list(py: Python<'_>, values: &Bound<'_, PyList>, dtype: u8) -> PyResult<Self> {
        let dtype = of_number(dtype)?;
        let n = values.len();
        let view = py.detach(|| View::new(dtype, &[n]))?;
        let size = dtype.size();
        for (i, value) in values.iter().enumerate() {
            let at = view.address() + i * size;
            match dtype {
                DType::C64 | DType::C128 => {
                    let (re, im) = if value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() {
                        (value.extract()?, 0.0)
                    } else {
                        (value.getattr("real")?.extract()?, value.getattr("imag")?.extract()?)
                    };
                    let z = Complex::<f64>::new(re, im);
                    // SAFETY: the new array has this element.
                    unsafe {
                        if dtype == DType::C64 {
                            (at as *mut Complex<f32>).write(Complex::<f32>::of(z));
                        } else {
                            (at as *mut Complex<f64>).write(z);
                        }
                    }
                }
                _ => {
                    let bytes = bits_of(&value, dtype)?.to_le_bytes();
                    // SAFETY: the new array has this element, of at most 8 bytes.
                    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, size) };
                }
            }
        }
        Ok(Self::given(view))
    }

    /// The array in an object's buffer, without a copy.
    #[staticmethod]
    fn from_buffer(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        exchange::from_buffer(object).map(Self::given)
    }

    /// The array in a DLPack capsule, without a copy.
    #[staticmethod]
    fn from_capsule(capsule: &Bound<'_, PyAny>) -> PyResult<Self> {
        exchange::from_capsule(capsule).map(Self::given)
    }

    /// A DLPack capsule of the elements.
    fn to_capsule(&self, py: Python<'_>, versioned: bool, copied: bool) -> PyResult<Py<PyAny>> {
        let view = self.view(py)?;
        lazy::before_write(py, &view)?;
        view.storage.share();
        exchange::capsule(py, view, versioned, copied)
    }

    /// Start, start + step, ...
    #[staticmethod]
    fn arange(py: Python<'_>, start: f64, step: f64, n: usize, dtype: u8) -> PyResult<Self> {
        let dtype = of_number(dtype)?;
        let view = py.detach(|| View::new(dtype, &[n]))?;
        py.detach(|| {
            with_type!(dtype, E => {
                // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here.
                let out = unsafe { view.slice_mut::<E>() };
                out.iter_mut().enumerate().for_each(|(i, out)| *out = E::of(step.mul_add(i as f64, start)));
            });
        });
        Ok(Self::given(view))
    }

    /// Start, start + step, ... of integers.
    #[staticmethod]
    fn arange_int(py: Python<'_>, start: i64, step: i64, n: usize, dtype: u8) -> PyResult<Self> {
        let dtype = of_number(dtype)?;
        let view = py.detach(|| View::new(dtype, &[n]))?;
        py.detach(|| {
            with_type!(dtype, E => {
                // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here.
                let out = unsafe { view.slice_mut::<E>() };
                let at = |i: usize| start.wrapping_add(step.wrapping_mul(i as i64));
                out.iter_mut().enumerate().for_each(|(i, out)| *out = E::of(at(i)));
            });
        });
        Ok(Self::given(view))
    }

    /// Another view of the same elements: extents, strides and offset in bytes.
    fn restride(&self, py: Python<'_>, shape: Vec<usize>, strides: Vec<isize>, offset: isize) -> PyResult<Self> {
        let view = self.view(py)?;
        let start = view.offset.wrapping_add_signed(offset);
        Ok(Self::given(View::of(view.storage, view.dtype, shape, strides, start)?))
    }

    /// The same elements with the parts' type and stride: real parts, or imaginary ones.
    fn strides(&self, py: Python<'_>) -> PyResult<Vec<isize>> {
        Ok(self.view(py)?.strides)
    }

    fn broadcast(&self, py: Python<'_>, shape: Vec<usize>) -> PyResult<Self> {
        Ok(Self::given(self.view(py)?.broadcast(&shape)?))
    }

    /// New contiguous elements.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        self.work(py, |view| walk::converted(view, view.dtype)).map(Self::given)
    }

    fn cast(&self, py: Python<'_>, dtype: u8) -> PyResult<Self> {
        Ok(Self { node: lazy::cast(py, &self.node, of_number(dtype)?)? })
    }

    /// A function by name of this and other arrays, element by element.
    #[pyo3(signature = (name, *others))]
    fn apply(&self, py: Python<'_>, name: &str, others: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let mut nodes = vec![&self.node];
        nodes.extend(others.iter().map(|other| &other.node));
        Ok(Self { node: lazy::apply(py, name, &nodes)? })
    }

    /// Writes another array's elements, broadcast and converted, to this one's.
    fn assign(&self, py: Python<'_>, source: PyRef<'_, Self>) -> PyResult<()> {
        let (to, source) = (self.view(py)?, source.view(py)?);
        lazy::before_write(py, &to)?;
        Ok(py.detach(|| walk::assign(&to, &source))?)
    }

    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let view = self.view(py)?;
        if view.len() != 1 {
            return Err(PyTypeError::new_err(format!("an array of shape {:?} is no single number", view.shape)));
        }
        element(py, &view, view.address())
    }

    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let view = self.view(py)?;
        nested(py, &view, 0, view.address())
    }

    fn reduce(&self, py: Python<'_>, name: &str, axes: Vec<usize>) -> PyResult<Self> {
        self.work(py, |view| reduce::reduce(name, view, &axes)).map(Self::given)
    }

    fn scan(&self, py: Python<'_>, name: &str, axis: usize) -> PyResult<Self> {
        self.work(py, |view| reduce::scan(name, view, axis)).map(Self::given)
    }

    /// Sorted along the last axis, or the places that elements come from.
    fn sort(&self, py: Python<'_>, descending: bool, places: bool) -> PyResult<Self> {
        self.work(py, |view| order::sort(view, descending, places)).map(Self::given)
    }

    fn search(&self, py: Python<'_>, values: PyRef<'_, Self>, right: bool) -> PyResult<Self> {
        let values = values.view(py)?;
        self.work(py, |view| order::search(view, &values, right)).map(Self::given)
    }

    fn nonzero(&self, py: Python<'_>) -> PyResult<Vec<Self>> {
        Ok(self.work(py, order::nonzero)?.into_iter().map(Self::given).collect())
    }

    fn firsts(&self, py: Python<'_>) -> PyResult<Self> {
        self.work(py, order::firsts).map(Self::given)
    }

    /// Elements at places of the first axes: one int64 array for each.
    fn pick(&self, py: Python<'_>, places: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let places = places.iter().map(|places| places.view(py)).collect::<PyResult<Vec<_>>>()?;
        let made = self.work(py, |view| index::pick(view, &places.iter().collect::<Vec<_>>()))?;
        made.map(Self::given).map_err(|error| PyIndexError::new_err(error.0))
    }

    /// Writes elements at places of the first axes.
    fn put(&self, py: Python<'_>, places: Vec<PyRef<'_, Self>>, values: PyRef<'_, Self>) -> PyResult<()> {
        let places = places.iter().map(|places| places.view(py)).collect::<PyResult<Vec<_>>>()?;
        let (view, values) = (self.view(py)?, values.view(py)?);
        lazy::before_write(py, &view)?;
        let made = py.detach(|| index::put(&view, &places.iter().collect::<Vec<_>>(), &values))?;
        made.map_err(|error| PyIndexError::new_err(error.0))
    }

    fn matmul(&self, py: Python<'_>, other: PyRef<'_, Self>) -> PyResult<Self> {
        let other = other.view(py)?;
        self.work(py, |view| product::matmul(view, &other)).map(Self::given)
    }

    fn fft(&self, py: Python<'_>, axes: Vec<usize>, inverse: bool, norm: &str) -> PyResult<Self> {
        self.work(py, |view| product::transform(view, &axes, inverse, norm)).map(Self::given)
    }

    fn rfft(&self, py: Python<'_>, axes: Vec<usize>, norm: &str) -> PyResult<Self> {
        self.work(py, |view| product::transform_real(view, &axes, norm)).map(Self::given)
    }

    fn irfft(&self, py: Python<'_>, axes: Vec<usize>, n: usize, norm: &str) -> PyResult<Self> {
        self.work(py, |view| product::transform_to_real(view, &axes, n, norm)).map(Self::given)
    }

    fn cholesky(&self, py: Python<'_>) -> PyResult<Self> {
        self.work(py, factor::cholesky).map(Self::given)
    }

    fn inverse(&self, py: Python<'_>) -> PyResult<Self> {
        self.work(py, factor::inverse).map(Self::given)
    }

    fn solve(&self, py: Python<'_>, right: PyRef<'_, Self>) -> PyResult<Self> {
        let right = right.view(py)?;
        self.work(py, |view| factor::solve(view, &right)).map(Self::given)
    }

    fn determinant(&self, py: Python<'_>) -> PyResult<Self> {
        self.work(py, factor::determinant).map(Self::given)
    }

    fn log_determinant(&self, py: Python<'_>) -> PyResult<(Self, Self)> {
        self.work(py, factor::log_determinant).map(|(a, b)| (Self::given(a), Self::given(b)))
    }

    fn qr(&self, py: Python<'_>, complete: bool) -> PyResult<(Self, Self)> {
        self.work(py, |view| factor::qr(view, complete)).map(|(a, b)| (Self::given(a), Self::given(b)))
    }

    fn eigen_hermitian(&self, py: Python<'_>) -> PyResult<(Self, Self)> {
        self.work(py, factor::eigen_hermitian).map(|(a, b)| (Self::given(a), Self::given(b)))
    }

    fn eigen(&self, py: Python<'_>) -> PyResult<(Self, Self)> {
        self.work(py, factor::eigen).map(|(a, b)| (Self::given(a), Self::given(b)))
    }

    fn svd(&self, py: Python<'_>, full: bool) -> PyResult<(Self, Self, Self)> {
        self.work(py, |view| factor::svd(view, full)).map(|(a, b, c)| (Self::given(a), Self::given(b), Self::given(c)))
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, buffer: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if buffer.is_null() {
            return Err(PyBufferError::new_err("no place for the buffer"));
        }
        // SAFETY: the interpreter passes a structure to fill; after an error it must have no object.
        unsafe { (*buffer).obj = std::ptr::null_mut() };
        let py = slf.py();
        let view = slf.get().view(py)?;
        lazy::before_write(py, &view)?;
        view.storage.share();
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE && !view.storage.writable() {
            return Err(PyBufferError::new_err("the array is read-only"));
        }
        let strided = flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES;
        let wants_order = flags & ffi::PyBUF_C_CONTIGUOUS == ffi::PyBUF_C_CONTIGUOUS;
        if (!strided || wants_order) && !view.is_contiguous() {
            return Err(PyBufferError::new_err("the array is not contiguous: copy it first"));
        }
        let mut lists = Box::new(Lists {
            shape: view.shape.iter().map(|extent| *extent as ffi::Py_ssize_t).collect(),
            strides: view.strides.clone(),
        });
        let size = view.dtype.size();
        // SAFETY: the interpreter passes a buffer to fill; what it points to lives in `lists`, which `__releasebuffer__` ends,
        // and in the array, which the buffer holds.
        unsafe {
            (*buffer).buf = view.pointer::<c_void>();
            (*buffer).len = (view.len() * size) as ffi::Py_ssize_t;
            (*buffer).itemsize = size as ffi::Py_ssize_t;
            (*buffer).readonly = c_int::from(!view.storage.writable());
            (*buffer).ndim = view.shape.len() as c_int;
            let format = view.dtype.format().as_ptr().cast_mut();
            (*buffer).format =
                if flags & ffi::PyBUF_FORMAT == ffi::PyBUF_FORMAT { format } else { std::ptr::null_mut() };
            let shaped = flags & ffi::PyBUF_ND == ffi::PyBUF_ND;
            (*buffer).shape = if shaped { lists.shape.as_mut_ptr() } else { std::ptr::null_mut() };
            (*buffer).strides = if strided { lists.strides.as_mut_ptr() } else { std::ptr::null_mut() };
            (*buffer).suboffsets = std::ptr::null_mut();
            (*buffer).internal = Box::into_raw(lists).cast();
            (*buffer).obj = slf.into_any().into_ptr();
        }
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, buffer: *mut ffi::Py_buffer) {
        // SAFETY: the interpreter passes a buffer that `__getbuffer__` filled, once.
        drop(unsafe { Box::from_raw((*buffer).internal.cast::<Lists>()) });
    }
}

/// What an exported buffer points to.
struct Lists {
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
}

/// Einstein's sums.
#[pyfunction]
pub fn einsum(py: Python<'_>, text: &str, operands: Vec<PyRef<'_, Tensor>>) -> PyResult<Tensor> {
    let views = operands.iter().map(|operand| operand.view(py)).collect::<PyResult<Vec<_>>>()?;
    Ok(Tensor::given(py.detach(|| factor::contract(text, &views))?))
}

const _: () = assert!(size_of::<Bool>() == 1);
