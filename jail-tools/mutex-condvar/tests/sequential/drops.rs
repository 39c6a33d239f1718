//! Where items end that nobody took.

use mutex_condvar::Faults;

use crate::item::Maker;
use crate::queue;

#[test]
fn items_of_a_dropped_queue_are_dropped_with_it() {
    let mut maker = Maker::default();
    let queue = queue::bounded(3, Faults::NONE);
    for _ in 0..3 {
        queue.push(maker.make()).expect("it is open");
    }
    assert_eq!(maker.drops(), [0, 0, 0]);
    drop(queue);
    assert_eq!(maker.drops(), [1, 1, 1]);
}

#[test]
fn the_last_consumer_drops_them_and_not_the_last_producer() {
    let mut maker = Maker::default();
    let (producer, consumer) = queue::bounded(3, Faults::NONE).into_ends();
    for _ in 0..3 {
        producer.push(maker.make()).expect("it is open");
    }
    let other = consumer.clone();
    drop(consumer);
    assert_eq!(maker.drops(), [0, 0, 0]);
    drop(other);
    assert_eq!(maker.drops(), [1, 1, 1]);
    let refused = producer.push(maker.make()).expect_err("nobody is there");
    assert_eq!(maker.drops(), [1, 1, 1, 0]);
    drop(refused);
    assert_eq!(maker.drops(), [1, 1, 1, 1]);
}

#[test]
fn the_items_of_a_producer_that_waited_are_its_own_again() {
    let mut maker = Maker::default();
    let queue = queue::bounded(1, Faults::NONE);
    queue.push(maker.make()).expect("it is open");
    let waits = maker.make();
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| queue.push(waits));
        while !producer.is_finished() && !queue.is_closed() {
            std::thread::yield_now();
            queue.close();
        }
        let refused = producer.join().expect("it does not panic");
        let item = refused.expect_err("it was closed").into_inner();
        assert_eq!(item.number, 1);
        assert_eq!(maker.drops(), [0, 0]);
    });
    drop(queue);
    assert_eq!(maker.drops(), [1, 1]);
}
