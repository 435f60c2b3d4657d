//! Values as one line of text, as Hardhat's node and Node.js' `util.format` print them.

use alloy_dyn_abi::DynSolValue;
use alloy_primitives::{U256, hex};
use std::fmt::Write as _;

/// One call to the console as text.
///
/// Where the first value is a string and more follow, `%s`, `%d`, `%i`, `%f`, `%j`, `%o`, `%O`, `%c` and `%x` in it
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
                Some(spec @ ('s' | 'd' | 'i' | 'f' | 'j' | 'o' | 'O' | 'c' | 'x')) => {
                    match rest.next() {
                        Some(value) => text.push_str(&by_spec(value, spec)),
                        None => text.extend(['%', spec]),
                    }
                }
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
        DynSolValue::Address(address) => hex::encode_prefixed(address),
        DynSolValue::String(text) => text.clone(),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..*size]),
        other => format!("{other:?}"),
    }
}

/// Hardhat makes every value a string before it is formatted: `%d` and `%i` mean the same as `%s` then, and `%o` quotes.
/// `%x` is an extension.
fn by_spec(value: &DynSolValue, spec: char) -> String {
    match spec {
        'x' => hexadecimal(value),
        'o' | 'O' => quoted(&plain(value)),
        'j' => serde_json::Value::from(plain(value)).to_string(),
        // A style, which a log has not.
        'c' => String::new(),
        _ => plain(value),
    }
}

/// A string as JavaScript shows it: in single quotes, or in double ones where it has single ones and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    format!("{quote}{text}{quote}")
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
    use alloy_primitives::{Address, B256, I256};

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
            format!("0x{} -3", "ab".repeat(20))
        );
        assert_eq!(line(&[DynSolValue::FixedBytes(B256::repeat_byte(0x12), 2)]), "0x1212");
        assert_eq!(line(&[DynSolValue::Bytes(vec![1, 2])]), "0x0102");
        assert_eq!(line(&[DynSolValue::Uint(U256::MAX, 256)]), U256::MAX.to_string());
    }

    #[test]
    fn a_string_in_front_is_a_form() {
        assert_eq!(line(&[text("x=%d y=%s"), uint(7), text("b")]), "x=7 y=b");
        assert_eq!(line(&[text("%i|%o|%o"), int(-1), text("a"), uint(2)]), "-1|'a'|'2'");
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

    /// As Hardhat 2.29 prints them.
    #[test]
    fn every_value_is_a_string_before_it_is_formatted() {
        assert_eq!(line(&[text("%d"), text("a")]), "a");
        assert_eq!(line(&[text("%d"), text("")]), "");
        assert_eq!(line(&[text("%d"), text(" 12 ")]), " 12 ");
        let yes = || DynSolValue::Bool(true);
        assert_eq!(line(&[text("%d %i"), yes(), yes()]), "true true");
        assert_eq!(line(&[text("%o"), text("it's")]), "\"it's\"");
        assert_eq!(line(&[text("%j"), text("a")]), "\"a\"");
        assert_eq!(line(&[text("%f"), uint(5)]), "5");
        assert_eq!(line(&[text("%c[%s]"), text("a"), text("b")]), "[b]");
    }

    #[test]
    fn terminals_are_left_alone() {
        assert_eq!(line(&[text("a\u{1b}[2Jb\r\nc\td")]), "a\\u{1b}[2Jb\\r\nc\td");
    }
}
