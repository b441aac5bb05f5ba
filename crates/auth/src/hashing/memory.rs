//! A thread's block of memory for Argon2.
//!
//! A fresh allocation costs up to 4,866 page faults a hash and doubles its time (27.5 ms of CPU
//! against 14.9). So a thread keeps its block from hash to hash, and asks for it in huge pages.

#![expect(unsafe_code, reason = "safe Rust has no view of page-aligned bytes as Argon2's blocks; see `blocks`")]

use argon2::Block;
use memmap2::{Advice, MmapMut};

/// Memory that is mapped when first needed and given back when dropped.
#[derive(Default)]
pub struct Memory {
    pages: Option<MmapMut>,
    /// Where the system maps no memory: an ordinary allocation.
    fallback: Vec<Block>,
    /// Hashes computed in it and not asked for yet.
    hashes: u64,
}

/// The size of a huge page on `x86_64` and on most of `aarch64`.
const HUGE_PAGE: usize = 2 << 20;

impl Memory {
    /// How many hashes were computed in it since this was last asked.
    pub(super) fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.hashes)
    }

    /// Gives back what is more than a hash of this many blocks needs: a dear one that was imported is checked once.
    pub(super) fn keep_at_most(&mut self, count: usize) {
        self.pages.take_if(|pages| pages.len() > count * Block::SIZE + HUGE_PAGE);
        if self.fallback.len() > count {
            self.fallback = Vec::new();
        }
    }

    /// How many blocks there is memory for.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.pages.as_ref().map_or(self.fallback.len(), |pages| (pages.len() - HUGE_PAGE) / Block::SIZE)
    }

    /// At least `count` blocks, with whatever the last hash left in them: Argon2 writes each block
    /// before it reads it.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        self.hashes += 1;
        let needed = count * Block::SIZE;
        if self.pages.as_ref().is_none_or(|pages| pages.len() < needed + HUGE_PAGE) {
            self.pages = map(needed + HUGE_PAGE);
        }
        let Some(pages) = &mut self.pages else {
            self.fallback.resize(count, Block::default());
            return &mut self.fallback[..count];
        };
        let skipped = pages.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
        // SAFETY: `Block` is `repr(align(64))` around `[u64; 128]`: it has no padding and every bit
        // pattern is one, and `align_to_mut` itself sees to the alignment and the length.
        let (_, blocks, _) = unsafe { pages[skipped..skipped + needed].align_to_mut::<Block>() };
        blocks
    }
}

fn map(length: usize) -> Option<MmapMut> {
    let pages = MmapMut::map_anon(length).ok()?;
    // Without huge pages the hash is right and slower, so a refusal is no error.
    let _ = pages.advise(Advice::HugePage);
    Some(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_many_as_asked_and_stay() {
        let mut memory = Memory::default();
        assert_eq!(memory.blocks(19_456).len(), 19_456);
        let first = memory.blocks(19_456).as_ptr();
        assert_eq!(memory.blocks(7_168).len(), 7_168);
        assert_eq!(memory.blocks(19_456).as_ptr(), first);
        assert_eq!(memory.blocks(40_000).len(), 40_000);
        assert_eq!(memory.room(), 40_000);
        memory.keep_at_most(40_000);
        assert_eq!(memory.room(), 40_000);
        memory.keep_at_most(19_456);
        assert_eq!(memory.room(), 0);
    }
}
