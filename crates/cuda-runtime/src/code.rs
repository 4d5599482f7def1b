//! Result codes. The runtime's numbers are the driver's where both have a meaning, so driver results pass through.

use crate::code_text::TEXTS;
use std::ffi::c_char;

/// What a call gives: nothing, or a code other than 0.
pub type Outcome = Result<(), i32>;

/// `cudaErrorInvalidValue`.
pub const INVALID_VALUE: i32 = 1;
/// `cudaErrorInvalidConfiguration`.
pub const INVALID_CONFIGURATION: i32 = 9;
/// `cudaErrorInvalidPitchValue`.
pub const INVALID_PITCH_VALUE: i32 = 12;
/// `cudaErrorInvalidSymbol`.
pub const INVALID_SYMBOL: i32 = 13;
/// `cudaErrorInvalidMemcpyDirection`.
pub const INVALID_MEMCPY_DIRECTION: i32 = 21;
/// `cudaErrorInsufficientDriver`.
pub const INSUFFICIENT_DRIVER: i32 = 35;
/// `cudaErrorMissingConfiguration`.
pub const MISSING_CONFIGURATION: i32 = 52;
/// `cudaErrorInvalidDeviceFunction`.
pub const INVALID_DEVICE_FUNCTION: i32 = 98;
/// `cudaErrorNoDevice`.
pub const NO_DEVICE: i32 = 100;
/// `cudaErrorInvalidDevice`.
pub const INVALID_DEVICE: i32 = 101;
/// `cudaErrorInvalidResourceHandle`.
pub const INVALID_RESOURCE_HANDLE: i32 = 400;
/// `cudaErrorNotReady`: no error, only an answer.
pub const NOT_READY: i32 = 600;
/// `cudaErrorNotSupported`.
pub const NOT_SUPPORTED: i32 = 801;
/// `cudaErrorUnknown`.
pub const UNKNOWN: i32 = 999;

fn find(code: i32) -> Option<(&'static std::ffi::CStr, &'static std::ffi::CStr)> {
    let idx = TEXTS.binary_search_by_key(&code, |(known, ..)| *known).ok()?;
    Some((TEXTS[idx].1, TEXTS[idx].2))
}

/// The name of a code as text.
pub(crate) fn name(code: i32) -> &'static str {
    find(code).and_then(|(name, _)| name.to_str().ok()).unwrap_or("unrecognized error code")
}

/// The name of a code: `cudaErrorInvalidValue`.
#[unsafe(no_mangle)]
pub extern "C" fn cudaGetErrorName(code: i32) -> *const c_char {
    find(code).map_or(c"unrecognized error code", |(name, _)| name).as_ptr()
}

/// A code in words: `invalid argument`.
#[unsafe(no_mangle)]
pub extern "C" fn cudaGetErrorString(code: i32) -> *const c_char {
    find(code).map_or(c"unrecognized error code", |(_, text)| text).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_are_in_order() {
        assert!(TEXTS.is_sorted_by_key(|(code, ..)| *code));
        assert_eq!(find(0), Some((c"cudaSuccess", c"no error")));
        assert_eq!(find(NOT_SUPPORTED), Some((c"cudaErrorNotSupported", c"operation not supported")));
        assert_eq!(find(5000), None);
    }
}
