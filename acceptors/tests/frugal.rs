// SPDX-License-Identifier: Apache-2.0
//! What glibc is told where memory is little, in a process of its own because that cannot be taken back.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod toy;

use std::sync::Arc;

use hind_acceptors::host::allocator;
use toy::resident;

/// Fills and frees buffers of a read from a page in several threads, and keeps something small from in between.
fn churn(kept: &mut Vec<Arc<[u8]>>) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 40;
    let work = || {
        let mut small = Vec::new();
        let mut large = Vec::new();
        for _ in 0..ROUNDS {
            large.push(vec![1_u8; 600 << 10]);
            small.push(Arc::<[u8]>::from([2_u8; 512]));
        }
        drop(large);
        small
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            kept.extend(thread.join().expect("does not panic"));
        }
    });
}

#[test]
fn what_is_freed_is_given_back_whatever_small_things_stand_between() {
    allocator::be_frugal();
    let mut kept = Vec::new();
    churn(&mut kept);
    let before = resident();
    for _ in 0..3 {
        churn(&mut kept);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more than before");
    assert_eq!(kept.len(), 4 * 4 * 40);
}
