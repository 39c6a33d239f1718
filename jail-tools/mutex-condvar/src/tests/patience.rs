use crate::queue::patience::Habit;

/// How many of so many attempts were made, if each pays or none does.
fn attempts(habit: &Habit, of: u32, pays: bool) -> u32 {
    let mut made = 0;
    for _ in 0..of {
        habit.try_it(|| {
            made += 1;
            pays
        });
    }
    made
}

#[test]
fn what_pays_is_always_tried() {
    assert_eq!(attempts(&Habit::new(), 1000, true), 1000);
}

#[test]
fn what_never_pays_is_tried_once_in_a_while() {
    let habit = Habit::new();
    attempts(&habit, 100, false);
    let made = attempts(&habit, 3300, false);
    assert_eq!(made, 100, "one in 33");
}

#[test]
fn what_pays_again_is_taken_up_again() {
    let habit = Habit::new();
    attempts(&habit, 100, false);
    // One refusal in a row at most until it is tried, and then it pays.
    attempts(&habit, 40, true);
    assert_eq!(attempts(&habit, 10, true), 10);
    // A failure now and then is no reason to give up.
    for _ in 0..10 {
        assert_eq!(attempts(&habit, 1, false), 1);
        assert_eq!(attempts(&habit, 9, true), 9);
    }
}

#[test]
fn what_paid_was_true() {
    let habit = Habit::new();
    assert!(habit.try_it(|| true));
    assert!(!habit.try_it(|| false));
}
