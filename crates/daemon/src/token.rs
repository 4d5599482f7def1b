//! Tokens: who somebody is, proved by 256 random bits; only their hash is kept.

use std::fs::File;
use std::io::{self, Read as _};

/// Hash of a token.
pub type TokenHash = [u8; 32];

/// A new token: `vgpu_` and 64 hexadecimal digits.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_token() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("vgpu_{}", blake3::Hash::from_bytes(bytes).to_hex()))
}

/// The hash that is kept. A plain one: a token is random and long, so there is nothing to guess.
pub fn hash(token: &str) -> TokenHash {
    blake3::derive_key("vgpu 2026-11 daemon token", token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_hash_alike() {
        let (one, other) = (new_token().expect("random"), new_token().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.len(), 69);
        assert_eq!(hash(&one), hash(&one.clone()));
        assert_ne!(hash(&one), hash(&other));
        assert_ne!(hash(&one), *blake3::hash(one.as_bytes()).as_bytes(), "hashed for this purpose only");
    }
}
