//! A door to C: the ring of `c/ring.c`, called as it is.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::{Ends, Message, Peer, Pop, Push, Refused, cloned};
use crate::cells::Threads;

/// `struct ring`, which only C looks into.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

// SAFETY: the signatures are those of c/ring.c, which build.rs compiles and links; `Message` is
// `repr(C)` with the two members of `struct message` there. Whoever edits one edits the other.
unsafe extern "C" {
    fn ring_new(capacity: usize, out: *mut *mut Opaque) -> c_int;
    fn ring_free(ring: *mut Opaque);
    fn ring_push(ring: *mut Opaque, message: *const Message) -> c_int;
    fn ring_pop(ring: *mut Opaque, out: *mut Message) -> c_int;
}

/// The kind.
pub(crate) struct Pthread;

/// Owns one `struct ring`: made by `ring_new`, freed once, when the last end is dropped.
pub(crate) struct Ring(NonNull<Opaque>);

// SAFETY: a `struct ring` belongs to no thread: its parts are guarded by its own pthread mutex,
// which c/ring.c takes before it touches any of them.
unsafe impl Send for Ring {}
// SAFETY: as above; all that is done through a shared `Ring` is ring_push and ring_pop, which lock.
unsafe impl Sync for Ring {}

impl Ring {
    fn new(capacity: usize) -> Result<Self> {
        let mut ring = std::ptr::null_mut();
        // SAFETY: `ring` is a place for one pointer that lives until the call has returned.
        let error = unsafe { ring_new(capacity, &raw mut ring) };
        if error != 0 {
            let error = std::io::Error::from_raw_os_error(error);
            bail!("ring_new of capacity {capacity}: {error}");
        }
        let ring = NonNull::new(ring).context("ring_new succeeded without a ring")?;
        Ok(Self(ring))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the pointer came from ring_new and is freed here alone. `&mut self` holds that no
        // thread is inside or will come: every end is an `Arc` of this, and this was the last.
        unsafe { ring_free(self.0.as_ptr()) }
    }
}

impl Peer for Pthread {
    type Tx = Arc<Ring>;
    type Rx = Arc<Ring>;

    fn ends(capacity: usize, threads: Threads) -> Result<Ends<Self>> {
        let ring = Arc::new(Ring::new(capacity)?);
        Ok(cloned(&ring, &ring, threads))
    }
}

impl Push for Arc<Ring> {
    fn push(&self, message: Message) -> Result<(), Refused> {
        // SAFETY: `self` keeps the ring alive during the call; the message is only read, and copied
        // before the call returns.
        done(unsafe { ring_push(self.0.as_ptr(), &raw const message) })
    }
}

impl Pop for Arc<Ring> {
    fn pop(&self) -> Result<Message, Refused> {
        let mut message = Message::default();
        // SAFETY: `self` keeps the ring alive during the call; `message` is a place for one message
        // that is ours alone until the call has returned.
        done(unsafe { ring_pop(self.0.as_ptr(), &raw mut message) })?;
        Ok(message)
    }
}

fn done(error: c_int) -> Result<(), Refused> {
    if error == 0 {
        Ok(())
    } else {
        Err(Refused::Errno(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_in_order_and_past_the_end_of_the_ring() {
        let ring = Arc::new(Ring::new(3).expect("a ring"));
        let message = |id| Message { id, stamp_ns: !id };
        for id in 0..10 {
            ring.push(message(id)).expect("there is room");
            ring.push(message(id + 100)).expect("there is room");
            assert_eq!(ring.pop(), Ok(message(id)));
            assert_eq!(ring.pop(), Ok(message(id + 100)));
        }
    }

    #[test]
    fn a_capacity_that_no_memory_holds_is_an_error() {
        for capacity in [0, usize::MAX] {
            assert!(Ring::new(capacity).is_err());
        }
    }
}
