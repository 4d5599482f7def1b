//! What programs load as modules: PTX text, fat binaries, ELF files with fat binaries in them, and our linker's output.
//!
//! A fat binary is a list of images for different architectures; those that are PTX (plain, or compressed with LZ4 or zstd) are
//! candidates, machine code is not. The best candidate is the one for the newest target that is not newer than the device.
//! PTX for a newer target is taken when there is no other, unless `VGPU_STRICT` is 1: most of it uses nothing new.
//!
//! Layouts: `fatbinary_section.h` for the wrapper and the file header; entry headers as ZLUDA's and LLVM's readers have them.

use crate::abi::In;
use crate::log;
use crate::status::{Result, Status};
use std::io::Read as _;

const WRAPPER_MAGIC: u32 = 0x4662_43b1;
const FATBIN_MAGIC: u32 = 0xba55_ed50;
const ELF_MAGIC: u32 = 0x464c_457f;
/// ELF machine of NVIDIA's device code.
const EM_CUDA: u16 = 190;
/// Entry kinds.
const KIND_PTX: u16 = 1;
/// Entry flags.
const FLAG_LZ4: u64 = 0x2000;
const FLAG_ZSTD: u64 = 0x8000;
/// No image is larger; a length beyond it is damage.
const MAX_BYTES: u64 = 1 << 32;
/// First line of [`join`]'s result.
const JOINED: &str = "// vgpu linked image\n";
const PART: &str = "// vgpu part ";

/// Why there is nothing to load, for the error log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) message: String,
}

fn refusal(status: Status, message: impl Into<String>) -> Refusal {
    Refusal { status, message: message.into() }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Copies the image at an address; its own headers say how long it is.
pub(crate) fn read(address: u64) -> Result<Vec<u8>> {
    let source = In::<u8>::at_address(address);
    if source.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // Text may be shorter than a header: look at one byte after the other.
    let mut magic = [0; 4];
    for (idx, byte) in magic.iter_mut().enumerate() {
        *byte = source.get_at(idx)?;
        if *byte == 0 {
            return source.bytes(idx);
        }
    }
    let sized = |n: u64| source.bytes(usize::try_from(n.min(MAX_BYTES)).unwrap_or(0));
    match u32::from_le_bytes(magic) {
        WRAPPER_MAGIC => {
            let wrapper = source.bytes(24)?;
            read(u64_at(&wrapper, 8).filter(|data| *data != 0).ok_or(Status::INVALID_IMAGE)?)
        }
        FATBIN_MAGIC => {
            let header = source.bytes(16)?;
            let (header_bytes, body) = (u16_at(&header, 6), u64_at(&header, 8));
            let (header_bytes, body) = header_bytes.zip(body).ok_or(Status::INVALID_IMAGE)?;
            sized(u64::from(header_bytes).saturating_add(body))
        }
        ELF_MAGIC => {
            let header = source.bytes(64)?;
            let sections = elf_sections(&header).ok_or(Status::INVALID_IMAGE)?;
            let end_of_table = sections.offset + sections.entry_bytes * sections.n;
            let table = sized(end_of_table)?;
            let end = (0..sections.n)
                .filter_map(|idx| sections.range(&table, idx))
                .map(|(start, len)| start.saturating_add(len))
                .fold(end_of_table, u64::max);
            sized(end)
        }
        _ => Ok(source.text()?.into_bytes()),
    }
}

struct Sections {
    offset: u64,
    entry_bytes: u64,
    n: u64,
    names_idx: u64,
}

impl Sections {
    fn entry(&self, idx: u64) -> usize {
        (self.offset + idx * self.entry_bytes) as usize
    }

    /// Offset and length of a section's bytes in the file; `None` for one without.
    fn range(&self, file: &[u8], idx: u64) -> Option<(u64, u64)> {
        const NOBITS: u32 = 8;
        let at = self.entry(idx);
        (u32_at(file, at + 4)? != NOBITS).then_some((u64_at(file, at + 24)?, u64_at(file, at + 32)?))
    }

    fn bytes<'a>(&self, file: &'a [u8], idx: u64) -> Option<&'a [u8]> {
        let (start, len) = self.range(file, idx)?;
        file.get(usize::try_from(start).ok()?..usize::try_from(start.checked_add(len)?).ok()?)
    }
}

