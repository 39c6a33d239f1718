//! What became of the items of a generation: each was sent once and is somewhere once.

use std::collections::HashMap;

/// Producer and number.
pub(crate) type Mark = (u32, u32);

/// Where they ended.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// How many each producer made, by its number.
    pub(crate) made: Vec<u32>,
    /// Given back by errors.
    pub(crate) refused: Vec<Mark>,
    /// By each consumer, in its order.
    pub(crate) received: Vec<Vec<Mark>>,
    /// What `close_now` returned.
    pub(crate) drained: Vec<Mark>,
    /// Dropped by the queue, with its last consumer.
    pub(crate) lost: Vec<Mark>,
}

impl Account {
    /// The first promise that was not kept, if any.
    pub(crate) fn check(&self, may_lose: bool) -> Result<(), String> {
        if !may_lose && !self.lost.is_empty() {
            return Err(format!(
                "{} items were dropped inside the queue, the first (producer, number) {:?}",
                self.lost.len(),
                self.lost[0]
            ));
        }
        for received in &self.received {
            in_order("one consumer", received)?;
        }
        in_order("close_now", &self.drained)?;
        in_order("the dropped queue", &self.lost)?;
        self.nothing_overtakes()?;
        self.each_once()
    }

    /// What was left in the queue is younger than all that came out of it.
    fn nothing_overtakes(&self) -> Result<(), String> {
        let mut youngest = HashMap::new();
        for (producer, number) in self.received.iter().flatten() {
            let seen = youngest.entry(producer).or_insert(number);
            *seen = number.max(seen);
        }
        let left = self.drained.iter().chain(&self.lost);
        for (producer, number) in left {
            if youngest.get(producer).is_some_and(|seen| *seen > number) {
                return Err(format!(
                    "producer {producer}'s item {number} was left behind, and a later one came out"
                ));
            }
        }
        Ok(())
    }

    fn each_once(&self) -> Result<(), String> {
        let mut seen: Vec<Vec<bool>> = self.made.iter().map(|n| vec![false; *n as usize]).collect();
        let received = self.received.iter().flatten();
        let all = received
            .chain(&self.refused)
            .chain(&self.drained)
            .chain(&self.lost);
        for (producer, number) in all {
            let of_it = seen.get_mut(*producer as usize);
            let Some(seen) = of_it.and_then(|items| items.get_mut(*number as usize)) else {
                return Err(format!("producer {producer} never made item {number}"));
            };
            if std::mem::replace(seen, true) {
                return Err(format!(
                    "producer {producer}'s item {number} is there twice"
                ));
            }
        }
        for (producer, items) in seen.iter().enumerate() {
            let missing = items.iter().filter(|seen| !**seen).count();
            if let Some(first) = items.iter().position(|seen| !seen) {
                return Err(format!(
                    "{missing} of producer {producer}'s items are nowhere, the first is {first}"
                ));
            }
        }
        Ok(())
    }
}

fn in_order(of: &str, marks: &[Mark]) -> Result<(), String> {
    let mut last: HashMap<u32, u32> = HashMap::new();
    for (producer, number) in marks {
        if let Some(before) = last.insert(*producer, *number)
            && before >= *number
        {
            return Err(format!(
                "{of} had producer {producer}'s item {number} after its item {before}"
            ));
        }
    }
    Ok(())
}
