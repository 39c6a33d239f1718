//! Why an operation did not do what it should. Whatever holds an item gives it back.

use std::error::Error;
use std::fmt;

/// There is no memory for a queue of the capacity that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapacityError {
    /// What was asked for, in items.
    pub capacity: usize,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for a queue of {} items", self.capacity)
    }
}

impl Error for CapacityError {}

macro_rules! errors_with_item {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident: $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum $name<T> {
            $($(#[$variant_doc])* $variant(T),)+
        }

        impl<T> $name<T> {
            /// The item that was not pushed.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$variant(item))|+ => item,
                }
            }
        }

        /// Without the item, which need not have a form for people.
        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant(_) => concat!(stringify!($variant), "(..)"),)+
                })
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant(_) => $text,)+
                })
            }
        }

        impl<T> Error for $name<T> {}
    )+};
}

errors_with_item! {
    /// Why [`push`](crate::BoundedQueue::push) gave the item back.
    PushError {
        /// The queue is closed, or its last consumer is gone.
        Closed: "push into a closed queue",
    }
    /// Why [`try_push`](crate::BoundedQueue::try_push) gave the item back.
    TryPushError {
        /// There is no free place now.
        Full: "push into a full queue",
        /// The queue is closed, or its last consumer is gone.
        Closed: "push into a closed queue",
    }
    /// Why [`push_deadline`](crate::BoundedQueue::push_deadline) gave the item back.
    PushDeadlineError {
        /// There was no free place until the deadline.
        TimedOut: "the queue stayed full until the deadline",
        /// The queue is closed, or its last consumer is gone.
        Closed: "push into a closed queue",
    }
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident: $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)+
                })
            }
        }

        impl Error for $name {}
    )+};
}

errors! {
    /// Why [`push_many`](crate::BoundedQueue::push_many) pushed only some.
    PushManyError {
        /// The queue is closed, or its last consumer is gone. What was not pushed is still
        /// with the caller.
        Closed: "push into a closed queue",
    }
    /// Why [`pop`](crate::BoundedQueue::pop) and [`pop_many`](crate::BoundedQueue::pop_many)
    /// have nothing.
    PopError {
        /// The queue is closed and drained, or its last producer is gone and it is drained.
        Closed: "pop from a closed and drained queue",
    }
    /// Why [`try_pop`](crate::BoundedQueue::try_pop) has nothing.
    TryPopError {
        /// There is no item now.
        Empty: "pop from an empty queue",
        /// The queue is closed and drained, or its last producer is gone and it is drained.
        Closed: "pop from a closed and drained queue",
    }
    /// Why [`pop_deadline`](crate::BoundedQueue::pop_deadline) has nothing.
    PopDeadlineError {
        /// There was no item until the deadline.
        TimedOut: "the queue stayed empty until the deadline",
        /// The queue is closed and drained, or its last producer is gone and it is drained.
        Closed: "pop from a closed and drained queue",
    }
}
