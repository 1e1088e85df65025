// SPDX-License-Identifier: Apache-2.0
//! Address tree for wildcard subscriptions.
