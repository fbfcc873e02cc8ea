//! Bytes from the terminal, read where they are wanted and at no other time: what is typed after the dashboard left belongs
//! to the shell.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Read},
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::unix::AsyncFd;

use crate::sys::{
    poll::{wait_readable, watch_readable},
    tty::put_back,
};
use crate::tui::input::parse::Parser;

pub struct Input {
    ready: AsyncFd<OwnedFd>,
    tty: File,
    pub parser: Parser,
}

impl Input {
    /// # Errors
    /// There is no terminal.
    pub fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let tty = if stdin.is_terminal() {
            File::from(stdin.as_fd().try_clone_to_owned()?)
        } else {
            OpenOptions::new().read(true).open("/dev/tty")?
        };
        Ok(Self { ready: watch_readable(tty.try_clone()?.into())?, tty, parser: Parser::default() })
    }

    /// Waits until there is something to read. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// The terminal is gone.
    pub async fn ready(&self) -> io::Result<()> {
        loop {
            let mut guard = self.ready.readable().await?;
            if self.has_bytes()? {
                return Ok(());
            }
            guard.clear_ready();
        }
    }

    fn has_bytes(&self) -> io::Result<bool> {
        let [ready] = wait_readable([Some(self.tty.as_fd())], Some(std::time::Duration::ZERO))?;
        Ok(ready)
    }

    /// Takes what is there to the parser; says whether the terminal is still there.
    pub fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.tty.read(&mut bytes) {
            Ok(0) => false,
            Ok(n) => {
                self.parser.feed(&bytes[..n]);
                true
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock),
        }
    }

    /// Gives back what was read and not used: it was typed for whoever has the terminal next.
    pub fn give_back(&mut self) {
        let typed = self.parser.take_typed();
        // Where the kernel does not allow it the bytes are lost.
        let _ = put_back(&self.tty, &typed);
    }
}
