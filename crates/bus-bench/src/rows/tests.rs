use std::collections::BTreeSet;

use super::*;
use crate::row::{Against, Goal, Role};

const EFFORTS: [Effort; 3] = [Effort::Smoke, Effort::Quick, Effort::Whole];

#[test]
fn ids_are_unique_and_begin_with_their_familys() {
    for effort in EFFORTS {
        let mut seen = BTreeSet::new();
        for family in all(effort) {
            for row in family.rows {
                let prefix = format!("{}/", family.id);
                assert!(
                    row.id.starts_with(&prefix),
                    "{} is in {}",
                    row.id,
                    family.id
                );
                assert!(seen.insert(row.id.clone()), "{} is there twice", row.id);
            }
        }
    }
}

#[test]
fn every_row_has_one_of_ours_and_names_nobody_twice() {
    for family in all(Effort::Whole) {
        for row in family.rows {
            let ours = row
                .contenders
                .iter()
                .filter(|one| one.role == Role::Ours)
                .count();
            assert!(ours > 0, "{} has none of ours", row.id);
            let names: BTreeSet<_> = row.contenders.iter().map(|one| &one.name).collect();
            assert_eq!(names.len(), row.contenders.len(), "{}", row.id);
        }
    }
}

#[test]
fn every_goal_is_about_somebody_who_runs_in_its_row() {
    for family in all(Effort::Whole) {
        for row in family.rows {
            for goal in &row.goals {
                let (other, subject) = match *goal {
                    Goal::Better { than, subject, .. } => (than, subject),
                    Goal::Cost { of, subject, .. } => (of, subject),
                    Goal::NoteAtMost { .. } => continue,
                };
                let has_role = |role| row.contenders.iter().any(|one| one.role == role);
                let has_name = |name| row.contenders.iter().any(|one| one.name == name);
                let found = match other {
                    Against::Seed => has_role(Role::Seed),
                    Against::BestPeer => has_role(Role::Peer),
                    Against::Limit => has_role(Role::Limit),
                    Against::Named(name) => has_name(name),
                };
                assert!(found, "{}: {goal}", row.id);
                assert!(subject.is_none_or(has_name), "{}: {subject:?}", row.id);
            }
        }
    }
}
