// SPDX-License-Identifier: Apache-2.0
//! Address names, FQQN, wildcard syntax.
