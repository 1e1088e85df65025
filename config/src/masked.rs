// SPDX-License-Identifier: Apache-2.0
//! Passwords that do not stand in the clear: `ENC(…)`, in the two forms that instance folders hold.
//!
//! *Two-way* (broker.xml, acceptor URIs, login.config): Blowfish in ECB mode with PKCS#5 padding; the ciphertext is
//! printed as the hexadecimal form of a signed big-endian integer, so it may start with `-` and loses leading zeros.
//! It hides a password from a glance, not from a reader: the default key is known to everybody.
//!
//! *One-way* (artemis-users.properties): `iterations:SALT:HASH`, PBKDF2 with HMAC-SHA-1.

use std::fmt;

use blowfish::Blowfish;
use blowfish::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use subtle::ConstantTimeEq;

/// The key of the two-way form when the operator configured none.
pub const DEFAULT_KEY: &str = "clusterpassword";

/// How often the one-way form hashes when it makes a new hash.
const ITERATIONS: u32 = 1024;
/// The most it is willing to hash when it checks one, so that a file cannot keep the broker busy for ever.
const ITERATIONS_MAX: u32 = 100_000_000;
const HASH_BYTES: usize = 64;
const BLOCK: usize = 8;

/// Why a masked password cannot be read. Never contains the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskError {
    /// Blowfish takes keys of 4 to 56 bytes.
    KeyLength(usize),
    /// The text is not a signed hexadecimal integer.
    NotHexadecimal,
    /// The text decodes, but not with this key.
    WrongKey,
}

impl fmt::Display for MaskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLength(length) => write!(
                formatter,
                "the key has {length} bytes; 4 to 56 are possible"
            ),
            Self::NotHexadecimal => {
                formatter.write_str("not a masked password: expected a signed hexadecimal number")
            }
            Self::WrongKey => formatter.write_str("the masked password was made with another key"),
        }
    }
}

impl std::error::Error for MaskError {}

/// The text between `ENC(` and `)`, if `text` has that form.
#[must_use]
pub fn enclosed(text: &str) -> Option<&str> {
    text.strip_prefix("ENC(")?.strip_suffix(')')
}

/// The clear text of a two-way masked password; `text` may come with or without its `ENC(…)`.
///
/// # Errors
/// [`MaskError`] when the key has an impossible length, the text is not one the mask writes, or the padding shows
/// that another key was used.
pub fn unmask(text: &str, key: &str) -> Result<String, MaskError> {
    let cipher = cipher(key)?;
    let mut bytes = signed_hex_to_bytes(enclosed(text).unwrap_or(text))?;
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut word = Array::try_from(&*block).map_err(|_| MaskError::NotHexadecimal)?;
        cipher.decrypt_block(&mut word);
        block.copy_from_slice(&word);
    }
    let padding = bytes
        .last()
        .copied()
        .map(usize::from)
        .filter(|count| (1..=BLOCK).contains(count));
    let length = padding
        .and_then(|count| bytes.len().checked_sub(count))
        .ok_or(MaskError::WrongKey)?;
    if bytes[length..]
        .iter()
        .any(|byte| usize::from(*byte) != bytes.len() - length)
    {
        return Err(MaskError::WrongKey);
    }
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(|_| MaskError::WrongKey)
}

/// The two-way masked form of `text`, without `ENC(…)`.
///
/// # Errors
/// [`MaskError::KeyLength`] when Blowfish cannot take the key.
pub fn mask(text: &str, key: &str) -> Result<String, MaskError> {
    let cipher = cipher(key)?;
    let mut bytes = text.as_bytes().to_vec();
    let padding = BLOCK - bytes.len() % BLOCK;
    bytes.resize(bytes.len() + padding, u8::try_from(padding).unwrap_or(0));
    for block in bytes.chunks_exact_mut(BLOCK) {
        let mut word = Array::try_from(&*block).map_err(|_| MaskError::NotHexadecimal)?;
        cipher.encrypt_block(&mut word);
        block.copy_from_slice(&word);
    }
    Ok(bytes_to_signed_hex(bytes))
}

/// The one-way form of `password`: `1024:SALT:HASH` in upper-case hexadecimal, without `ENC(…)`.
#[must_use]
pub fn hash(password: &str, salt: [u8; 32]) -> String {
    let hash = derive(password, &salt, ITERATIONS);
    format!("{ITERATIONS}:{}:{}", upper_hex(&salt), upper_hex(&hash))
}

/// True when `password` is the one that `encoded` was made from; with or without its `ENC(…)`. The comparison takes
/// the same time wherever the hashes differ. False for anything that is not a one-way form.
#[must_use]
pub fn verify_hash(password: &str, encoded: &str) -> bool {
    let mut parts = enclosed(encoded).unwrap_or(encoded).split(':');
    let (Some(iterations), Some(salt), Some(expected), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let iterations = iterations
        .parse::<u32>()
        .ok()
        .filter(|count| (1..=ITERATIONS_MAX).contains(count));
    let (Some(iterations), Some(salt), Some(expected)) =
        (iterations, from_hex(salt), from_hex(expected))
    else {
        return false;
    };
    expected.len() == HASH_BYTES
        && bool::from(derive(password, &salt, iterations).ct_eq(expected.as_slice()))
}

/// True when `encoded` (with or without `ENC(…)`) has the one-way form, so that `verify_hash` can judge it.
#[must_use]
pub fn is_hash(encoded: &str) -> bool {
    let parts: Vec<&str> = enclosed(encoded).unwrap_or(encoded).split(':').collect();
    matches!(parts.as_slice(), [iterations, salt, hash]
        if iterations.parse::<u32>().is_ok() && from_hex(salt).is_some() && from_hex(hash).is_some_and(|hash| hash.len() == HASH_BYTES))
}

fn derive(password: &str, salt: &[u8], iterations: u32) -> [u8; HASH_BYTES] {
    pbkdf2::pbkdf2_hmac_array::<sha1::Sha1, HASH_BYTES>(password.as_bytes(), salt, iterations)
}

fn cipher(key: &str) -> Result<Blowfish, MaskError> {
    Blowfish::new_from_slice(key.as_bytes()).map_err(|_| MaskError::KeyLength(key.len()))
}

fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2) && !digits.is_empty())?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

