//! Test only: runs generated code inside the test process, so that an emission function can be compared with a plain model.
//!
//! Model: a test builds functions of the form `void(ptr)` in a [`Context`]; the argument points to an array of buffer
//! addresses. [`Loaded`] makes an object of the module, links it with the system's `cc -shared` and opens the
//! library; [`Loaded::call`] passes the buffers. The unsafe code of the crate's tests is here alone.
//!
//! Access rule: a test's function touches only the buffers it was given, within their length.

use crate::Target;
use crate::llvm::{Builder, Context, Level, Value};
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

/// A module that has been compiled and loaded.
pub(crate) struct Loaded {
    handle: *mut c_void,
    object: Vec<u8>,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: the handle came from `dlopen` and is closed once; no function of the library is running.
        unsafe { libc::dlclose(self.handle) };
    }
}

/// Adds an exported function `void name(ptr buffers)`; `body` gets a builder in its first block and the buffer
/// addresses, and the function returns after it.
pub(crate) fn test_function<'c>(
    context: &'c Context,
    name: &str,
    n_buffers: u32,
    body: impl FnOnce(&Builder<'c>, &[Value<'c>]),
) {
    let function = context.add_function(name, context.function_type(context.void(), &[context.ptr()]));
    let builder = Builder::new(context);
    builder.position(function.append(context, "entry"));
    let table = function.argument(0);
    let buffers: Vec<_> = (0..n_buffers)
        .map(|idx| builder.load(context.ptr(), builder.offset_by(table, i64::from(idx) * 8), 8))
        .collect();
    body(&builder, &buffers);
    builder.ret_void();
}

impl Loaded {
    /// Verifies, optimises, compiles, links and loads the module.
    pub(crate) fn new(context: &Context, target: &Target) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if let Err(error) = context.verify() {
            panic!("{error}\n{}", context.print());
        }
        context.run_passes(crate::pipeline::PASSES, target).expect("the pass pipeline is valid");
        let object = context.generate(Level::Object, target).expect("verified modules have machine code");
        let stem = format!("vgpu-jit-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (from, to) =
            (std::env::temp_dir().join(format!("{stem}.o")), std::env::temp_dir().join(format!("{stem}.so")));
        std::fs::write(&from, &object).expect("the temporary directory is writable");
        let linked = std::process::Command::new("cc").arg("-shared").arg("-o").args([&to, &from]).arg("-lm").status();
        assert!(linked.expect("cc is installed").success(), "cc links the object");
        let path = CString::new(to.to_str().expect("the path is text")).expect("the path has no NUL");
        // SAFETY: the library was just made from the test's own module and has no initialisers.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "the library loads (undefined symbols?)");
        std::fs::remove_file(&from).expect("written above");
        std::fs::remove_file(&to).expect("linked above");
        Self { handle, object }
    }

    /// Names that the object needs from elsewhere.
    pub(crate) fn undefined_symbols(&self) -> Vec<String> {
        use object::{Object, ObjectSymbol};
        let file = object::File::parse(&*self.object).expect("LLVM writes valid objects");
        let undefined = file.symbols().filter(|symbol| symbol.is_undefined());
        let names = undefined.filter_map(|symbol| symbol.name().ok().map(String::from));
        names.filter(|name| !name.is_empty()).collect()
    }

    /// Calls a function made by [`test_function`] with these buffers.
    pub(crate) fn call(&self, name: &str, buffers: &mut [&mut [u8]]) {
        let symbol = CString::new(name).expect("no NUL in names");
        let mut table: Vec<*mut u8> = buffers.iter_mut().map(|buffer| buffer.as_mut_ptr()).collect();
        // SAFETY: the function has this signature by `test_function`; the buffers are borrowed for the call and the
        // access rule keeps it inside them.
        unsafe {
            let address = libc::dlsym(self.handle, symbol.as_ptr());
            assert!(!address.is_null(), "{name} is exported");
            let function = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut *mut u8)>(address);
            function(table.as_mut_ptr());
        }
    }
}

/// The targets that this machine can run, each vector level once.
pub(crate) fn targets() -> Vec<Target> {
    use crate::Isa;
    let mut found = Vec::new();
    for isa in [Isa::Sse42, Isa::Avx2, Isa::Avx512] {
        let target = Target::detect(Some(isa));
        if target.isa == isa {
            found.push(target);
        }
    }
    if found.is_empty() {
        found.push(Target::detect(None));
    }
    found
}

/// The bytes of a list of numbers, lowest byte first, each in `bytes` bytes.
pub(crate) fn to_bytes(items: &[u64], bytes: usize) -> Vec<u8> {
    items.iter().flat_map(|item| item.to_le_bytes().into_iter().take(bytes)).collect()
}

/// The inverse of [`to_bytes`].
pub(crate) fn from_bytes(bytes: &[u8], width: usize) -> Vec<u64> {
    let item = |chunk: &[u8]| chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    bytes.chunks_exact(width).map(item).collect()
}

#[test]
fn a_generated_function_runs_at_every_level() {
    for target in targets() {
        let context = Context::new("sum");
        test_function(&context, "sum", 3, |builder, buffers| {
            let ty = context.int(32).vector(32);
            let sum = builder.add(builder.load(ty, buffers[0], 4), builder.load(ty, buffers[1], 4));
            builder.store(sum, buffers[2], 4);
        });
        let loaded = Loaded::new(&context, &target);
        let (mut a, mut b) = (to_bytes(&(0..32).collect::<Vec<_>>(), 4), to_bytes(&[7; 32], 4));
        let mut c = vec![0; 128];
        loaded.call("sum", &mut [&mut a, &mut b, &mut c]);
        assert_eq!(from_bytes(&c, 4), (7..39).collect::<Vec<_>>(), "{:?}", target.isa);
    }
}
