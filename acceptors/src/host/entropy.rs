// SPDX-License-Identifier: Apache-2.0
//! The one source of randomness: the operating system's.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// A seed for one connection.
///
/// # Errors
/// The system has no randomness to give (a kernel older than 3.17, or a forbidding sandbox).
pub fn seed() -> io::Result<u64> {
    bytes().map(u64::from_ne_bytes)
}

/// A seed for a node.
///
/// # Errors
/// As [`seed`].
pub fn node_seed() -> io::Result<u128> {
    bytes().map(u128::from_ne_bytes)
}

fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(bytes)
}
