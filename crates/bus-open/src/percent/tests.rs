use super::{Encoded, decode};

#[test]
fn what_is_encoded_decodes_to_the_same_bytes() {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let text = Encoded(&every).to_string();
    assert!(text.is_ascii() && !text.contains([' ', '?', '#']));
    assert_eq!(decode(&text).unwrap(), every);
}

#[test]
fn either_case_of_digits_is_read() {
    assert_eq!(decode("%2f%2F").unwrap(), b"//");
}

#[test]
fn a_percent_sign_without_two_digits_is_refused() {
    for bad in ["%", "%2", "%zz", "a%+1", "%%41"] {
        assert_eq!(decode(bad), None, "{bad}");
    }
}
