// SPDX-License-Identifier: Apache-2.0
//! How a node becomes active or passive: one file per policy, each one enum of what it waits for.

pub mod primary_only;
