//! Pages made smaller: byte shuffling, lz4, zstd, when each pays, and the checksum of stored pages.
//!
//! Model. A page of numbers seldom repeats bytes one after the other, but its sign and exponent bytes repeat each other; so
//! bytes are sorted by their place in the number before a general compressor looks at them. Which codec is used is found on a
//! sample of the page and the measured speeds: writing raw pages runs at the disk's bandwidth `B`, writing through a
//! compressor of speed `C` and ratio `r` at `min(C, r B)`, so it pays when that is more than `B` ([`for_disk`]). The memory
//! tier also saves the way to the disk and back, so there it pays when packing and unpacking take less time than both
//! transfers, and the page really gets smaller ([`for_memory`]).
//!
//! What it does not do: decide where pages go (`pager` does), or lose a bit.

/// How a page is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// As it is.
    Raw,
    /// lz4.
    Lz4,
    /// Bytes shuffled for numbers of this many bytes, then lz4.
    ShuffleLz4(u8),
    /// The same with zstd at level 1.
    ShuffleZstd(u8),
}

/// The codecs that are tried.
pub const CANDIDATES: [Codec; 5] =
    [Codec::Lz4, Codec::ShuffleLz4(2), Codec::ShuffleLz4(4), Codec::ShuffleLz4(8), Codec::ShuffleZstd(4)];

/// Least ratio at which the memory tier is worth its place.
pub const MIN_RATIO: f64 = 1.25;

/// Stored bytes that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Speeds in bytes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speeds {
    /// Packing.
    pub pack: f64,
    /// Unpacking.
    pub unpack: f64,
}

impl Codec {
    /// Speeds to begin with, before any are measured: of one core of a server of 2023.
    pub const fn usual_speeds(self) -> Speeds {
        match self {
            Self::Raw => Speeds { pack: 1e10, unpack: 1e10 },
            Self::Lz4 => Speeds { pack: 1.7e9, unpack: 5.0e9 },
            Self::ShuffleLz4(_) => Speeds { pack: 0.9e9, unpack: 3.0e9 },
            Self::ShuffleZstd(_) => Speeds { pack: 0.6e9, unpack: 1.2e9 },
        }
    }

    /// Packs a page.
    pub fn pack(self, page: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => page.to_vec(),
            Self::Lz4 => lz4_flex::block::compress(page),
            Self::ShuffleLz4(width) => lz4_flex::block::compress(&shuffled(page, width)),
            // Memory is the only way in which packing into a vector can fail, and then the page stays as it is, which
            // the caller sees from its length.
            Self::ShuffleZstd(width) => {
                zstd::bulk::compress(&shuffled(page, width), 1).unwrap_or_else(|_| page.to_vec())
            }
        }
    }

    /// Unpacks exactly a page.
    ///
    /// # Errors
    /// [`Damaged`] when the bytes are not a packed page of that length.
    pub fn unpack(self, packed: &[u8], page: &mut [u8]) -> Result<(), Damaged> {
        let exactly = |n: usize, page: &[u8]| if n == page.len() { Ok(()) } else { Err(Damaged) };
        match self {
            Self::Raw => {
                exactly(packed.len(), page)?;
                page.copy_from_slice(packed);
                Ok(())
            }
            Self::Lz4 => exactly(lz4_flex::block::decompress_into(packed, page).map_err(|_| Damaged)?, page),
            Self::ShuffleLz4(width) => {
                let mut sorted = vec![0; page.len()];
                exactly(lz4_flex::block::decompress_into(packed, &mut sorted).map_err(|_| Damaged)?, page)?;
                unshuffle(&sorted, width, page);
                Ok(())
            }
            Self::ShuffleZstd(width) => {
                let mut sorted = vec![0; page.len()];
                exactly(zstd::bulk::decompress_to_buffer(packed, &mut sorted).map_err(|_| Damaged)?, page)?;
                unshuffle(&sorted, width, page);
                Ok(())
            }
        }
    }
}

fn shuffled(page: &[u8], width: u8) -> Vec<u8> {
    match width {
        2 => sort_bytes::<2>(page),
        8 => sort_bytes::<8>(page),
        _ => sort_bytes::<4>(page),
    }
}

