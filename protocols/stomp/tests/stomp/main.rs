// SPDX-License-Identifier: Apache-2.0
//! Recorded byte exchanges with the machine alone, one file per conversation. Titles begin with the clause they show.

mod acknowledge;
mod blocked;
mod clauses;
mod connecting;
mod frames;
mod fuzz;
mod heart_beat;
mod large;
mod leaving;
mod limits;
mod message;
mod options;
mod receipts;
mod send;
mod splitting;
mod subscribe;
mod talk;
mod transactions;
