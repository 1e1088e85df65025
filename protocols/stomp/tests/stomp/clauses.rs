// SPDX-License-Identifier: Apache-2.0
//! The list of clauses names tests; every one it names must exist.
