use super::*;
use crate::rows;

#[test]
fn every_figure_is_of_a_row_that_there_is() {
    let families = rows::all(crate::row::Effort::Whole);
    let there: Vec<String> = families
        .into_iter()
        .flat_map(|family| family.rows)
        .map(|row| row.id)
        .collect();
    for row in LINES.iter().flat_map(|(_, rows)| rows) {
        assert!(there.iter().any(|id| id == row), "{row}");
    }
}

#[test]
fn a_rate_is_rounded_to_three_digits_and_has_its_thousands_apart() {
    let rates = [0.4, 7.0, 999.6, 6965.0, 25_849.0, 1_234_567.0].map(rate);
    assert_eq!(rates, ["0", "7", "1,000", "6,970", "25,800", "1,230,000"]);
}

#[test]
fn the_table_takes_the_place_of_the_last_one() {
    let run = serde_json::json!({
        "facts": { "commit": "abc", "cpu": "processor" },
        "sections": [{ "rows": [{
            "id": "nats/append/1x1x1",
            "contenders": [
                { "role": "seed", "outcome": "measured", "median": 1.0 },
                { "role": "ours", "outcome": "measured", "median": 4420.0 },
            ],
        }] }],
    });
    let page = format!("above\n{BEGIN}old\n{END}below\n");
    let page = update(&page, &run).unwrap();
    assert!(page.starts_with("above\n") && page.ends_with("below\n"));
    assert!(page.contains("| one event at a time, one session | – | – | – | 4,420 |"));
    assert!(!page.contains("old"));
    assert_eq!(update(&page, &run).unwrap(), page, "again changes nothing");
    update("nowhere", &run).unwrap_err();
}
