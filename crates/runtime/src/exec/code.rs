//! Loading relocatable objects: sections into fresh pages, relocations applied, then write permission taken away.
//!
//! Model. The image is three parts on pages of their own: executable (text and stubs to library functions), read-only
//! (constants and the table of addresses), writable (data). It is built in ordinary memory, where every access is checked, and
//! copied once. An object may come from a disk cache: whatever is wrong with it is an error, never a panic.

use super::guard::Entry;
use super::library;
use super::os::{PAGE, Range};
use super::reloc::{self, Machine, Wants};
use crate::error::Error;
use object::read::elf::ElfFile64;
use object::{
    Architecture, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags, SectionIndex,
};
use object::{SymbolIndex, SymbolSection, elf};
use std::collections::HashMap;
use vgpu_jit::{EntryKind, KernelLayout, ObjectCode};

/// Largest image accepted.
const MAX_IMAGE_BYTES: u64 = 1 << 30;

/// Loaded machine code of one kernel.
#[derive(Debug)]
pub(crate) struct Code {
    range: Range,
    text_bytes: u64,
    entry: u64,
    layout: KernelLayout,
}

impl Code {
    /// Loads an object. The message says what is wrong with it.
    pub(crate) fn load(object: &ObjectCode) -> Result<Self, String> {
        check_layout(&object.layout)?;
        let image = Image::build(object)?;
        let system = |error: Error| error.to_string();
        let range = image.range;
        let len = image.bytes.len() as u64;
        range.commit(0, len).map_err(system)?;
        // SAFETY: the range is committed, at least as long as the bytes, and nobody else has its address yet.
        unsafe { std::ptr::copy_nonoverlapping(image.bytes.as_ptr(), range.base() as *mut u8, image.bytes.len()) };
        synchronize_instructions(range.base(), image.parts[0]);
        range.make_executable(0, image.parts[0]).map_err(system)?;
        let read_only = image.parts[1] - image.parts[0];
        if read_only > 0 {
            range.make_read_only(image.parts[0], read_only).map_err(system)?;
        }
        let code = Self { range, text_bytes: image.parts[0], entry: image.entry, layout: object.layout.clone() };
        Ok(code)
    }

    /// What the code needs.
    pub(crate) const fn layout(&self) -> &KernelLayout {
        &self.layout
    }

    /// The entry point. A straight kernel ignores the second argument.
    pub(crate) fn entry(&self) -> Entry {
        // SAFETY: `load` checked that the address lies in the executable part of the image, which lives as long as `self`. Both
        // kinds of entry can be called this way: the C ABI passes an argument that is not read in a scratch register.
        unsafe { std::mem::transmute::<usize, Entry>(self.entry as usize) }
    }

    /// Offset of an instruction in the image; `u64::MAX` when it is elsewhere.
    pub(crate) fn offset_of(&self, pc: u64) -> u64 {
        let offset = pc.wrapping_sub(self.range.base());
        if offset < self.text_bytes { offset } else { u64::MAX }
    }
}

fn check_layout(layout: &KernelLayout) -> Result<(), String> {
    let bounded = layout.lanes >= 1
        && layout.programs >= 1
        && u64::from(layout.lanes) * u64::from(layout.programs) <= 1 << 16
        && layout.frame_bytes <= 1 << 26
        && layout.local_bytes <= 1 << 26
        && layout.shared_static_bytes <= 1 << 26;
    let aligned = layout.frame_bytes.is_multiple_of(64) && layout.local_bytes.is_multiple_of(16);
    let framed =
        layout.entry == EntryKind::Straight || layout.frame_bytes as usize >= size_of::<vgpu_jit::abi::FrameHeader>();
    if bounded && aligned && framed { Ok(()) } else { Err(format!("its layout is not possible: {layout:?}")) }
}

/// An image under construction: where everything goes and what the bytes are.
struct Image {
    range: Range,
    bytes: Vec<u8>,
    /// Ends of the executable and of the read-only part.
    parts: [u64; 2],
    entry: u64,
}