/// The section table of a 64-bit little-endian ELF file.
fn elf_sections(header: &[u8]) -> Option<Sections> {
    (*header.get(4)? == 2 && *header.get(5)? == 1).then_some(())?;
    let sections = Sections {
        offset: u64_at(header, 40)?,
        entry_bytes: u16_at(header, 58)?.into(),
        n: u16_at(header, 60)?.into(),
        names_idx: u16_at(header, 62)?.into(),
    };
    (sections.offset < MAX_BYTES && sections.entry_bytes >= 64).then_some(sections)
}

/// A PTX text with the architecture number of its target.
struct Candidate {
    architecture: u32,
    /// `sm_90a` and the like: only for exactly that device.
    specific: bool,
    text: String,
}

#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    /// Architectures of machine code.
    machine_code: Vec<u32>,
}

/// The PTX texts of an image that are to be loaded together, for a device of that capability.
pub(crate) fn texts(image: &[u8], capability: (u32, u32)) -> std::result::Result<Vec<String>, Refusal> {
    let invalid = |what: &str| refusal(Status::INVALID_IMAGE, format!("the image is damaged: {what}"));
    let mut found = Found::default();
    match u32_at(image, 0) {
        Some(FATBIN_MAGIC) => fat_binaries(image, &mut found).map_err(|what| invalid(&what))?,
        Some(ELF_MAGIC) => elf(image, &mut found).map_err(|what| invalid(&what))?,
        _ => return text(image),
    }
    choose(found, capability.0 * 10 + capability.1)
}

/// A text image, zero-terminated or not.
fn text(image: &[u8]) -> std::result::Result<Vec<String>, Refusal> {
    let end = image.iter().position(|byte| *byte == 0).unwrap_or(image.len());
    let text = String::from_utf8_lossy(&image[..end]);
    if !text.contains(".version") {
        let message = "the image is neither PTX text nor a fat binary nor an ELF file";
        return Err(refusal(Status::INVALID_IMAGE, message));
    }
    Ok(split(&text).unwrap_or_else(|| vec![text.into_owned()]))
}

fn elf(image: &[u8], found: &mut Found) -> std::result::Result<(), String> {
    let header = image.get(..64).ok_or("the ELF header is cut off")?;
    if u16_at(header, 18) == Some(EM_CUDA) {
        // The flags of a cubin hold the architecture: in the low byte, and since ELF ABI 8 in the second.
        let flags = u32_at(header, 48).unwrap_or(0);
        let (old, new) = (flags & 0xff, flags >> 8 & 0xff);
        found.machine_code.push(if header[8] >= 8 { new } else { old });
        return Ok(());
    }
    let sections = elf_sections(header).ok_or("the ELF section table is missing")?;
    let names = sections.bytes(image, sections.names_idx).ok_or("the ELF section names are missing")?;
    for idx in 0..sections.n {
        let Some(name) = u32_at(image, sections.entry(idx)) else { continue };
        let name = names.get(name as usize..).unwrap_or_default();
        if name.starts_with(b".nv_fatbin\0") || name.starts_with(b"__nv_relfatbin\0") {
            fat_binaries(sections.bytes(image, idx).ok_or("a section is cut off")?, found)?;
        }
    }
    Ok(())
}

/// One fat binary after the other.
fn fat_binaries(mut bytes: &[u8], found: &mut Found) -> std::result::Result<(), String> {
    while u32_at(bytes, 0) == Some(FATBIN_MAGIC) {
        let header_bytes = usize::from(u16_at(bytes, 6).ok_or("a header is cut off")?);
        let body = u64_at(bytes, 8).ok_or("a header is cut off")?;
        let end = usize::try_from(body).ok().and_then(|body| header_bytes.checked_add(body));
        let end = end.filter(|end| *end <= bytes.len() && header_bytes >= 16).ok_or("a fat binary is cut off")?;
        entries(&bytes[header_bytes..end], found)?;
        bytes = &bytes[end..];
        // Fat binaries in one section are aligned to 8 bytes.
        while bytes.len() >= 8 && bytes[..8] == [0; 8] {
            bytes = &bytes[8..];
        }
    }
    Ok(())
}