/// Two's complement of a big-endian number: what a negative sign in front of its digits means.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
        *byte = sum;
        carry = overflow;
    }
}

fn bytes_to_signed_hex(mut bytes: Vec<u8>) -> String {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    if negative {
        negate(&mut bytes);
    }
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!(
        "{}{}",
        if negative { "-" } else { "" },
        if digits.is_empty() { "0" } else { digits }
    )
}

/// The ciphertext, sign-extended to whole blocks: leading zero bytes (or 0xFF bytes of a negative number) that the
/// integer form dropped come back.
fn signed_hex_to_bytes(text: &str) -> Result<Vec<u8>, MaskError> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |digits| (true, digits));
    if digits.is_empty() {
        return Err(MaskError::NotHexadecimal);
    }
    let even = if digits.len().is_multiple_of(2) {
        digits.to_owned()
    } else {
        format!("0{digits}")
    };
    let magnitude = from_hex(&even).ok_or(MaskError::NotHexadecimal)?;
    let significant = magnitude
        .iter()
        .skip_while(|byte| **byte == 0)
        .count()
        .max(1);
    let mut bytes = vec![0; significant.next_multiple_of(BLOCK)];
    let start = bytes.len() - significant;
    bytes[start..].copy_from_slice(&magnitude[magnitude.len() - significant..]);
    if negative {
        negate(&mut bytes);
    }
    if bytes[0] & 0x80 != u8::from(negative) << 7 {
        // The number needs a further block for its sign, so it was not made from whole blocks.
        return Err(MaskError::NotHexadecimal);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed: `artemis mask secret` of 2.44.0.
    #[test]
    fn two_way_equals_the_recorded_output() {
        assert_eq!(
            mask("secret", DEFAULT_KEY).as_deref(),
            Ok("-41e444c3ed07d6dd")
        );
        assert_eq!(
            unmask("-41e444c3ed07d6dd", DEFAULT_KEY).as_deref(),
            Ok("secret")
        );
        assert_eq!(
            unmask("ENC(-41e444c3ed07d6dd)", DEFAULT_KEY).as_deref(),
            Ok("secret")
        );
    }

    #[test]
    fn two_way_reads_back_whatever_the_sign_and_the_leading_zeros() {
        let (mut negative, mut short) = (0, 0);
        for number in 0..600 {
            let text = format!("pass word №{number}");
            let masked = mask(&text, "another key").expect("a key of 11 bytes");
            negative += usize::from(masked.starts_with('-'));
            short += usize::from(masked.trim_start_matches('-').len() < 48);
            assert_eq!(unmask(&masked, "another key").as_deref(), Ok(text.as_str()));
        }
        assert!(
            negative > 100 && short > 10,
            "{negative} negative, {short} with a dropped zero"
        );
        assert_eq!(
            unmask(
                &mask("", DEFAULT_KEY).expect("a key of 15 bytes"),
                DEFAULT_KEY
            )
            .as_deref(),
            Ok("")
        );
    }

    #[test]
    fn a_wrong_key_or_a_broken_text_is_an_error() {
        assert_eq!(
            unmask("-41e444c3ed07d6dd", "otherpassword"),
            Err(MaskError::WrongKey)
        );
        assert_eq!(unmask("xyz", DEFAULT_KEY), Err(MaskError::NotHexadecimal));
        assert_eq!(unmask("", DEFAULT_KEY), Err(MaskError::NotHexadecimal));
        assert_eq!(unmask("-", DEFAULT_KEY), Err(MaskError::NotHexadecimal));
        assert_eq!(unmask("00", "abc"), Err(MaskError::KeyLength(3)));
    }

    #[test]
    fn one_way_has_the_recorded_shape_and_verifies() {
        let encoded = hash("secret", [0xAB; 32]);
        let parts: Vec<&str> = encoded.split(':').collect();
        assert_eq!(
            (parts[0], parts[1].len(), parts[2].len()),
            ("1024", 64, 128)
        );
        assert!(verify_hash("secret", &encoded));
        assert!(verify_hash("secret", &format!("ENC({encoded})")));
        assert!(!verify_hash("Secret", &encoded));
        assert!(is_hash(&encoded) && !is_hash("-41e444c3ed07d6dd"));
    }

    /// Observed: `artemis mask --hash secret` of 2.44.0.
    #[test]
    fn one_way_verifies_a_recorded_hash() {
        let recorded = "1024:B0F989BCAD8F5B5D6FB224A0D8FC0760CF1A6DC0D753A130BD06C79144F63B85:\
            AA22C0854F3792EC372AF5231B3E7EE4D9750F3A17F13E5231B8BBA1C9DFC4D7335A4361528882DF7B378DE5CC1CD4A49B8B6CC1129791403834CDA139079355";
        assert!(verify_hash("secret", recorded));
        assert!(!verify_hash("secret ", recorded));
    }

    #[test]
    fn one_way_refuses_what_is_not_a_hash() {
        for text in [
            "",
            "1024",
            "1024:AB:CD",
            "0:AB:CD",
            "x:y:z",
            "4294967295:AB:CD",
        ] {
            assert!(!verify_hash("secret", text), "{text}");
        }
    }
}
