// SPDX-License-Identifier: Apache-2.0
//! Address settings, typed.