/// Where sections and made-up tables lie, as offsets in the image.
#[derive(Default)]
struct Places {
    sections: HashMap<SectionIndex, u64>,
    /// Stub of each function outside the object.
    stubs: HashMap<SymbolIndex, u64>,
    /// Address-table slot of each symbol that wants one.
    slots: HashMap<SymbolIndex, u64>,
}

type File<'a> = ElfFile64<'a, object::Endianness>;

impl Image {
    fn build(object: &ObjectCode) -> Result<Self, String> {
        let file = File::parse(object.elf.as_slice()).map_err(|error| format!("not an ELF object: {error}"))?;
        let machine = match file.architecture() {
            Architecture::X86_64 => Machine::X86_64,
            Architecture::Aarch64 => Machine::Aarch64,
            other => return Err(format!("made for {other:?}")),
        };
        if machine != Machine::HOST {
            return Err(format!("made for {machine:?}, this is {:?}", Machine::HOST));
        }
        let (places, parts, total) = place(&file, machine)?;
        let range = Range::reserve(total).map_err(|error| error.to_string())?;
        let mut bytes = vec![0; total as usize];
        for section in file.sections() {
            if let Some(&start) = places.sections.get(&section.index()) {
                let data = section.data().map_err(|error| error.to_string())?;
                let to =
                    bytes.get_mut(start as usize..start as usize + data.len()).ok_or("a section overlaps the end")?;
                to.copy_from_slice(data);
            }
        }
        let linker = Linker { file: &file, machine, places: &places, base: range.base() };
        linker.fill_tables(&mut bytes)?;
        linker.relocate(&mut bytes)?;
        let entry = linker.entry(&object.entry_symbol, parts[0])?;
        Ok(Self { range, bytes, parts, entry })
    }
}

fn flags_of<'a>(section: &impl ObjectSection<'a>) -> u64 {
    match section.flags() {
        SectionFlags::Elf { sh_flags, .. } => sh_flags.0,
        _ => 0,
    }
}

/// Unwind tables serve nobody here: generated code is left by faults, never by unwinding.
fn is_loaded<'a>(section: &impl ObjectSection<'a>) -> bool {
    flags_of(section) & elf::SHF_ALLOC.0 != 0
        && !matches!(section.name(), Ok(".eh_frame" | ".note.GNU-stack" | ".note.gnu.property"))
}

/// Lays sections, stubs and slots out. Returns them with the ends of the executable and read-only parts and the total size.
fn place(file: &File<'_>, machine: Machine) -> Result<(Places, [u64; 2], u64), String> {
    let mut places = Places::default();
    let mut end = 0u64;
    let mut parts = [0; 2];
    let mut wanted = Vec::new();
    for section in file.sections().filter(is_loaded) {
        for (_, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                return Err("a relocation without a symbol".to_owned());
            };
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                return Err("a relocation of another format".to_owned());
            };
            let wants = reloc::wants(machine, r_type)
                .ok_or_else(|| format!("relocation kind {} is not supported", r_type.0))?;
            wanted.push((symbol, wants));
        }
    }
    for part in 0..3 {
        for section in file.sections().filter(is_loaded) {
            let flags = flags_of(&section);
            let of_part = if flags & elf::SHF_EXECINSTR.0 != 0 {
                0
            } else if flags & elf::SHF_WRITE.0 != 0 {
                2
            } else {
                1
            };
            if of_part != part || section.size() == 0 {
                continue;
            }
            let align = section.align().max(1);
            if !align.is_power_of_two() || align > PAGE || section.size() > MAX_IMAGE_BYTES {
                return Err(format!("section of {} bytes aligned to {align}", section.size()));
            }
            end = end.next_multiple_of(align);
            places.sections.insert(section.index(), end);
            end += section.size();
            if end > MAX_IMAGE_BYTES {
                return Err(format!("more than {MAX_IMAGE_BYTES} bytes"));
            }
        }
        end = end.next_multiple_of(16);
        for &(symbol, wants) in &wanted {
            let undefined = file.symbol_by_index(symbol).map_err(|error| error.to_string())?.is_undefined();
            if part == 0 && wants == Wants::Reachable && undefined && !places.stubs.contains_key(&symbol) {
                places.stubs.insert(symbol, end);
                end += Machine::STUB_BYTES as u64;
            }
            if part == 1 && wants == Wants::Slot && !places.slots.contains_key(&symbol) {
                places.slots.insert(symbol, end);
                end += 8;
            }
        }
        end = end.next_multiple_of(PAGE);
        if let Some(slot) = parts.get_mut(part) {
            *slot = end;
        }
    }
    if parts[0] == 0 {
        return Err("no executable section".to_owned());
    }
    Ok((places, parts, end))
}

