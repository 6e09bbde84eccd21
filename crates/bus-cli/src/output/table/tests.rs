use clap::builder::styling::Style;

use super::{Align, Table};
use crate::output::tests::written;

#[test]
fn columns_line_up_on_their_side() {
    let mut table = Table::new(Style::new(), [("name", Align::Left), ("n", Align::Right)]);
    table.row(Style::new(), ["日本".into(), "1".into()]);
    table.row(Style::new(), ["a".into(), "1,000".into()]);
    let text = written(false, |out| table.write(out, "  "));
    assert_eq!(text, "  name      n\n  日本      1\n  a     1,000\n");
}
