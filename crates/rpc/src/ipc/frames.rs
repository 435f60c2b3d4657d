//! Where one JSON value of a stream ends and the next begins.

/// Cuts a stream of JSON values, which nothing needs to stand between, into these values. What is
/// inside of one is not looked at beyond strings and brackets: who reads it finds what is wrong.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    /// Where in `buffer` the current value begins.
    start: usize,
    /// How many bytes of it were looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    most: usize,
}

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// A value begins with what begins neither an object nor a list.
    NotJson,
    /// A value has more bytes than allowed.
    TooLarge,
}

impl Frames {
    /// Values of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            most,
        }
    }

    /// Adds what was read.
    pub(super) fn extend(&mut self, read: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(read);
    }

    /// The next whole value; `None` where more must be read first.
    ///
    /// # Errors
    /// Where the stream cannot be read any further.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        if self.depth == 0 {
            let rest = &self.buffer[self.start..];
            self.start += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            match self.buffer.get(self.start) {
                None => return Ok(None),
                Some(b'{' | b'[') => {}
                Some(_) => return Err(Broken::NotJson),
            }
        }
        while let Some(&byte) = self.buffer.get(self.start + self.scanned) {
            self.scanned += 1;
            if self.scanned > self.most {
                return Err(Broken::TooLarge);
            }
            if self.ends_with(byte) {
                let end = self.start + std::mem::take(&mut self.scanned);
                let value = self.buffer[self.start..end].to_vec();
                self.start = end;
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Takes note of the next byte; true where it ends the value.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn all(frames: &mut Frames) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            found.push(String::from_utf8(frame).unwrap());
        }
        found
    }

    #[test]
    fn values_need_nothing_between_them() {
        let mut frames = Frames::new(1000);
        frames.extend(b" {\"a\":\"}]\\\"{\"}[{},[1]]\n\r\n\t{} {\"b\"");
        assert_eq!(all(&mut frames), ["{\"a\":\"}]\\\"{\"}", "[{},[1]]", "{}"]);
        frames.extend(b":1}");
        assert_eq!(all(&mut frames), ["{\"b\":1}"]);
    }

    #[test]
    fn a_stream_that_is_no_json_is_told_from_one_that_is_too_long() {
        for text in ["x", "1", "\"a\"", "}", "]", "\u{feff}{}", "\0"] {
            let mut frames = Frames::new(1000);
            frames.extend(text.as_bytes());
            assert_eq!(frames.next(), Err(Broken::NotJson), "{text:?}");
        }
        let mut frames = Frames::new(10);
        frames.extend(b"[12345678][123456789]");
        assert_eq!(frames.next().unwrap().unwrap(), b"[12345678]");
        assert_eq!(frames.next(), Err(Broken::TooLarge));
        let mut frames = Frames::new(10);
        frames.extend(&[b'['; 11]);
        assert_eq!(frames.next(), Err(Broken::TooLarge));
    }

    /// A JSON value that a request may be.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        let any = leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::vec(any, 0..4).prop_map(Value::from)
    }

    proptest! {
        #[test]
        fn a_stream_is_cut_the_same_however_it_comes(
            values in prop::collection::vec((value(), "[ \n\r\t]{0,3}", any::<bool>()), 0..6),
            pieces in prop::collection::vec(1..40usize, 1..20),
        ) {
            let mut stream = String::new();
            let mut expected = Vec::new();
            for (value, space, pretty) in values {
                stream += &space;
                stream += &if pretty { format!("{value:#}") } else { value.to_string() };
                expected.push(value);
            }
            let (mut frames, mut found) = (Frames::new(1 << 20), Vec::new());
            let (mut rest, mut sizes) = (stream.as_bytes(), pieces.iter().cycle());
            while !rest.is_empty() {
                let size = (*sizes.next().unwrap()).min(rest.len());
                frames.extend(&rest[..size]);
                rest = &rest[size..];
                while let Some(frame) = frames.next().unwrap() {
                    found.push(serde_json::from_slice::<Value>(&frame).unwrap());
                }
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::new(100);
            frames.extend(&bytes);
            while let Ok(Some(frame)) = frames.next() {
                prop_assert!(!frame.is_empty());
            }
        }
    }
}
