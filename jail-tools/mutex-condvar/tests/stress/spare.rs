//! An end of the queue that is kept to be looked at, and changes nothing about how it ends.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use mutex_condvar::{Consumer, Producer};

use crate::generation::Ending;
use crate::item::Item;

enum End {
    Producer(Producer<Item>),
    Consumer(Consumer<Item>),
}

/// A consumer, unless the consumers' leaving is to end the queue: then a producer, which goes
/// with the last one of the others. For if the consumers want more than there is, it is the
/// producers' leaving that lets them go.
pub(crate) struct Spare {
    end: Mutex<Option<End>>,
    producing: AtomicU32,
}

impl Spare {
    pub(crate) fn new(
        ending: Ending,
        producers: u32,
        producer: Producer<Item>,
        consumer: Consumer<Item>,
    ) -> Self {
        let end = if ending == Ending::ConsumersLeave {
            End::Producer(producer)
        } else {
            End::Consumer(consumer)
        };
        Self {
            end: Mutex::new(Some(end)),
            producing: AtomicU32::new(producers),
        }
    }

    /// One of the producers has dropped its end.
    pub(crate) fn producer_left(&self) {
        if self.producing.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.take_if(|end| matches!(end, End::Producer(_)));
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        match &*end {
            Some(End::Producer(producer)) => producer.fmt(f),
            Some(End::Consumer(consumer)) => consumer.fmt(f),
            None => f.write_str("all producers are gone"),
        }
    }
}