fn sort_bytes<const W: usize>(page: &[u8]) -> Vec<u8> {
    let n = page.len() / W;
    let mut sorted = vec![0; page.len()];
    for (place, column) in sorted.chunks_exact_mut(n.max(1)).take(W).enumerate() {
        for (byte, number) in column.iter_mut().zip(page.as_chunks::<W>().0) {
            *byte = number[place];
        }
    }
    sorted[n * W..].copy_from_slice(&page[n * W..]);
    sorted
}

fn unshuffle(sorted: &[u8], width: u8, page: &mut [u8]) {
    match width {
        2 => unsort_bytes::<2>(sorted, page),
        8 => unsort_bytes::<8>(sorted, page),
        _ => unsort_bytes::<4>(sorted, page),
    }
}

fn unsort_bytes<const W: usize>(sorted: &[u8], page: &mut [u8]) {
    let n = page.len() / W;
    let columns: [&[u8]; W] = std::array::from_fn(|place| &sorted[place * n..(place + 1) * n]);
    for (idx, number) in page.as_chunks_mut::<W>().0.iter_mut().enumerate() {
        *number = std::array::from_fn(|place| columns[place][idx]);
    }
    page[n * W..].copy_from_slice(&sorted[n * W..]);
}

/// The part of a page on which codecs are tried: four pieces from all over it.
pub fn sample(page: &[u8]) -> Vec<u8> {
    const PIECE: usize = 2048;
    if page.len() <= 4 * PIECE {
        return page.to_vec();
    }
    let step = (page.len() - PIECE) / 3 / 64 * 64;
    (0..4).flat_map(|idx| page[idx * step..][..PIECE].iter().copied()).collect()
}

/// Ratios of all [`CANDIDATES`] on a page's sample.
pub fn ratios(page: &[u8]) -> [f64; CANDIDATES.len()] {
    let sample = sample(page);
    CANDIDATES.map(|codec| sample.len() as f64 / codec.pack(&sample).len().max(1) as f64)
}

/// The codec that writes pages to the disk fastest: `Raw` unless one has `min(C, r B) > B`.
pub fn for_disk(ratios: &[f64], speeds: &[Speeds], write_bandwidth: f64) -> Codec {
    let rates = CANDIDATES.iter().zip(ratios).zip(speeds);
    let rates = rates.map(|((codec, ratio), speeds)| (*codec, speeds.pack.min(ratio * write_bandwidth)));
    let best = rates.max_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|(_, rate)| *rate > write_bandwidth).map_or(Codec::Raw, |(codec, _)| codec)
}

/// The codec for the memory tier: the smallest result among those that are quicker, packed and unpacked, than the way to the
/// disk and back; `None` when the page is better there.
pub fn for_memory(ratios: &[f64], speeds: &[Speeds], write_bandwidth: f64, read_bandwidth: f64) -> Option<Codec> {
    let disk = 1.0 / write_bandwidth + 1.0 / read_bandwidth;
    let pays = |ratio: f64, speeds: &Speeds| ratio >= MIN_RATIO && 1.0 / speeds.pack + 1.0 / speeds.unpack < disk;
    let candidates = CANDIDATES.iter().zip(ratios).zip(speeds);
    let paying = candidates.filter(|((_, ratio), speeds)| pays(**ratio, speeds));
    paying.max_by(|((_, a), _), ((_, b), _)| a.total_cmp(b)).map(|((codec, _), _)| *codec)
}

/// True when every byte is zero.
pub fn is_zero(page: &[u8]) -> bool {
    page.chunks(256).all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}

