//! Options of the just-in-time compiler, and its logs.
//!
//! Of the options only the log buffers do anything: code is made when a kernel is first launched, for its block shape, and
//! optimisation levels, register limits and the rest have no meaning for it.

use crate::abi::{In, Out};
use crate::image::Refusal;
use crate::log;
use crate::module::LoadError;
use crate::status::{Result, Status};
use vgpu_runtime::Error;

const INFO_BUFFER: u32 = 3;
const INFO_BYTES: u32 = 4;
const ERROR_BUFFER: u32 = 5;
const ERROR_BYTES: u32 = 6;
const WALL_TIME: u32 = 2;
const LAST_OPTION: u32 = 35;

#[derive(Clone, Copy, Default)]
struct Buffer {
    address: u64,
    room: usize,
    /// Where the number of bytes written goes.
    written_to: u64,
}

/// Where logs go.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    info: Buffer,
    error: Buffer,
    wall_time: u64,
}

impl Options {
    /// Reads an option list.
    pub(crate) fn read(n: u32, names: In<u32>, values: In<u64>) -> Result<Self> {
        let mut options = Self::default();
        for idx in 0..n as usize {
            let (name, value) = (names.get_at(idx)?, values.get_at(idx)?);
            let place = values.address() + 8 * idx as u64;
            match name {
                INFO_BUFFER => options.info.address = value,
                INFO_BYTES => (options.info.room, options.info.written_to) = (value as u32 as usize, place),
                ERROR_BUFFER => options.error.address = value,
                ERROR_BYTES => (options.error.room, options.error.written_to) = (value as u32 as usize, place),
                WALL_TIME => options.wall_time = place,
                0..=LAST_OPTION => {}
                _ => return Err(Status::INVALID_VALUE),
            }
        }
        Ok(options)
    }

    fn write(buffer: Buffer, text: &str) {
        if buffer.address != 0 && buffer.room > 0 {
            // The buffer is not null.
            let _ = Out::<u8>::at_address(buffer.address).set_text(text, buffer.room);
        }
        if buffer.written_to != 0 {
            let n = text.len().min(buffer.room.saturating_sub(1));
            let _ = Out::<u64>::at_address(buffer.written_to).set(n as u64);
        }
    }

    /// It went well: the logs are empty.
    pub(crate) fn succeed(&self) {
        Self::write(self.info, "");
        Self::write(self.error, "");
        if self.wall_time != 0 {
            // The place is in the caller's value list.
            let _ = Out::<f32>::at_address(self.wall_time).set(0.0);
        }
    }

    /// It failed: says why in the log, and on standard error when the caller gave no log.
    pub(crate) fn fail(&self, status: Status, message: &str) -> Status {
        Self::write(self.info, "");
        Self::write(self.error, message);
        if self.error.address == 0 {
            log::problem(message);
        }
        status
    }

    /// A module was not accepted.
    pub(crate) fn refuse(&self, error: LoadError) -> Status {
        match error {
            LoadError::Status(status) => self.fail(status, status.name().unwrap_or("unknown error")),
            LoadError::Runtime(error) => {
                let mut message = error.to_string();
                if let Error::Load(diagnostics) = &error {
                    let lines = diagnostics.iter().map(|diagnostic| format!("\n{}", diagnostic.message));
                    message.extend(lines);
                }
                self.fail(Status::from(&error), &message)
            }
        }
    }

    /// An image has nothing to load.
    pub(crate) fn refuse_image(&self, refusal: &Refusal) -> Status {
        self.fail(refusal.status, &refusal.message)
    }
}
