//! What stands where in a checkpoint file. All numbers are little-endian.
//!
//! * Head, at 0: [`MAGIC`], then sixteen bytes that tell this file from others.
//! * Index: number of sections; for each the length of its name, the name, its bytes, and per block its place (0 for zeros) and hash.
//! * Footer, [`ALIGN`] bytes: [`FOOTER`], the file's sixteen bytes, its own place, the checkpoint's number, the index's place, length
//!   and hash, then the hash of all this. Its own place and the file's bytes keep a copy of a footer in somebody's data from
//!   being taken for one.

use std::ops::Range;

/// Bytes of a block.
pub const BLOCK: usize = 64 << 10;
/// Blocks, indices and footers begin at multiples of this.
pub const ALIGN: u64 = 4096;

pub(super) const MAGIC: &[u8; 16] = b"vgpu checkpoint1";
const FOOTER: &[u8; 16] = b"vgpu ckpt footer";

/// Identity of a file.
pub(super) type FileId = [u8; 16];
/// Hash of a block or an index.
pub(super) type Hash = [u8; 32];

pub(super) fn hash(bytes: &[u8]) -> Hash {
    blake3::hash(bytes).into()
}

/// Where a block is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRef {
    /// Place in the file; 0 for a block of zeros.
    pub(super) at: u64,
    pub(super) hash: Hash,
}

/// A section and its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) blocks: Vec<BlockRef>,
}

impl Entry {
    /// The part of the section that block `idx` holds.
    pub(super) fn range(&self, idx: usize) -> Range<u64> {
        let start = idx as u64 * BLOCK as u64;
        start..(start + BLOCK as u64).min(self.bytes)
    }
}

pub(super) fn n_blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK as u64)
}

pub(super) fn encode_index(entries: &[Entry]) -> Vec<u8> {
    let mut out = (entries.len() as u64).to_le_bytes().to_vec();
    for entry in entries {
        out.extend((entry.name.len() as u64).to_le_bytes());
        out.extend(entry.name.as_bytes());
        out.extend(entry.bytes.to_le_bytes());
        for block in &entry.blocks {
            out.extend(block.at.to_le_bytes());
            out.extend(block.hash);
        }
    }
    out
}

/// Takes bytes from the front of a text that may be anything.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// An index whose hash was checked; `None` all the same when it makes no sense.
pub(super) fn decode_index(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = Reader(bytes);
    let n = reader.number()?;
    let mut entries = Vec::new();
    for _ in 0..n {
        let len = usize::try_from(reader.number()?).ok()?;
        let name = String::from_utf8(reader.bytes(len)?.to_vec()).ok()?;
        let bytes = reader.number()?;
        let n_blocks = n_blocks(bytes);
        // Forty bytes per block must be there: no allocation beyond what the file can hold.
        if n_blocks > reader.0.len() as u64 / 40 {
            return None;
        }
        let block = |_| Some(BlockRef { at: reader.number()?, hash: reader.array()? });
        let blocks = (0..n_blocks).map(block).collect::<Option<Vec<_>>>()?;
        entries.push(Entry { name, bytes, blocks });
    }
    reader.0.is_empty().then_some(entries)
}

/// The last part of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    /// Counts the checkpoints of a file's history.
    pub(super) number: u64,
    pub(super) index_at: u64,
    pub(super) index_bytes: u64,
    pub(super) index_hash: Hash,
}

impl Footer {
    pub(super) fn encode(&self, file: &FileId, at: u64) -> Vec<u8> {
        let mut out = FOOTER.to_vec();
        out.extend(file);
        for number in [at, self.number, self.index_at, self.index_bytes] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.index_hash);
        out.extend(hash(&out));
        out.resize(ALIGN as usize, 0);
        out
    }

    pub(super) fn decode(bytes: &[u8], file: &FileId, at: u64) -> Option<Self> {
        let mut reader = Reader(bytes);
        let ours = reader.bytes(16)? == FOOTER && reader.bytes(16)? == file && reader.number()? == at;
        let footer = Self {
            number: reader.number()?,
            index_at: reader.number()?,
            index_bytes: reader.number()?,
            index_hash: reader.array()?,
        };
        let covered = bytes.len() - reader.0.len();
        (ours && reader.array::<32>()? == hash(&bytes[..covered])).then_some(footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back_and_garbage_does_not() {
        let block = |at| BlockRef { at, hash: hash(&[at as u8]) };
        let entries = vec![
            Entry { name: "memory".into(), bytes: BLOCK as u64 + 5, blocks: vec![block(4096), block(0)] },
            Entry { name: String::new(), bytes: 0, blocks: vec![] },
        ];
        let bytes = encode_index(&entries);
        assert_eq!(decode_index(&bytes), Some(entries));
        for cut in 0..bytes.len() {
            assert_eq!(decode_index(&bytes[..cut]), None);
        }
        assert_eq!(decode_index(&u64::MAX.to_le_bytes()), None);
        let mut huge = encode_index(&[Entry { name: "x".into(), bytes: 0, blocks: vec![] }]);
        let at = huge.len() - 8;
        huge[at..].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(decode_index(&huge), None);
    }

    #[test]
    fn a_footer_counts_only_where_it_was_written() {
        let footer = Footer { number: 3, index_at: 8192, index_bytes: 77, index_hash: [9; 32] };
        let bytes = footer.encode(&[1; 16], 12288);
        assert_eq!(Footer::decode(&bytes, &[1; 16], 12288), Some(footer));
        assert_eq!(Footer::decode(&bytes, &[1; 16], 16384), None);
        assert_eq!(Footer::decode(&bytes, &[2; 16], 12288), None);
        for at in 0..150 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Footer::decode(&damaged, &[1; 16], 12288).is_some(), at >= 128, "byte {at}");
        }
    }
}