/// A checksum that any change of one word changes, and any other change with all but certainty.
pub fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(PRIME).rotate_left(29);
    let mut sums: [u64; 8] = std::array::from_fn(|lane| PRIME.wrapping_mul(lane as u64 + 1));
    let (blocks, rest) = bytes.as_chunks::<64>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum = step(*sum, u64::from_le_bytes(*word));
        }
    }
    let mut sum = step(bytes.len() as u64, PRIME);
    sum = rest.iter().fold(sum, |sum, byte| step(sum, u64::from(*byte)));
    sums.into_iter().fold(sum, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Codec; 6] = [
        Codec::Raw,
        Codec::Lz4,
        Codec::ShuffleLz4(2),
        Codec::ShuffleLz4(4),
        Codec::ShuffleLz4(8),
        Codec::ShuffleZstd(4),
    ];

    proptest! {
        #[test]
        fn every_codec_gives_back_what_it_was_given(
            seed in any::<u64>(), len in 0usize..9000, kinds in 1u64..1000
        ) {
            let page: Vec<u8> =
                (0..len as u64).map(|idx| (((idx * idx) ^ seed) % kinds) as u8).collect();
            for codec in ALL {
                let packed = codec.pack(&page);
                let mut back = vec![1; len];
                prop_assert_eq!(codec.unpack(&packed, &mut back), Ok(()));
                prop_assert_eq!(&back, &page);
            }
        }

        #[test]
        fn damage_is_an_error_or_another_checksum_and_never_a_panic(
            at in 0usize..4096, flip in 1u8..=255, codec in 0usize..6
        ) {
            let page: Vec<u8> = (0..4096u32).map(|idx| (idx / 7) as u8).collect();
            let mut packed = ALL[codec].pack(&page);
            let at = at % packed.len();
            packed[at] ^= flip;
            let mut back = vec![0; page.len()];
            let damaged = ALL[codec].unpack(&packed, &mut back).is_err() || checksum(&back) != checksum(&page);
            prop_assert!(damaged || back == page);
        }

        #[test]
        fn a_checksum_notices_any_change(at in 0usize..5000, flip in 1u8..=255) {
            let mut page: Vec<u8> = (0..5000u32).map(|idx| (idx * 31) as u8).collect();
            let before = checksum(&page);
            page[at] ^= flip;
            prop_assert_ne!(checksum(&page), before);
        }
    }

    #[test]
    fn smooth_numbers_get_smaller_when_shuffled_and_noise_does_not() {
        let smooth: Vec<u8> = (0..16384).flat_map(|idx| (1.0 + idx as f32 * 1e-3).to_le_bytes()).collect();
        let at = |ratios: [f64; 5], codec| ratios[CANDIDATES.iter().position(|known| *known == codec).unwrap()];
        let found = ratios(&smooth);
        assert!(at(found, Codec::ShuffleLz4(4)) > 1.3, "{found:?}");
        assert!(at(found, Codec::ShuffleLz4(4)) > at(found, Codec::Lz4), "{found:?}");
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let noise: Vec<u8> = (0..65536).map(|_| random()).collect();
        assert!(ratios(&noise).iter().all(|ratio| *ratio < 1.1));
    }

    #[test]
    fn compression_is_used_only_where_it_pays() {
        let speeds = CANDIDATES.map(Codec::usual_speeds);
        // A fast disk: nothing compresses quicker than it writes.
        assert_eq!(for_disk(&[3.0; 5], &speeds, 4e9), Codec::Raw);
        // A slow one: the best ratio that keeps up wins.
        assert_eq!(for_disk(&[1.0, 1.0, 1.5, 1.0, 1.2], &speeds, 2e8), Codec::ShuffleLz4(4));
        // Nothing to gain.
        assert_eq!(for_disk(&[1.0; 5], &speeds, 2e8), Codec::Raw);
        assert_eq!(for_memory(&[1.1; 5], &speeds, 2e8, 2e8), None);
        assert_eq!(for_memory(&[1.0, 1.0, 1.5, 1.0, 2.0], &speeds, 2e8, 2e8), Some(Codec::ShuffleZstd(4)));
        assert_eq!(for_memory(&[1.0, 1.0, 1.5, 1.0, 2.0], &speeds, 5e9, 5e9), None);
    }

    #[test]
    fn zero_pages_are_recognised() {
        let mut page = vec![0; 70_000];
        assert!(is_zero(&page));
        *page.last_mut().unwrap() = 1;
        assert!(!is_zero(&page));
        assert!(is_zero(&[]));
    }
}
