//! Bitcoin's proof of work over 2^22 nonces around the one of the first block, against the `sha2` crate.

use crate::random;
use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};
use sha2::{Digest, Sha256};

const N: u32 = 1 << 22;
/// The last word of the hash must be below this; one in 2^18 nonces is a hit.
const TARGET: u32 = 1 << 14;
/// Hits that the kernel keeps.
const MAX_FOUND: usize = 64;

/// The first block of the Bitcoin chain, without its nonce: version, previous hash, Merkle root, time, bits.
fn first_block() -> [u8; 76] {
    let merkle_root = [
        0x3b, 0xa3, 0xed, 0xfd, 0x7a, 0x7b, 0x12, 0xb2, 0x7a, 0xc7, 0x2c, 0x3e, 0x67, 0x76, 0x8f, 0x61, 0x7f, 0xc8,
        0x1b, 0xc3, 0x88, 0x8a, 0x51, 0x32, 0x3a, 0x9f, 0xb8, 0xaa, 0x4b, 0x1e, 0x5e, 0x4a,
    ];
    let mut header = [0; 76];
    header[0] = 1;
    header[36..68].copy_from_slice(&merkle_root);
    header[68..72].copy_from_slice(&0x495f_ab29u32.to_le_bytes());
    header[72..76].copy_from_slice(&0x1d00_ffffu32.to_le_bytes());
    header
}

/// The nonce of that block, as the kernel counts: the big-endian word of its four bytes.
const KNOWN_NONCE: u32 = 2_083_236_893u32.swap_bytes();

pub(super) fn make() -> Workload {
    let header = first_block();
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let mut chunk = [0; 64];
    chunk.copy_from_slice(&header[..64]);
    let state = midstate(&chunk);
    let first = KNOWN_NONCE - N / 2;
    let mut expected = hits(&header, first);
    expected.sort_unstable();
    let args = vec![
        Arg::Buffer(0),
        Arg::U32(word(64)),
        Arg::U32(word(68)),
        Arg::U32(word(72)),
        Arg::U32(first),
        Arg::U32(TARGET),
        Arg::Buffer(1),
        Arg::Buffer(2),
    ];
    Workload {
        name: "sha256d",
        kernel: "sha256d",
        size: "2^22 nonces",
        buffers: vec![
            Buffer::input("mid", state.to_vec()),
            Buffer::output("found", vec![0u32; MAX_FOUND]),
            Buffer::output("nfound", vec![0u32]),
        ],
        launches: vec![Launch { grid: (N / 256, 1), block: (256, 1), args }],
        // Hits are kept in any order. The error is the number of missing and wrong ones.
        check: Box::new(move |after| {
            let n_found = after[2].u32s().first().map_or(0, |n| *n as usize);
            let mut found = after[1].u32s()[..n_found.min(MAX_FOUND)].to_vec();
            found.sort_unstable();
            let wrong = found.iter().filter(|nonce| !expected.contains(nonce)).count();
            let missing = expected.iter().filter(|nonce| !found.contains(nonce)).count();
            Verdict { error: (wrong + missing + n_found.abs_diff(expected.len())) as f64, tolerance: 0.0 }
        }),
    }
}

/// All nonces of the range that hit.
fn hits(header: &[u8; 76], first: u32) -> Vec<u32> {
    let start = Sha256::new_with_prefix(header);
    let hit = |nonce: &u32| {
        let inner = start.clone().chain_update(nonce.to_be_bytes()).finalize();
        let hash = Sha256::digest(inner);
        u32::from_be_bytes([hash[28], hash[29], hash[30], hash[31]]) < TARGET
    };
    let parts = random::fold_parts(N as usize, |part| part.map(|i| first + i as u32).filter(hit).collect::<Vec<_>>());
    parts.concat()
}

/// SHA-256's state after the first 64 bytes: an input of the kernel, checked through the hits.
fn midstate(chunk: &[u8; 64]) -> [u32; 8] {
    let mut w = [0u32; 64];
    for (word, bytes) in w.iter_mut().zip(chunk.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for i in 16..64 {
        let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
        let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
    }
    let mut state = INITIAL;
    for (i, word) in w.into_iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = state;
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(fraction(i, 3)).wrapping_add(word);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        state = [t1.wrapping_add(t2), a, b, c, d.wrapping_add(t1), e, f, g];
    }
    let mut sum = INITIAL;
    for (sum, word) in sum.iter_mut().zip(state) {
        *sum = sum.wrapping_add(word);
    }
    sum
}

const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The first 32 bits of the fractional part of the `root`-th root of prime number `idx`: SHA-256's constants by definition.
fn fraction(idx: usize, root: u32) -> u32 {
    let prime = (2u128..).filter(|n| (2..*n).all(|d| n % d != 0)).nth(idx).expect("there are infinitely many primes");
    // floor((prime * 2^(32 root)) ^ (1/root)) modulo 2^32, by bisection.
    let (mut low, mut high) = (0u128, 1 << 40);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle.pow(root) <= prime << (32 * root) { low = middle } else { high = middle }
    }
    low as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants() {
        assert_eq!((fraction(0, 3), fraction(63, 3)), (0x428a_2f98, 0xc671_78f2));
        assert_eq!((0..8).map(|idx| fraction(idx, 2)).collect::<Vec<_>>(), INITIAL);
    }

    #[test]
    fn the_first_block_is_a_hit() {
        let mut header = first_block().to_vec();
        header.extend(KNOWN_NONCE.to_be_bytes());
        let hash = Sha256::digest(Sha256::digest(&header));
        // The block's name is 000000000019d6689c..., the hash's bytes from the last.
        assert_eq!(hash[23..], [0x9c, 0x68, 0xd6, 0x19, 0, 0, 0, 0, 0]);
    }
}
