//! The textbook's queue, with each discipline.

use mutex_condvar::Faults;
use mutex_condvar::experiment::Discipline;
use proptest::prelude::*;

use crate::item::Maker;
use crate::model::Model;
use crate::queue::{self, Patience, Queue};

#[derive(Debug, Clone)]
enum Op {
    Push(u8),
    Pop(u8),
    Len,
    Close,
    CloseNow,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => any::<u8>().prop_map(Op::Push),
        8 => any::<u8>().prop_map(Op::Pop),
        1 => Just(Op::Len),
        1 => Just(Op::Close),
        1 => Just(Op::CloseNow),
    ]
}

fn check(capacity: usize, discipline: Discipline, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut maker = Maker::default();
    let queue = queue::textbook(capacity, discipline, Faults::NONE);
    let mut model = Model::new(capacity);
    for op in ops {
        match op {
            Op::Push(choice) => {
                let patience = crate::patience(*choice);
                if patience == Patience::Forever && model.blocks_push(1) {
                    continue;
                }
                let item = maker.make();
                let expected = model.push(item.number);
                let put = queue.put(item, patience).map_err(|(_, refusal)| refusal);
                prop_assert_eq!(put, expected);
            }
            Op::Pop(choice) => {
                let patience = crate::patience(*choice);
                if patience == Patience::Forever && model.blocks_pop() {
                    continue;
                }
                prop_assert_eq!(queue.get(patience).map(|item| item.number), model.pop());
            }
            Op::Len => {
                prop_assert_eq!(queue.count(), model.items.len());
                prop_assert_eq!(queue.is_empty(), model.items.is_empty());
            }
            Op::Close => prop_assert_eq!(queue.shut(), model.close()),
            Op::CloseNow => {
                let left = queue.shut_now();
                let left: Vec<u32> = left.iter().map(|item| item.number).collect();
                prop_assert_eq!(left, model.close_now());
            }
        }
    }
    drop(queue);
    prop_assert_eq!(maker.drops(), maker.each(1), "each item is dropped once");
    Ok(())
}

proptest! {
    #[test]
    fn the_textbooks_queue_is_a_list_and_a_flag(
        capacity in 1..=4_usize,
        discipline in proptest::sample::select(&Discipline::ALL[..]),
        ops in proptest::collection::vec(op(), 0..60),
    ) {
        check(capacity, discipline, &ops)?;
    }
}
