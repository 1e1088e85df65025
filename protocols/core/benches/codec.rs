// SPDX-License-Identifier: Apache-2.0
//! What it costs to read and to write a message.

fn main() {}
