// SPDX-License-Identifier: Apache-2.0
//! Memory that is freed goes back to the system: what the start has used, and all of it where there is little.

/// Below this `global-max-size`, in bytes, memory is little.
pub const LITTLE: u64 = 256 << 20;

/// Has glibc keep one heap instead of some for each thread, and give back what is larger than 256 KiB as soon as it is
/// freed: what pages are read into and what many threads hold in turn would otherwise stay, half used, and a control
/// group of 128 MiB is lost on that. Does nothing under another C library.
pub fn be_frugal() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "glibc's settings have no safe interface; the one file of the repository"
    )]
    // SAFETY: mallopt(3) only sets numbers that glibc looks at under its own lock; a number it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 << 10);
    }
}

/// Gives back what has been freed so far. Recovery reads the log in large parts, and glibc keeps what they were read into
/// for the next one of that size, which may never come. Does nothing under another C library.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "glibc's heap has no safe interface; the one file of the repository"
    )]
    // SAFETY: malloc_trim(3) takes the locks of the heaps it looks at, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
