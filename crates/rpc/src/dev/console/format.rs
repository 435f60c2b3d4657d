//! Values as one line of text, as Hardhat's node and Node.js' `util.format` print them.

use alloy_dyn_abi::DynSolValue;
use alloy_primitives::{I256, U256, hex};
use std::fmt::Write as _;

/// One call to the console as text.
///
/// Where the first value is a string and more follow, `%s`, `%d`, `%i`, `%o`, `%O` and `%x` in it
/// stand for the values after it, and `%%` for a per cent sign; values that are left over follow,
/// each after a blank.
pub(super) fn line(values: &[DynSolValue]) -> String {
    let mut text = String::new();
    let mut rest = values.iter();
    if let [DynSolValue::String(form), _, ..] = values {
        rest.next();
        let mut parts = form.chars();
        while let Some(sign) = parts.next() {
            if sign != '%' {
                text.push(sign);
                continue;
            }
            match parts.clone().next() {
                Some('%') => text.push('%'),
                Some(spec @ ('s' | 'd' | 'i' | 'o' | 'O' | 'x')) => match rest.next() {
                    Some(value) => text.push_str(&by_spec(value, spec)),
                    None => text.extend(['%', spec]),
                },
                // Not a specifier: the sign stands for itself, and so does what follows.
                _ => {
                    text.push('%');
                    continue;
                }
            }
            parts.next();
        }
        if rest.len() > 0 {
            text.push(' ');
        }
    }
    let rest: Vec<String> = rest.map(plain).collect();
    text.push_str(&rest.join(" "));
    harmless(&text)
}

fn plain(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Int(number, _) => number.to_string(),
        DynSolValue::Bool(flag) => flag.to_string(),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::String(text) => text.clone(),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..*size]),
        other => format!("{other:?}"),
    }
}

fn by_spec(value: &DynSolValue, spec: char) -> String {
    match spec {
        'd' | 'i' => number(value, spec),
        'x' => hexadecimal(value),
        'o' | 'O' => match value {
            DynSolValue::Uint(..) | DynSolValue::Int(..) | DynSolValue::Bool(_) => plain(value),
            _ => format!("'{}'", plain(value)),
        },
        _ => plain(value),
    }
}

/// What is no number is "NaN". A flag is one for `%d` and none for `%i`, as in JavaScript.
fn number(value: &DynSolValue, spec: char) -> String {
    match value {
        DynSolValue::Uint(..) | DynSolValue::Int(..) => plain(value),
        DynSolValue::Bool(flag) if spec == 'd' => u8::from(*flag).to_string(),
        DynSolValue::String(text) => match I256::from_dec_str(text.trim()) {
            Ok(number) if !text.trim().is_empty() => number.to_string(),
            _ => "NaN".to_owned(),
        },
        _ => "NaN".to_owned(),
    }
}

fn hexadecimal(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => format!("{number:#x}"),
        DynSolValue::Int(number, _) => {
            let sign = if number.is_negative() { "-" } else { "" };
            format!("{sign}{:#x}", number.unsigned_abs())
        }
        DynSolValue::Bool(flag) => format!("{:#x}", U256::from(*flag)),
        DynSolValue::String(text) => hex::encode_prefixed(text),
        other => plain(other),
    }
}

/// A contract must not move the cursor of whoever reads the log: control characters but line feeds
/// and tabs are written as escapes.
pub(super) fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_control() && sign != '\n' && sign != '\t' {
            // Writing to a string does not fail.
            let _ = write!(clean, "{}", sign.escape_default());
        } else {
            clean.push(sign);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256};

    fn text(text: &str) -> DynSolValue {
        DynSolValue::String(text.to_owned())
    }

    fn uint(number: u64) -> DynSolValue {
        DynSolValue::Uint(U256::from(number), 256)
    }

    fn int(number: i64) -> DynSolValue {
        DynSolValue::Int(I256::try_from(number).unwrap(), 256)
    }

    #[test]
    fn values_are_separated_by_blanks() {
        assert_eq!(line(&[]), "");
        assert_eq!(line(&[text("a")]), "a");
        assert_eq!(line(&[uint(7), text("%d"), DynSolValue::Bool(false)]), "7 %d false");
        assert_eq!(
            line(&[DynSolValue::Address(Address::repeat_byte(0xab)), int(-3)]),
            format!("{} -3", Address::repeat_byte(0xab))
        );
        assert_eq!(line(&[DynSolValue::FixedBytes(B256::repeat_byte(0x12), 2)]), "0x1212");
        assert_eq!(line(&[DynSolValue::Bytes(vec![1, 2])]), "0x0102");
        assert_eq!(line(&[DynSolValue::Uint(U256::MAX, 256)]), U256::MAX.to_string());
    }

    #[test]
    fn a_string_in_front_is_a_form() {
        assert_eq!(line(&[text("x=%d y=%s"), uint(7), text("b")]), "x=7 y=b");
        assert_eq!(line(&[text("%i|%o|%o"), int(-1), text("a"), uint(2)]), "-1|'a'|2");
        assert_eq!(line(&[text("%x %x"), uint(255), int(-255)]), "0xff -0xff");
        assert_eq!(line(&[text("left"), uint(1), uint(2)]), "left 1 2");
        assert_eq!(line(&[text("%s"), uint(1), uint(2)]), "1 2");
        assert_eq!(line(&[text("%s and %s"), uint(1)]), "1 and %s");
        assert_eq!(line(&[text("100%% %s"), text("sure")]), "100% sure");
        assert_eq!(line(&[text("%q %"), uint(1)]), "%q % 1");
        assert_eq!(line(&[text("%"), uint(1)]), "% 1");
        // A string alone is no form.
        assert_eq!(line(&[text("100%%")]), "100%%");
        assert_eq!(line(&[text("%s")]), "%s");
    }

    #[test]
    fn what_is_no_number_says_so() {
        let address = DynSolValue::Address(Address::ZERO);
        assert_eq!(line(&[text("%d %d"), text("a"), address]), "NaN NaN");
        assert_eq!(line(&[text("%d"), text(" 12 ")]), "12");
        assert_eq!(line(&[text("%d"), text("")]), "NaN");
        assert_eq!(
            line(&[text("%d %i"), DynSolValue::Bool(true), DynSolValue::Bool(true)]),
            "1 NaN"
        );
    }

    #[test]
    fn terminals_are_left_alone() {
        assert_eq!(line(&[text("a\u{1b}[2Jb\r\nc\td")]), "a\\u{1b}[2Jb\\r\nc\td");
    }
}
