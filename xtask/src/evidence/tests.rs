use super::*;

#[test]
fn a_block_takes_the_place_of_the_one_before_and_nothing_else() -> Result<()> {
    let page = with_block("# Page\n", "loom", "12 orders\n")?;
    let page = with_block(&page, "crash", "3 points\n")?;
    let expected = "# Page\n\n<!-- loom: begin -->\n12 orders\n<!-- loom: end -->\n\n\
                    <!-- crash: begin -->\n3 points\n<!-- crash: end -->\n";
    assert_eq!(page, expected);
    let page = with_block(&page, "loom", "13 orders\n")?;
    assert_eq!(page, expected.replace("12 orders", "13 orders"));
    Ok(())
}

#[test]
fn a_page_with_half_a_block_is_left_alone() {
    for page in [
        "<!-- loom: begin -->\n",
        "<!-- loom: end -->\n<!-- loom: begin -->\n",
    ] {
        assert!(with_block(page, "loom", "1\n").is_err());
    }
}
