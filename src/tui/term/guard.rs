//! Takes the terminal and gives it back: on return, on error, on panic (with the message after the screen is restored) and
//! around a stay in the shell.

use std::{
    io,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossterm::terminal;

use super::writer;

static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Alternate screen, no wrapping at the edge, bracketed paste.
const ENTER: &str = "\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[?25l";
/// Everything back, whatever was on: mouse, paste, wrapping, a half-written synchronized update, colours, cursor.
const LEAVE: &str = "\x1b[?2026l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?2004l\x1b[?7h\x1b[0m\x1b[?25h\x1b[?1049l";
/// Clicks, and moves only while a button is down: others would cost a slow line a report for each cell.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// A terminal that takes nothing for so long is left as it is.
const PATIENCE: Duration = Duration::from_millis(500);

/// While it lives the terminal is ours.
pub struct Guard(());

impl Guard {
    /// # Errors
    /// Standard input or output is no terminal.
    pub fn take(mouse: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                next(info);
            }));
        });
        take(mouse)?;
        Ok(Self(()))
    }

    /// Gives the terminal back until [`Guard::resume`].
    pub fn pause(&self) {
        give_back();
    }

    /// # Errors
    /// The terminal is gone.
    pub fn resume(&self, mouse: bool) -> io::Result<()> {
        take(mouse)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

fn take(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    write(ENTER.as_bytes())?;
    if mouse { write(self::mouse(true)) } else { Ok(()) }
}

/// May be called at any time, from the panic hook too; does its work once.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = write(LEAVE.as_bytes());
        let _ = terminal::disable_raw_mode();
    }
}

/// Beside the thread that writes frames: before it begins, after it has settled, and in a panic.
fn write(bytes: &[u8]) -> io::Result<()> {
    writer::write_whole(&writer::output()?, bytes, None, Some(PATIENCE))
}

/// Bytes that turn reports of the mouse on or off.
pub fn mouse(on: bool) -> &'static [u8] {
    if on { MOUSE_ON.as_bytes() } else { MOUSE_OFF.as_bytes() }
}

/// Bytes that put `text` on the clipboard of the terminal's user (OSC 52); `None` when it is more than terminals take.
pub fn clipboard(text: &str) -> Option<Vec<u8>> {
    const LIMIT: usize = 74_000;
    (text.len() <= LIMIT).then(|| format!("\x1b]52;c;{}\x07", base64(text.as_bytes())).into_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = u32::from_be_bytes([0, chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)]);
        for digit in 0..4 {
            if digit <= chunk.len() {
                out.push(DIGITS[(n >> (18 - 6 * digit) & 63) as usize].into());
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_all_lengths() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
        assert_eq!(clipboard("a").unwrap(), b"\x1b]52;c;YQ==\x07");
        assert!(clipboard(&"x".repeat(80_000)).is_none());
    }
}
