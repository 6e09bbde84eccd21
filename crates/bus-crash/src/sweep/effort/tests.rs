use super::*;

fn points(seed: u64, share: u64, last: u64) -> Vec<u64> {
    let effort = Effort {
        seed,
        share,
        ..Effort::default()
    };
    effort.points(last)
}

#[test]
fn a_share_of_one_is_all() {
    for last in [0, 1, 99] {
        let all: Vec<u64> = (0..=last).collect();
        assert_eq!(points(1, 1, last), all);
    }
}

#[test]
fn a_share_has_one_point_of_each_row() {
    for last in [0, 6, 7, 8, 99] {
        let found = points(1, 8, last);
        let rows: Vec<u64> = found.iter().map(|point| point / 8).collect();
        let all: Vec<u64> = (0..=last / 8).collect();
        assert_eq!(rows, all, "{found:?} of {last}");
        assert!(found.iter().all(|point| *point <= last));
    }
}

#[test]
fn seeds_choose_different_points() {
    assert_eq!(points(1, 8, 999), points(1, 8, 999));
    assert_ne!(points(1, 8, 999), points(2, 8, 999));
}

#[test]
fn a_point_that_is_asked_for_is_tried_whatever_the_share() {
    let effort = Effort {
        share: 8,
        point: Some(5),
        ..Effort::default()
    };
    assert_eq!(effort.points(99), [5]);
}
