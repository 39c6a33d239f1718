//! What a consumer keeps of what it received: enough to know that nothing was lost or came twice.

/// Count and sums of the messages' ids, and latencies where they are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    messages: u64,
    /// Sums modulo 2^64 of the ids and of their squares: a loss made up for by a duplicate changes
    /// the first unless it is of the same id; two of each have to agree in both.
    sum: u64,
    squares: u64,
    pub(crate) latencies_ns: Vec<u64>,
}

impl Tally {
    /// With room for as many latencies, so that none is measured while the vector grows.
    pub(crate) fn with_room(latencies: u64) -> Self {
        Self {
            latencies_ns: Vec::with_capacity(latencies as usize),
            ..Self::default()
        }
    }

    /// One message came.
    pub(crate) fn add(&mut self, id: u64) {
        self.messages += 1;
        self.sum = self.sum.wrapping_add(id);
        self.squares = self.squares.wrapping_add(id.wrapping_mul(id));
    }

    /// Another consumer's.
    pub(crate) fn merge(&mut self, other: Self) {
        self.messages += other.messages;
        self.sum = self.sum.wrapping_add(other.sum);
        self.squares = self.squares.wrapping_add(other.squares);
        self.latencies_ns.extend(other.latencies_ns);
    }

    /// Did the ids `0..messages` come, each once?
    ///
    /// # Errors
    /// In words: they did not.
    pub(crate) fn check(&self, messages: u64) -> Result<(), String> {
        if self.messages != messages {
            return Err(format!("{} of {messages} messages arrived", self.messages));
        }
        let mut expected = Self::default();
        (0..messages).for_each(|id| expected.add(id));
        if (self.sum, self.squares) == (expected.sum, expected.squares) {
            Ok(())
        } else {
            Err(format!(
                "{messages} messages arrived, but not each of them once: the checksum is wrong"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(ids: &[u64]) -> Tally {
        let mut tally = Tally::default();
        for id in ids {
            tally.add(*id);
        }
        tally
    }

    #[test]
    fn any_order_and_any_split_will_do() {
        let mut all = tally(&[3, 0]);
        all.merge(tally(&[2, 1]));
        assert_eq!(all.check(4), Ok(()));
    }

    #[test]
    fn a_loss_a_duplicate_and_both_together_are_found() {
        for ids in [
            &[0, 1, 2][..],
            &[0, 1, 2, 3, 3],
            &[0, 1, 1, 3],
            &[0, 0, 3, 3],
        ] {
            assert!(tally(ids).check(4).is_err(), "{ids:?}");
        }
    }
}
