//! Who is told of events: the library's caller, or a descriptor.

use std::os::fd::RawFd;

use crate::status::Status;
use crate::supervise::Event;

/// Whom events are told.
pub(crate) enum Listener<'a> {
    Caller(&'a mut dyn FnMut(&Event)),
    Descriptor(&'a mut Status),
}

impl Listener<'_> {
    pub(crate) fn tell(&mut self, event: &Event) {
        match self {
            Self::Caller(on_event) => on_event(event),
            Self::Descriptor(status) => status.tell(event),
        }
    }

    pub(crate) fn signalled(&mut self, signo: i32) {
        if let Self::Descriptor(status) = self {
            status.signalled(signo);
        }
    }

    pub(crate) fn waits_for(&self) -> Option<RawFd> {
        match self {
            Self::Caller(_) => None,
            Self::Descriptor(status) => status.waits_for(),
        }
    }

    pub(crate) fn write(&mut self) {
        if let Self::Descriptor(status) = self {
            status.write();
        }
    }
}
