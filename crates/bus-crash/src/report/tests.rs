use super::*;

fn violation(point: u64) -> Violation {
    Violation {
        sweep: "s".into(),
        point,
        fault: "power cut".into(),
        wrong: "batch 1 is lost".into(),
        trace: vec!["3: write /f".into()],
    }
}

#[test]
fn all_violations_are_counted_and_the_first_are_told() {
    let mut sum = Tally::new("s");
    for n in (0..4).rev() {
        let mut one = Tally::new("s");
        for point in 0..5 {
            one.points += 1;
            one.violate(violation(n * 10 + point));
        }
        one.count("harmless", 2);
        sum.add(one);
    }
    assert_eq!((sum.points, sum.violated), (20, 20));
    let told: Vec<u64> = sum.violations.iter().map(|told| told.point).collect();
    assert_eq!(told, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    assert_eq!(sum.outcomes, [("harmless", 8)]);
    let report = Report { tallies: vec![sum] };
    assert_eq!(report.violated(), 20);
    let expected = "\
sweep      points      faults    reopened  violations
s              20           0           0          20
sum            20           0           0          20
s: 8 harmless
";
    assert_eq!(report.to_string(), expected);
    let expected = "\
1 sweeps in 7 s: 20 points, 0 faults, 0 reopenings, 20 losses and other violations.

| sweep | points | faults | reopenings | violations |
|---|---:|---:|---:|---:|
| s | 20 | 0 | 0 | 20 |
| sum | 20 | 0 | 0 | 20 |
";
    assert_eq!(report.markdown(7), expected);
}

#[test]
fn a_violation_says_where_and_what() {
    let told = violation(7).to_string();
    assert_eq!(
        told,
        "s at point 7: power cut\n  batch 1 is lost\n    3: write /f\n"
    );
}
