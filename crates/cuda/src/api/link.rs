//! The linker: several PTX texts (and fat binaries with PTX) become one image.

use crate::abi::{In, Out, entries};
use crate::api::module::{capability, read_file};
use crate::context;
use crate::driver::lock;
use crate::handle::{Kind, Table};
use crate::image;
use crate::jit::Options;
use crate::module::{self, MODULES};
use crate::status::{Result, Status};
use std::ffi::c_char;
use std::sync::Mutex;

const INPUT_CUBIN: u32 = 0;
const INPUT_LIBRARY: u32 = 4;
const INPUT_NVVM: u32 = 5;

static LINKS: Table<Link> = Table::new(Kind::Link);

struct Link {
    options: Options,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    texts: Vec<String>,
    /// The result with a zero byte; its address stays good until the link is destroyed.
    linked: Option<Box<str>>,
}

fn create(n: u32, names: In<u32>, values: In<u64>, to: Out<u64>) -> Result<()> {
    to.check()?;
    context::healthy()?;
    let options = Options::read(n, names, values)?;
    to.set(LINKS.insert(Link { options, state: Mutex::default() })?)
}

fn add(link: u64, kind: u32, bytes: &[u8]) -> Result<()> {
    let link = LINKS.get(link)?;
    if kind > INPUT_NVVM {
        return Err(Status::INVALID_VALUE);
    }
    if kind == INPUT_LIBRARY && bytes.starts_with(b"!<arch>\n") {
        // Device libraries (libcudadevrt): what programs use of them is built in.
        return Ok(());
    }
    if kind == INPUT_NVVM {
        let message = "the linker was given NVVM IR (-dlto); compile to PTX, or link with the nvJitLink of vgpu";
        return Err(link.options.fail(Status::NOT_SUPPORTED, message));
    }
    let capability = capability(&context::current()?);
    let texts = image::texts(bytes, capability).map_err(|refusal| link.options.refuse_image(&refusal))?;
    let mut state = lock(&link.state);
    if state.linked.is_some() {
        return Err(Status::INVALID_VALUE);
    }
    state.texts.extend(texts);
    Ok(())
}

fn add_data(link: u64, kind: u32, data: In<u8>, bytes: usize) -> Result<()> {
    if data.is_null() || bytes == 0 {
        return Err(Status::INVALID_VALUE);
    }
    if kind == INPUT_CUBIN && bytes < 4 {
        return Err(Status::INVALID_IMAGE);
    }
    add(link, kind, &data.bytes(bytes)?)
}

entries! {
    fn cuLinkCreate(n: u32, names: In<u32>, values: In<u64>, to: Out<u64>) {
        create(n, names, values, to)
    }

    fn cuLinkCreate_v2(n: u32, names: In<u32>, values: In<u64>, to: Out<u64>) {
        create(n, names, values, to)
    }

    fn cuLinkAddData(
        link: u64, kind: u32, data: In<u8>, bytes: usize, name: In<c_char>, n: u32, names: In<u32>, values: In<u64>
    ) {
        let _ = (name, n, names, values);
        add_data(link, kind, data, bytes)
    }

    fn cuLinkAddData_v2(
        link: u64, kind: u32, data: In<u8>, bytes: usize, name: In<c_char>, n: u32, names: In<u32>, values: In<u64>
    ) {
        let _ = (name, n, names, values);
        add_data(link, kind, data, bytes)
    }

    fn cuLinkAddFile(link: u64, kind: u32, path: In<c_char>, n: u32, names: In<u32>, values: In<u64>) {
        let _ = (n, names, values);
        LINKS.get(link)?;
        add(link, kind, &read_file(path)?)
    }

    fn cuLinkAddFile_v2(link: u64, kind: u32, path: In<c_char>, n: u32, names: In<u32>, values: In<u64>) {
        let _ = (n, names, values);
        LINKS.get(link)?;
        add(link, kind, &read_file(path)?)
    }

    fn cuLinkComplete(link: u64, image: Out<u64>, bytes: Out<usize>) {
        image.check()?;
        let link = LINKS.get(link)?;
        let context = context::healthy()?;
        let mut state = lock(&link.state);
        if state.linked.is_none() {
            // Loading it once finds everything that is undefined or defined twice.
            let handle = module::load(&context, &state.texts).map_err(|error| link.options.refuse(error))?;
            MODULES.remove(handle)?;
            state.linked = Some(format!("{}\0", image::join(&state.texts)).into());
        }
        link.options.succeed();
        let linked = state.linked.as_ref().ok_or(Status::UNKNOWN)?;
        bytes.set_if_wanted(linked.len());
        image.set(linked.as_ptr() as u64)
    }

    fn cuLinkDestroy(link: u64) {
        LINKS.remove(link).map(drop)
    }
}
