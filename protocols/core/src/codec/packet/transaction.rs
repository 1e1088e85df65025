// SPDX-License-Identifier: Apache-2.0
//! Transactions: those of a session, and branches of distributed ones.

use crate::codec::Xid;
use crate::codec::field::{Since, body};

body! {
    /// Ends the session's transaction, and all of it happens.
    Commit {
        /// What the answer is to carry; missing where the client does not wait for it.
        correlation: Since<132, i64>,
    }

    /// Ends the session's transaction, and nothing of it happens.
    Rollback {
        /// The last message delivered counts as an attempt even if the client has not looked at it.
        consider_last_message_as_delivered: bool,
    }

    /// Ends the work on a branch.
    XaEnd {
        /// Which.
        xid: Xid,
        /// It can only be rolled back.
        failed: bool,
    }

    /// All of a branch happens.
    XaCommit {
        /// Which.
        xid: Xid,
        /// It was not prepared, and needs not be.
        one_phase: bool,
    }

    /// How a request about a branch ended.
    XaResponse {
        /// It failed.
        error: bool,
        /// What XA calls the outcome: 0 fine, 3 nothing was done, negative an error.
        code: i32,
        /// What happened.
        message: Option<String>,
        /// Not sent by Artemis.
        correlation: Since<130, i64>,
    }

    /// How long a branch may take: to be, and as it is.
    XaTimeout {
        /// In seconds.
        seconds: i32,
    }

    /// Whether it may take so long.
    XaSetTimeoutResponse {
        /// It may.
        ok: bool,
    }
}

/// Outcomes of XA requests.
pub mod xa {
    /// Fine.
    pub const OK: i32 = 0;
    /// Nothing was done in the branch, so nothing needs to be committed.
    pub const READ_ONLY: i32 = 3;
    /// It was committed, and nobody had asked for it.
    pub const HEURISTIC_COMMIT: i32 = 7;
    /// It was rolled back, and nobody had asked for it.
    pub const HEURISTIC_ROLLBACK: i32 = 6;
    /// The resource manager failed.
    pub const RESOURCE_MANAGER_ERROR: i32 = -3;
    /// No such branch.
    pub const NOT_A_BRANCH: i32 = -4;
    /// What was asked makes no sense.
    pub const INVALID: i32 = -5;
    /// Not in this state.
    pub const PROTOCOL: i32 = -6;
    /// A branch of that name is there already.
    pub const DUPLICATE: i32 = -8;
    /// It can only be rolled back.
    pub const ROLLED_BACK: i32 = 100;
}
