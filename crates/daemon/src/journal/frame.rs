//! A frame: the commands of one group commit.
//!
//! ```text
//! 0   u32      payload length in bytes
//! 4   u32      number of commands
//! 8   u64      commands before this frame
//! 16  [u8; 8]  start of BLAKE3 over bytes 0..16
//! 24  [u8; 8]  start of BLAKE3 over bytes 0..24 and the payload
//! 32  payload  per command: u16 length of its bytes, u64 time in ns, bytes
//! ```
//! The header has a checksum of its own, so that a damaged length is not taken for a frame that was cut off.
//! A command with more than 64 KiB of bytes has length 0xffff and its real length as u32 after it.

use vgpu_market::Command;

const HEADER: usize = 32;
const LONG: u16 = u16::MAX;

/// A frame that is being filled.
#[derive(Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    n_commands: u32,
    before: u64,
}

impl Frame {
    pub fn new(before: u64) -> Self {
        Self { bytes: vec![0; HEADER], n_commands: 0, before }
    }

    pub const fn n_commands(&self) -> u32 {
        self.n_commands
    }

    pub fn push(&mut self, now_ns: u64, command: &Command) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&now_ns.to_le_bytes());
        command.write(&mut self.bytes);
        let length = self.bytes.len() - start - 10;
        let short = u16::try_from(length).ok().filter(|length| *length != LONG);
        self.bytes[start..start + 2].copy_from_slice(&short.unwrap_or(LONG).to_le_bytes());
        if short.is_none() {
            // Only a declaration of thousands of weights gets here.
            let long = (length as u32).to_le_bytes();
            self.bytes.splice(start + 2..start + 2, long);
        }
        self.n_commands += 1;
    }

    /// Fills in the header; the bytes to write.
    pub fn seal(&mut self) -> &[u8] {
        let length = (self.bytes.len() - HEADER) as u32;
        self.bytes[0..4].copy_from_slice(&length.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&self.n_commands.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&self.before.to_le_bytes());
        let sum = checksum(&self.bytes[..16], &[]);
        self.bytes[16..24].copy_from_slice(&sum);
        let sum = checksum(&self.bytes[..24], &self.bytes[HEADER..]);
        self.bytes[24..HEADER].copy_from_slice(&sum);
        &self.bytes
    }

    /// Empties the frame for the next commands; its memory is kept.
    pub fn restart(&mut self, before: u64) {
        self.bytes.truncate(HEADER);
        self.n_commands = 0;
        self.before = before;
    }
}

fn checksum(header: &[u8], payload: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(payload);
    let mut start = [0; 8];
    start.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    start
}

/// What lies at a place of a log.
pub(super) enum Found {
    /// A frame of this many bytes and commands; all commands were handed over.
    Whole { length: usize, n: u32 },
    /// A frame that was never finished: the log ends within it, or it is the last one and does not match its checksum.
    Torn,
    /// Something else.
    Damaged(String),
}

/// Reads the frame at the start of `bytes`, which reach to the end of the log, and hands its commands over in order.
pub(super) fn read(bytes: &[u8], before: u64, mut each: impl FnMut(u64, Command)) -> Found {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Found::Torn };
    let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (length, n) = (u32_at(0) as usize, u32_at(4));
    if checksum(&header[..16], &[]) != header[16..24] {
        // Space that was given to the file and never written reads as zeros.
        let empty = bytes.iter().all(|byte| *byte == 0);
        return if empty {
            Found::Torn
        } else {
            Found::Damaged("a frame's header does not match its checksum".to_owned())
        };
    }
    let Some(payload) = rest.get(..length) else { return Found::Torn };
    if checksum(&header[..24], payload) != header[24..] {
        let last = rest.len() == length;
        return if last { Found::Torn } else { Found::Damaged("a frame does not match its checksum".to_owned()) };
    }
    if header[8..16] != before.to_le_bytes() {
        return Found::Damaged(format!("the frame is not the one after {before} commands"));
    }
    let mut commands = Vec::new();
    let mut payload = payload;
    while !payload.is_empty() {
        match split_command(payload) {
            Ok((now_ns, command, after)) => {
                commands.push((now_ns, command));
                payload = after;
            }
            Err(what) => return Found::Damaged(what),
        }
    }
    if commands.len() != n as usize {
        return Found::Damaged(format!("{} commands in a frame of {n}", commands.len()));
    }
    for (now_ns, command) in commands {
        each(now_ns, command);
    }
    Found::Whole { length: HEADER + length, n }
}

fn split_command(payload: &[u8]) -> Result<(u64, Command, &[u8]), String> {
    let short = || "a command is cut off".to_owned();
    let (length, mut rest) = payload.split_first_chunk::<2>().ok_or_else(short)?;
    let mut length = usize::from(u16::from_le_bytes(*length));
    if length == usize::from(LONG) {
        let (long, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        length = u32::from_le_bytes(*long) as usize;
        rest = after;
    }
    let (now_ns, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    let (bytes, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let command = Command::read(bytes).map_err(|error| error.to_string())?;
    Ok((u64::from_le_bytes(*now_ns), command, rest))
}
