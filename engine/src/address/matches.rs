// SPDX-License-Identifier: Apache-2.0
//! Hierarchical matching and merging by specificity.
