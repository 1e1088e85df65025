// SPDX-License-Identifier: Apache-2.0
//! Recorded byte exchanges with the machine alone, one file per conversation. Titles begin with the clause they show.

mod authentication;
mod connecting;
mod delivering;
mod exchange;
mod fuzz;
mod leaving;
mod limits;
mod message;
mod options;
mod publishing;
mod resuming;
mod splitting;
mod subscribing;
mod talk;
