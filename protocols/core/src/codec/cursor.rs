// SPDX-License-Identifier: Apache-2.0
//! Reading numbers and slices along bytes. All of them are big-endian.

use super::Malformed;

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub const fn left(&self) -> usize {
        self.0.len()
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn f32(&mut self) -> Result<f32, Malformed> {
        self.array().map(f32::from_be_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, Malformed> {
        self.array().map(f64::from_be_bytes)
    }

    /// Sixteen bytes as they are.
    pub fn sixteen(&mut self) -> Result<[u8; 16], Malformed> {
        self.array()
    }

    /// Old clients write 0xFF, new ones 1: whatever is not 0 is true.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        self.u8().map(|byte| byte != 0)
    }

    /// A length in bytes, which what is left must hold.
    pub fn length(&mut self) -> Result<usize, Malformed> {
        self.count(1)
    }

    /// How many elements of at least `least` bytes follow; never more than what is left can hold, so room for them may
    /// be reserved.
    pub fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let number = self.i32()?;
        let count = usize::try_from(number).map_err(|_| Malformed::Length(number))?;
        if count > self.left() / least.max(1) {
            return Err(Malformed::Length(number));
        }
        Ok(count)
    }

    /// Bytes behind their length.
    pub fn block(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_frame_is_refused_before_anything_is_reserved() {
        for bytes in [[0x7f, 0xff, 0xff, 0xff, 0], [0xff, 0xff, 0xff, 0xff, 0]] {
            assert!(matches!(
                Cursor::new(&bytes).block(),
                Err(Malformed::Length(_))
            ));
            assert!(matches!(
                Cursor::new(&bytes).count(4),
                Err(Malformed::Length(_))
            ));
        }
        assert_eq!(Cursor::new(&[0, 0, 0, 1, 9]).block(), Ok(&[9][..]));
        assert_eq!(
            Cursor::new(&[0, 0, 0, 1, 9]).count(2),
            Err(Malformed::Length(1))
        );
        assert_eq!(Cursor::new(&[0, 0]).i32(), Err(Malformed::Truncated));
    }
}
