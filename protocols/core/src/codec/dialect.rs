// SPDX-License-Identifier: Apache-2.0
//! The first bytes of a connection: by which name a client calls the protocol.

use bytes::{Buf, BytesMut};

/// Whose client it is. Which packets it sends depends on its version, not on this; which names it uses may:
/// [`hornetq`](super::hornetq).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Artemis's, of any version.
    Artemis,
    /// HornetQ's.
    HornetQ,
}

impl Dialect {
    /// What such a client sends before its first frame; it is not answered.
    pub const fn handshake(self) -> &'static [u8; 7] {
        match self {
            Self::Artemis => b"ARTEMIS",
            Self::HornetQ => b"HORNETQ",
        }
    }

    /// Takes the handshake off the front; `None`: there is none. Very old HornetQ clients begin with a frame at once.
    ///
    /// `input` holds at least as many bytes as a handshake has, or as the client will ever send.
    pub fn take(input: &mut BytesMut) -> Option<Self> {
        let dialect = [Self::Artemis, Self::HornetQ]
            .into_iter()
            .find(|dialect| input.starts_with(dialect.handshake()))?;
        input.advance(dialect.handshake().len());
        Some(dialect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_taken_and_a_frame_is_left() {
        for (first, dialect, left) in [
            (&b"ARTEMIS\0\0"[..], Some(Dialect::Artemis), 2),
            (b"HORNETQ", Some(Dialect::HornetQ), 0),
            (b"\0\0\0\x11\x0a\0\0\0", None, 8),
            (b"ARTEMI", None, 6),
        ] {
            let mut input = BytesMut::from(first);
            assert_eq!(Dialect::take(&mut input), dialect);
            assert_eq!(input.len(), left);
        }
    }
}
