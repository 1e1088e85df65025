// SPDX-License-Identifier: Apache-2.0
//! The files' language of bytes: tokens split by blanks, each a piece of a packet.

/// The bytes that `text` writes.
///
/// Runs of hexadecimal digits are bytes; `rN` (remaining length) and `vN` are variable byte integers, which may be
/// longer than MQTT allows; `sN`, `kN`, `mN`, `HN` have 16 bits, `LN` 32, `iN` 8, all big-endian; `'text'` is UTF-8
/// and may hold blanks.
///
/// # Errors
/// The token that is none of these.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.find('\'').map(|at| at + 2),
            None => Some(rest.find(' ').unwrap_or(rest.len())),
        };
        let (token, after) = rest.split_at(end.ok_or_else(|| rest.to_owned())?);
        append(token, &mut out).ok_or_else(|| token.to_owned())?;
        rest = after.trim_start();
    }
    Ok(out)
}

fn append(token: &str, out: &mut Vec<u8>) -> Option<()> {
    let number = token.get(1..)?;
    match token.as_bytes()[0] {
        b'\'' => out.extend_from_slice(number.strip_suffix('\'')?.as_bytes()),
        b'r' | b'v' => variable(number.parse().ok()?, out),
        b's' | b'k' | b'm' | b'H' => out.extend(number.parse::<u16>().ok()?.to_be_bytes()),
        b'L' => out.extend(number.parse::<u32>().ok()?.to_be_bytes()),
        b'i' => out.push(number.parse().ok()?),
        _ if token.len().is_multiple_of(2) => {
            for at in (0..token.len()).step_by(2) {
                out.push(u8::from_str_radix(token.get(at..at + 2)?, 16).ok()?);
            }
        }
        _ => return None,
    }
    Some(())
}

/// Appends a variable byte integer, in five bytes too: what a broker must refuse.
pub fn variable(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_writes_its_bytes() {
        let packet = bytes("82 r17 m1234 v0 s3 'a b' H258 i7 L1 0A0b").expect("a packet");
        let wanted = [
            0x82, 17, 4, 0xD2, 0, 0, 3, b'a', b' ', b'b', 1, 2, 7, 0, 0, 0, 1, 0x0A, 0x0B,
        ];
        assert_eq!(packet, wanted);
    }

    #[test]
    fn variable_integers_may_take_five_bytes() {
        assert_eq!(bytes("v268435455").expect("four"), [0xFF, 0xFF, 0xFF, 0x7F]);
        assert_eq!(
            bytes("r268435456").expect("five"),
            [0x80, 0x80, 0x80, 0x80, 1]
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["0", "zz", "m65536", "'open", "v", "12 x"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
