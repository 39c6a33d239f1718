//! Where the supervisor's memory comes from: cut off piece by piece from the program's own data, and
//! from the system's allocator when that is used up.
//!
//! All that it needs for a jail is some ten KiB, for some milliseconds. An allocator for programs that
//! live long maps and unmaps pages for it, over twenty calls; musl's did, and took a twentieth of the
//! time that starting a jail takes.
#![allow(unsafe_code, reason = "an allocator is unsafe to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// More than a jail with a hundred mounts and binds takes. A page that is not used costs nothing.
const BYTES: usize = 256 << 10;

/// As aligned as a page, so that offsets are aligned as addresses are.
const ALIGN_MAX: usize = 4096;

#[repr(C, align(4096))]
struct Memory(UnsafeCell<MaybeUninit<[u8; BYTES]>>);

/// The allocator.
pub(crate) struct Arena {
    memory: Memory,
    /// Bytes from the beginning on that belong to somebody, or did.
    used: AtomicUsize,
}

// SAFETY: every byte is handed out once at a time: `used` moves in one atomic step, and who moved it
// owns what it passed.
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self {
            memory: Memory(UnsafeCell::new(MaybeUninit::uninit())),
            used: AtomicUsize::new(0),
        }
    }

    fn begin(&self) -> *mut u8 {
        self.memory.0.get().cast()
    }

    /// Where in the memory, if it is from there.
    fn offset_of(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().checked_sub(self.begin().addr())?;
        (offset < BYTES).then_some(offset)
    }

    /// The next piece. `None`: no room.
    fn cut(&self, layout: Layout) -> Option<*mut u8> {
        if layout.align() > ALIGN_MAX {
            return None;
        }
        let place = |used: usize| {
            let start = used.checked_next_multiple_of(layout.align())?;
            let end = start.checked_add(layout.size())?;
            (end <= BYTES).then_some((start, end))
        };
        let before = self
            .used
            .try_update(Relaxed, Relaxed, |used| place(used).map(|(_, end)| end))
            .ok()?;
        let (start, _) = place(before)?;
        // SAFETY: `start` is within the memory, or at its end for a piece of no bytes.
        Some(unsafe { self.begin().add(start) })
    }

    /// Moves the end of the last piece. False: it is not the last, or there is no room.
    fn resize_last(&self, offset: usize, from: usize, to: usize) -> bool {
        let Some(end) = offset.checked_add(to).filter(|end| *end <= BYTES) else {
            return false;
        };
        self.used
            .compare_exchange(offset + from, end, Relaxed, Relaxed)
            .is_ok()
    }
}

// SAFETY: a piece is aligned and as large as was asked for, belongs to one owner (see `Sync`), and
// stays where it is until it is given back; all else is the system's allocator's, told by address.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.cut(layout) {
            Some(block) => block,
            // SAFETY: the caller's promise, passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset_of(block) {
            // What is not the last piece stays used.
            Some(offset) => drop(self.resize_last(offset, layout.size(), 0)),
            // SAFETY: it is not from here, so that it is from there.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset_of(block) else {
            // SAFETY: it is not from here, so that it is from there.
            return unsafe { System.realloc(block, layout, size) };
        };
        if self.resize_last(offset, layout.size(), size) {
            return block;
        }
        // SAFETY: the caller promises that `size`, rounded up to the alignment, is no overflow.
        let larger = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `larger` has a size, as the caller promises. Both blocks have the bytes that are
        // copied, and are two: the old one is still its owner's. It is given back once.
        unsafe {
            let moved = self.alloc(larger);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What was handed out, filled with a byte of its own.
    struct Block {
        at: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Block {
        fn new(arena: &Arena, size: usize, align: usize, fill: u8) -> Self {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: the layout has a size.
            let at = unsafe { arena.alloc(layout) };
            assert!(!at.is_null() && at.addr() % align == 0, "{layout:?}");
            let block = Self { at, layout, fill };
            block.write();
            block
        }

        fn write(&self) {
            // SAFETY: the block is ours, and this long.
            unsafe { ptr::write_bytes(self.at, self.fill, self.layout.size()) }
        }

        fn is_whole(&self, size: usize) -> bool {
            // SAFETY: the block is ours, this long, and was written.
            let bytes = unsafe { std::slice::from_raw_parts(self.at, size) };
            bytes.iter().all(|b| *b == self.fill)
        }

        fn resize(&mut self, arena: &Arena, size: usize) {
            let kept = size.min(self.layout.size());
            // SAFETY: it is from this arena, with this layout.
            self.at = unsafe { arena.realloc(self.at, self.layout, size) };
            assert!(!self.at.is_null() && self.is_whole(kept));
            self.layout = Layout::from_size_align(size, self.layout.align()).expect("a layout");
            self.write();
        }

        fn free(self, arena: &Arena) {
            // SAFETY: it is from this arena, with this layout, and goes here.
            unsafe { arena.dealloc(self.at, self.layout) }
        }
    }

    #[test]
    fn the_last_piece_grows_where_it_is_and_goes_back() {
        let arena = Box::new(Arena::new());
        let mut last = Block::new(&arena, 100, 8, 1);
        let at = last.at;
        last.resize(&arena, 5000);
        assert_eq!(last.at, at);
        last.free(&arena);
        assert_eq!(arena.used.load(Relaxed), 0);
    }

    #[test]
    fn what_has_no_room_is_the_systems() {
        let arena = Box::new(Arena::new());
        let inside = Block::new(&arena, BYTES - 10, 1, 1);
        let outside = Block::new(&arena, 100, 8, 2);
        let odd = Block::new(&arena, 10, 2 * ALIGN_MAX, 3);
        let places = [&inside, &outside, &odd].map(|b| arena.offset_of(b.at).is_some());
        assert_eq!(places, [true, false, false]);
        assert!(inside.is_whole(BYTES - 10));
        for block in [inside, outside, odd] {
            block.free(&arena);
        }
    }

    proptest! {
        #[test]
        fn no_block_reaches_into_another(
            steps in prop::collection::vec((0..3u8, 1..9000usize, 0..8u32, any::<prop::sample::Index>()), 1..150),
        ) {
            let arena = Box::new(Arena::new());
            let mut blocks: Vec<Block> = Vec::new();
            for (number, (what, size, align, which)) in steps.into_iter().enumerate() {
                match what {
                    0 => blocks.push(Block::new(&arena, size, 1 << align, number as u8)),
                    1 if !blocks.is_empty() => {
                        let which = which.index(blocks.len());
                        blocks[which].resize(&arena, size);
                    }
                    2 if !blocks.is_empty() => {
                        let which = which.index(blocks.len());
                        blocks.swap_remove(which).free(&arena);
                    }
                    _ => {}
                }
                prop_assert!(blocks.iter().all(|b| b.is_whole(b.layout.size())));
            }
            for block in blocks {
                block.free(&arena);
            }
        }
    }
}
