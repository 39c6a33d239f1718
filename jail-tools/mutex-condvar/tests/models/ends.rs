//! Models of the two ends that close the queue when the last of them is gone.

use crate::checker::spawn;
use crate::faults::Faults;
use crate::queue::BoundedQueue;

/// Consumers wait for what comes, and for the last producer to go.
pub(crate) fn last_producer_goes(capacity: usize, producers: u32, consumers: u32) {
    let queue = BoundedQueue::with_faults(capacity, Faults::NONE).expect("memory for some items");
    let (producer, consumer) = queue.into_ends();
    let mut threads = Vec::new();
    for _ in 1..consumers {
        let consumer = consumer.clone();
        threads.push(spawn(move || consumer.into_iter().sum::<u32>()));
    }
    for _ in 0..producers {
        let producer = producer.clone();
        threads.push(spawn(move || {
            producer.push(1).expect("a consumer is there");
            0
        }));
    }
    drop(producer);
    let mine: u32 = consumer.into_iter().sum();
    let others: u32 = threads
        .into_iter()
        .map(|thread| thread.join().expect("a thread of the model"))
        .sum();
    assert_eq!(mine + others, producers, "lost item");
}

/// A producer waits for a place when the last consumer goes: its item comes back.
pub(crate) fn last_consumer_goes(capacity: usize) {
    let queue = BoundedQueue::with_faults(capacity, Faults::NONE).expect("memory for some items");
    let (producer, consumer) = queue.into_ends();
    let pushing = spawn(move || {
        // One more than there are places, and nobody pops.
        (0..=capacity)
            .filter_map(|n| producer.push(n).err())
            .count()
    });
    drop(consumer);
    let refused = pushing.join().expect("a thread of the model");
    assert!(refused >= 1, "a push after the last pop");
}
