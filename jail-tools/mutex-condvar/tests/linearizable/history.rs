//! What threads saw of a queue: who asked for what when, and was answered what when.

/// What was asked for. Items are numbers, each pushed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Push(u8),
    Pop,
    /// At most so many.
    PopMany(usize),
    Close,
    CloseNow,
    Len,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answered {
    /// A push was done.
    Done,
    /// These came out, in this order.
    Items(Vec<u8>),
    /// Full or empty: now (`try_`), or until the deadline.
    Blocked,
    /// Closed (for a pop: and empty).
    Closed,
    /// Was it the call that closed it?
    First(bool),
    Count(usize),
}

/// One call. Its times are of one clock that all threads share: a call that ended before
/// another began has the smaller ones.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) thread: usize,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) asked: Asked,
    pub(crate) answered: Answered,
}
