// SPDX-License-Identifier: Apache-2.0
//! Permissions by role, matched by address.