fn entries(mut bytes: &[u8], found: &mut Found) -> std::result::Result<(), String> {
    while !bytes.is_empty() {
        let cut = "an entry is cut off";
        let kind = u16_at(bytes, 0).ok_or(cut)?;
        let header_bytes = u32_at(bytes, 4).ok_or(cut)? as usize;
        let padded = usize::try_from(u64_at(bytes, 8).ok_or(cut)?).map_err(|_| cut)?;
        let compressed = u32_at(bytes, 16).ok_or(cut)? as usize;
        let architecture = u32_at(bytes, 28).ok_or(cut)?;
        let flags = u64_at(bytes, 40).ok_or(cut)?;
        let plain = u64_at(bytes, 56).unwrap_or(0);
        let end =
            header_bytes.checked_add(padded).filter(|end| *end <= bytes.len() && header_bytes >= 48).ok_or(cut)?;
        let payload = &bytes[header_bytes..end];
        if kind == KIND_PTX {
            let packed = payload.get(..compressed).filter(|_| compressed > 0).unwrap_or(payload);
            let text = unpack(packed, payload, flags, plain)?;
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            let text = String::from_utf8_lossy(&text[..end]).into_owned();
            let target = target_of(&text);
            let specific = target.is_some_and(|(_, specific)| specific);
            found.candidates.push(Candidate { architecture: target.map_or(architecture, |it| it.0), specific, text });
        } else {
            found.machine_code.push(architecture);
        }
        bytes = &bytes[end..];
    }
    Ok(())
}

fn unpack(packed: &[u8], payload: &[u8], flags: u64, plain: u64) -> std::result::Result<Vec<u8>, String> {
    let n = usize::try_from(plain.min(MAX_BYTES)).unwrap_or(0);
    if flags & FLAG_ZSTD != 0 {
        let mut text = Vec::with_capacity(n.min(1 << 26));
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| format!("zstd: {error}"))?;
        decoder.by_ref().take(MAX_BYTES).read_to_end(&mut text).map_err(|error| format!("zstd: {error}"))?;
        return Ok(text);
    }
    if flags & FLAG_LZ4 != 0 {
        return lz4_flex::block::decompress(packed, n.max(packed.len())).map_err(|error| format!("lz4: {error}"));
    }
    Ok(payload.to_vec())
}

/// Number of the first `.target sm_NN`, and whether it has a suffix that ties it to that architecture.
fn target_of(text: &str) -> Option<(u32, bool)> {
    let (_, rest) = text.split_once(".target")?;
    let (_, rest) = rest.split_once("sm_")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let specific = rest[digits.len()..].starts_with('a');
    Some((digits.parse().ok()?, specific))
}

fn is_strict() -> bool {
    std::env::var("VGPU_STRICT").is_ok_and(|value| value == "1")
}

fn choose(found: Found, own: u32) -> std::result::Result<Vec<String>, Refusal> {
    let mut candidates = found.candidates;
    candidates.sort_by_key(|candidate| {
        let newer = candidate.architecture > own || candidate.specific && candidate.architecture != own;
        // The nearest below first, then the nearest above.
        let distance = if newer { candidate.architecture } else { own - candidate.architecture };
        (newer, distance)
    });
    let best = candidates.into_iter().next();
    let best = best.filter(|best| best.architecture <= own || !is_strict());
    best.map(|best| vec![best.text]).ok_or_else(|| {
        let mut machine: Vec<_> = found.machine_code.iter().map(|sm| format!("sm_{sm}")).collect();
        machine.sort();
        machine.dedup();
        let holds = if machine.is_empty() {
            "nothing".to_owned()
        } else {
            format!("only machine code for {}", machine.join(", "))
        };
        let message = format!(
            "the image holds {holds} and no PTX for sm_{own} or older; compile with PTX in it: \
             nvcc -gencode arch=compute_{own},code=compute_{own} (vgpu nvcc adds it)"
        );
        log::once(&message, "");
        refusal(Status::NO_BINARY_FOR_GPU, message)
    })
}

/// Several texts as one image, which [`texts`] takes apart again.
pub(crate) fn join(texts: &[String]) -> String {
    if let [text] = texts {
        return text.clone();
    }
    let mut image = JOINED.to_owned();
    for text in texts {
        image.push_str(&format!("{PART}{}\n{text}\n", text.len()));
    }
    image
}

