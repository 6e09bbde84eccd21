use std::time::Duration;

use super::Pauses;

#[test]
fn pauses_double_up_to_the_longest_and_half_of_each_is_chance() {
    let (first, longest) = (Duration::from_millis(50), Duration::from_secs(5));
    let mut pauses = Pauses::new(first, longest);
    for _ in 0..2 {
        let mut whole = first;
        for _ in 0..12 {
            let pause = pauses.take();
            assert!(
                whole / 2 <= pause && pause <= whole,
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(longest);
        }
        pauses.reset();
    }
    let mut again = || {
        pauses.reset();
        pauses.take()
    };
    let one = again();
    assert!(
        (0..64).any(|_| again() != one),
        "every first pause is {one:?}"
    );
}
