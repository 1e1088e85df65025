// SPDX-License-Identifier: Apache-2.0
//! The one source of randomness: the operating system's.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// Eight unpredictable bytes.
///
/// # Errors
/// The system has no randomness to give (a kernel older than 3.17, or a forbidding sandbox).
pub fn seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(u64::from_ne_bytes(bytes))
}