struct Linker<'a> {
    file: &'a File<'a>,
    machine: Machine,
    places: &'a Places,
    base: u64,
}

impl Linker<'_> {
    /// Final address of a symbol.
    fn address(&self, symbol: SymbolIndex) -> Result<u64, String> {
        let symbol = self.file.symbol_by_index(symbol).map_err(|error| error.to_string())?;
        match symbol.section() {
            SymbolSection::Section(section) => {
                let start = self.places.sections.get(&section).ok_or("a symbol in a section that is not loaded")?;
                Ok((self.base + start).wrapping_add(symbol.address()))
            }
            SymbolSection::Absolute => Ok(symbol.address()),
            SymbolSection::Undefined => {
                let name = symbol.name().map_err(|error| error.to_string())?;
                library::address(name).ok_or_else(|| format!("it calls \"{name}\", which is not provided"))
            }
            other => Err(format!("a symbol in section {other:?}")),
        }
    }

    fn fill_tables(&self, bytes: &mut [u8]) -> Result<(), String> {
        for (&symbol, &at) in &self.places.stubs {
            let stub = self.machine.stub(self.address(symbol)?);
            bytes[at as usize..at as usize + stub.len()].copy_from_slice(&stub);
        }
        for (&symbol, &at) in &self.places.slots {
            bytes[at as usize..at as usize + 8].copy_from_slice(&self.address(symbol)?.to_le_bytes());
        }
        Ok(())
    }

    fn relocate(&self, bytes: &mut [u8]) -> Result<(), String> {
        for section in self.file.sections() {
            let Some(&start) = self.places.sections.get(&section.index()) else { continue };
            let end = start + section.size();
            for (offset, relocation) in section.relocations() {
                let (RelocationTarget::Symbol(symbol), RelocationFlags::Elf { r_type }) =
                    (relocation.target(), relocation.flags())
                else {
                    return Err("a relocation of another format".to_owned());
                };
                let target = match reloc::wants(self.machine, r_type) {
                    Some(Wants::Slot) => self.places.slots.get(&symbol).map(|at| self.base + at),
                    Some(Wants::Reachable) => self.places.stubs.get(&symbol).map(|at| self.base + at),
                    _ => None,
                };
                let target = match target {
                    Some(target) => target,
                    None => self.address(symbol)?,
                };
                let at = start.checked_add(offset).filter(|at| *at < end).ok_or("a relocation outside its section")?;
                let value = target.wrapping_add(relocation.addend() as u64);
                reloc::apply(self.machine, r_type, &mut bytes[at as usize..end as usize], value, self.base + at)?;
            }
        }
        Ok(())
    }

    fn entry(&self, name: &str, text_bytes: u64) -> Result<u64, String> {
        let symbol = self.file.symbols().find(|symbol| symbol.is_definition() && symbol.name() == Ok(name));
        let symbol = symbol.ok_or_else(|| format!("it has no entry \"{name}\""))?;
        let address = self.address(symbol.index())?;
        if address.wrapping_sub(self.base) < text_bytes {
            Ok(address)
        } else {
            Err(format!("entry \"{name}\" is not in an executable section"))
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn synchronize_instructions(_start: u64, _bytes: u64) {
    // x86 keeps instruction fetches coherent with stores.
}

#[cfg(not(target_arch = "x86_64"))]
fn synchronize_instructions(start: u64, bytes: u64) {
    unsafe extern "C" {
        fn __clear_cache(start: *mut libc::c_void, end: *mut libc::c_void);
    }
    // SAFETY: the compiler's runtime provides it; the range is committed.
    unsafe { __clear_cache(start as *mut libc::c_void, (start + bytes) as *mut libc::c_void) };
}