fn split(image: &str) -> Option<Vec<String>> {
    let mut rest = image.strip_prefix(JOINED)?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(PART) {
        let (len, body) = part.split_once('\n')?;
        let len: usize = len.parse().ok()?;
        parts.push(body.get(..len)?.to_owned());
        rest = body.get(len + 1..)?;
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ptx(target: &str) -> String {
        format!(".version 8.0\n.target {target}\n.address_size 64\n")
    }

    fn entry(kind: u16, architecture: u32, payload: &[u8], flags: u64, plain: usize) -> Vec<u8> {
        let padded = payload.len().next_multiple_of(8);
        let mut bytes = vec![0; 64 + padded];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&64u32.to_le_bytes());
        bytes[8..16].copy_from_slice(&(padded as u64).to_le_bytes());
        bytes[16..20].copy_from_slice(&(if flags == 0 { 0 } else { payload.len() as u32 }).to_le_bytes());
        bytes[28..32].copy_from_slice(&architecture.to_le_bytes());
        bytes[40..48].copy_from_slice(&flags.to_le_bytes());
        bytes[56..64].copy_from_slice(&(plain as u64).to_le_bytes());
        bytes[64..64 + payload.len()].copy_from_slice(payload);
        bytes
    }

    fn fat_binary(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = FATBIN_MAGIC.to_le_bytes().to_vec();
        bytes.extend([1, 0, 16, 0]);
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_best_ptx_is_chosen() {
        let all = ["sm_50", "sm_80", "sm_90", "sm_86a"].map(|target| entry(KIND_PTX, 0, ptx(target).as_bytes(), 0, 0));
        let image = fat_binary(&all);
        assert_eq!(texts(&image, (8, 9)).unwrap(), [ptx("sm_80")]);
        assert_eq!(texts(&image, (5, 2)).unwrap(), [ptx("sm_50")]);
        assert_eq!(texts(&image, (12, 0)).unwrap(), [ptx("sm_90")]);
        let newer = fat_binary(&all[2..3]);
        assert_eq!(texts(&newer, (8, 9)).unwrap(), [ptx("sm_90")]);
    }

    #[test]
    fn compressed_ptx_is_unpacked() {
        let text = ptx("sm_70").repeat(20);
        let packed = lz4_flex::block::compress(text.as_bytes());
        let image = fat_binary(&[entry(KIND_PTX, 70, &packed, FLAG_LZ4, text.len())]);
        assert_eq!(texts(&image, (8, 9)).unwrap(), std::slice::from_ref(&text));
        let packed = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        let image = fat_binary(&[entry(KIND_PTX, 70, &packed, FLAG_ZSTD, text.len())]);
        assert_eq!(texts(&image, (8, 9)).unwrap(), [text]);
    }

    #[test]
    fn machine_code_alone_is_refused_with_advice() {
        let refused = texts(&fat_binary(&[entry(2, 90, &[1; 64], 0, 0)]), (8, 9)).unwrap_err();
        assert_eq!(refused.status, Status::NO_BINARY_FOR_GPU);
        assert!(refused.message.contains("sm_90") && refused.message.contains("compute_89"), "{}", refused.message);
        let mut cubin = vec![0; 64];
        cubin[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x33");
        cubin[18..20].copy_from_slice(&EM_CUDA.to_le_bytes());
        assert_eq!(texts(&cubin, (8, 9)).unwrap_err().status, Status::NO_BINARY_FOR_GPU);
    }

    #[test]
    fn damaged_images_are_errors_and_never_panics() {
        let image = fat_binary(&[
            entry(KIND_PTX, 70, &lz4_flex::block::compress(ptx("sm_70").as_bytes()), FLAG_LZ4, 60),
            entry(KIND_PTX, 80, ptx("sm_80").as_bytes(), 0, 0),
        ]);
        for len in 0..image.len() {
            assert!(texts(&image[..len], (8, 9)).is_err(), "{len}");
        }
        for at in 0..image.len() {
            let mut damaged = image.clone();
            damaged[at] ^= 0xff;
            let _ = texts(&damaged, (8, 9));
        }
        let mut elf = vec![0u8; 200];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert_eq!(texts(&elf, (8, 9)).unwrap_err().status, Status::INVALID_IMAGE);
        assert_eq!(texts(b"hello", (8, 9)).unwrap_err().status, Status::INVALID_IMAGE);
    }

    #[test]
    fn joined_texts_come_apart() {
        let parts = vec![ptx("sm_70"), ptx("sm_80") + "// vgpu part 3\n"];
        assert_eq!(texts(join(&parts).as_bytes(), (8, 9)).unwrap(), parts);
        assert_eq!(join(&parts[..1]), parts[0]);
    }
}
