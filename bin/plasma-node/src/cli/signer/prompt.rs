//! Questions on the terminal whose answers are not shown.

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::{
    fs::File,
    io::{self, IsTerminal, Read as _, Write as _},
};
use zeroize::Zeroizing;

/// Longest line of a terminal, in bytes (Linux, `N_TTY_BUF_SIZE`).
const LINE_BYTES_MAX: usize = 4096;

/// Asks on the terminal and shows nothing of the answer. Fails where standard input is none: a
/// script must not wait for somebody who is not there.
pub(super) fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return Err(io::Error::other("standard input is no terminal"));
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let mut line = Zeroizing::new([0; LINE_BYTES_MAX]);
    let hidden = Hidden::begin(&terminal)?;
    (&terminal).write_all(question.as_bytes())?;
    // A terminal that edits lines gives one of them to one read.
    let length = (&terminal).read(line.as_mut_slice())?;
    let interrupt = hidden.interrupt();
    drop(hidden);
    (&terminal).write_all(b"\n")?;
    answer(&line[..length], interrupt)
}

/// The answer in a line: without its end, and none where the key of an interrupt ended it.
fn answer(line: &[u8], interrupt: Option<u8>) -> io::Result<Zeroizing<String>> {
    match line.last() {
        None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer came")),
        Some(last) if Some(*last) == interrupt => {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "it was interrupted"));
        }
        Some(_) => {}
    }
    let text = std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line));
    let text = text.map_err(|_| io::Error::other("the answer is not valid UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        // Without ISIG an interrupt does not end the program, which would leave the terminal mute;
        // as a second end of line its key still ends the question.
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        hidden.local_modes.insert(LocalModes::ICANON);
        hidden.special_codes[SpecialCodeIndex::VEOL] =
            before.special_codes[SpecialCodeIndex::VINTR];
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }

    /// The code of the key that interrupts (usually Ctrl-C), where there is one.
    fn interrupt(&self) -> Option<u8> {
        Some(self.before.special_codes[SpecialCodeIndex::VINTR]).filter(|code| *code != 0)
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        if let Err(failure) = tcsetattr(self.terminal, OptionalActions::Now, &self.before) {
            eprintln!("plasma-node: the terminal cannot be set back ({failure}); run: stty sane");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_without_its_end() {
        for (line, expected) in [("pass\n", "pass"), ("pass", "pass"), (" p \n", " p "), ("\n", "")]
        {
            assert_eq!(answer(line.as_bytes(), Some(3)).unwrap().as_str(), expected, "{line:?}");
        }
        for (line, kind) in [
            (&b""[..], io::ErrorKind::UnexpectedEof),
            (b"pass\x03", io::ErrorKind::Interrupted),
            (b"\x03", io::ErrorKind::Interrupted),
            (b"pass\xff\n", io::ErrorKind::Other),
        ] {
            let error = answer(line, Some(3)).unwrap_err();
            assert_eq!(error.kind(), kind, "{line:?}");
            assert!(!error.to_string().contains("pass"), "{error}");
        }
        assert_eq!(answer(b"a\x03", None).unwrap().as_str(), "a\u{3}");
    }
}
