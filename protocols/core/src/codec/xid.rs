// SPDX-License-Identifier: Apache-2.0
//! The name of an XA transaction branch.

use bytes::Bytes;

use super::field::body;

body! {
    /// Names a branch of a distributed transaction. The branch qualifier is written before the global id.
    Xid {
        /// Which kind of names these are; −1 is no name at all.
        format_id: i32,
        /// Which branch; at most 64 bytes in the XA specification, which nobody checks here.
        branch_qualifier: Bytes,
        /// Which transaction; the same limit.
        global_transaction_id: Bytes,
    }
}
