use anyhow::bail;

use super::load::{all, of_trees, own};
use super::*;
use crate::row::Against;
use crate::row::Goal;

fn steady(value: f64) -> impl Fn(&Place) -> Result<Box<dyn Trial>> {
    move |_| {
        Ok(Box::new(move |_: u64| {
            Ok(Measurement::of(value).note("lost", 0.0))
        }))
    }
}

fn fast() -> Plan {
    Plan {
        effort: Effort::Quick,
        rounds: 3,
        run: Duration::from_micros(1),
        retries: 2,
    }
}

fn boxed(
    name: &str,
    role: Role,
    setup: impl Fn(&Place) -> Result<Box<dyn Trial>> + 'static,
) -> Contender {
    Contender {
        name: name.into(),
        role,
        settings: String::new(),
        entry: Entry::Runs(Box::new(setup)),
    }
}

#[test]
fn contenders_run_in_turn_and_each_in_every_round() {
    let order = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let recorder = |name: char| {
        let order = std::rc::Rc::clone(&order);
        move |_: &Place| -> Result<Box<dyn Trial>> {
            let order = std::rc::Rc::clone(&order);
            Ok(Box::new(move |_: u64| {
                order.borrow_mut().push(name);
                Ok(Measurement::of(1.0))
            }))
        }
    };
    let row = Row::new("x", "x", Unit::Nanos)
        .pace(Pace::Fixed(1))
        .with(boxed("a", Role::Ours, recorder('a')))
        .with(boxed("b", Role::Peer, recorder('b')));
    let dir = tempfile::tempdir().unwrap();
    run(&row, fast(), dir.path()).unwrap();
    assert_eq!(order.borrow().as_str(), "ababab");
}

#[test]
fn one_who_fails_stands_in_the_table_and_stops_nobody() {
    let row = Row::new("x", "x", Unit::Nanos)
        .pace(Pace::Fixed(1))
        .with(boxed("bad setup", Role::Peer, |_| bail!("no disk")))
        .with(boxed("bad run", Role::Peer, |_| {
            Ok(Box::new(|_: u64| -> Result<Measurement> {
                bail!("no luck")
            }))
        }))
        .with(Contender::absent("gone", Role::Peer, "yanked"))
        .with(boxed("bus", Role::Ours, steady(5.0)));
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&row, fast(), dir.path()).unwrap();
    let hows: Vec<String> = outcome
        .contenders
        .iter()
        .map(|ran| format!("{:?}", ran.how))
        .collect();
    assert!(hows[0].contains("no disk"), "{}", hows[0]);
    assert!(hows[1].contains("no luck"), "{}", hows[1]);
    assert!(hows[2].contains("yanked"), "{}", hows[2]);
    assert!(
        matches!(&outcome.contenders[3].how, How::Measured { rounds, .. } if rounds.len() == 3)
    );
}

#[test]
fn a_noisy_row_is_run_again_and_then_given_up() {
    let mut calls = 0_u32;
    let wild = move |_: u64| {
        calls += 1;
        Ok(Measurement::of(f64::from(calls % 3) * 100.0 + 1.0))
    };
    let cell = std::cell::RefCell::new(Some(wild));
    let row = Row::new("x", "x", Unit::Nanos)
        .pace(Pace::Fixed(1))
        .goal(Goal::better(2.0, Against::Seed))
        .with(boxed("bus", Role::Ours, move |_| {
            Ok(Box::new(cell.borrow_mut().take().expect("set up once")))
        }))
        .with(boxed("plain", Role::Seed, steady(5.0)));
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&row, fast(), dir.path()).unwrap();
    assert_eq!(outcome.attempts, 3);
    assert!(matches!(outcome.goals[0].verdict, Verdict::Noisy(_)));
}

#[test]
fn a_smoke_run_judges_nothing() {
    let row = Row::new("x", "x", Unit::Nanos)
        .goal(Goal::better(2.0, Against::Seed))
        .with(boxed("bus", Role::Ours, steady(1.0)))
        .with(boxed("plain", Role::Seed, steady(5.0)));
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&row, Plan::of(Effort::Smoke), dir.path()).unwrap();
    assert!(outcome.goals.is_empty());
}

#[test]
fn processor_times_are_found_where_the_kernel_puts_them() {
    assert_eq!(all("cpu  10 2 30 400 5 6 7 8 0 0\ncpu0 1 1 1 1"), Some(20));
    let stat = "12 (a (b) c) R 1 1 1 0 -1 4 5 6 7 8 111 22 333 44 20 0 3";
    assert_eq!(own(stat), Some(111 + 333));
    assert_eq!(all("nonsense"), None);
}

#[test]
fn what_a_server_starts_counts_as_ours() {
    let stat = |pid: u32, parent: u32, user: u32| {
        (
            pid,
            format!("{pid} (a) S {parent} 1 1 0 -1 4 5 6 7 8 {user} 22 0 44 20 0 3"),
        )
    };
    let processes = [
        stat(1, 0, 1000),
        stat(7, 1, 10),
        stat(8, 7, 20),
        stat(9, 8, 30),
        stat(6, 1, 40),
    ];
    assert_eq!(of_trees(&[7], &processes.into()), 10 + 20 + 30);
}
