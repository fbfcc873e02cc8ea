//! How much the line to the terminal can carry: how often data is drawn, and what is left out where it carries little.

use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    #[default]
    Local,
    /// Four frames a second, clocks that show minutes.
    Ssh,
    /// One frame a second, ASCII, no colours, no rules inside panes.
    Slow,
}

impl Profile {
    pub const ALL: [Profile; 3] = [Profile::Local, Profile::Ssh, Profile::Slow];

    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Self {
        if env("SSH_CONNECTION").is_some_and(|v| !v.is_empty()) { Profile::Ssh } else { Profile::Local }
    }

    pub fn name(self) -> &'static str {
        ["local", "ssh", "slow"][self as usize]
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == text)
    }

    /// Between two frames that data asks for. What keys do is drawn at once.
    pub fn frame(self) -> Duration {
        Duration::from_millis([33, 250, 1000][self as usize])
    }

    /// A clock with seconds changes the screen even when nothing else does.
    pub fn shows_seconds(self) -> bool {
        self == Profile::Local
    }
}

/// Slows data down on a line that does not keep up, and up again when it does.
#[derive(Clone, Debug)]
pub struct Pace {
    frame: Duration,
    factor: u32,
    /// Frames in a row that were due while the one before was still on its way.
    late: u32,
    in_time: u32,
}

/// Late frames in a row that slow data down, and frames in time that speed it up.
const LATE: u32 = 3;
const IN_TIME: u32 = 10;
/// However slow the line: this often.
const SLOWEST: Duration = Duration::from_secs(4);

impl Pace {
    pub fn new(profile: Profile) -> Self {
        Self { frame: profile.frame(), factor: 1, late: 0, in_time: 0 }
    }

    pub fn frame(&self) -> Duration {
        (self.frame * self.factor).min(SLOWEST)
    }

    /// The frame time, when the line has made it longer.
    pub fn slowed(&self) -> Option<Duration> {
        (self.factor > 1).then(|| self.frame())
    }

    pub fn late(&mut self) {
        self.in_time = 0;
        self.late += 1;
        if self.late >= LATE && self.frame() < SLOWEST {
            self.factor *= 2;
            self.late = 0;
        }
    }

    pub fn in_time(&mut self) {
        self.late = 0;
        self.in_time += 1;
        if self.in_time >= IN_TIME {
            self.factor = (self.factor / 2).max(1);
            self.in_time = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_seen_in_the_environment() {
        assert_eq!(Profile::detect(|name| (name == "SSH_CONNECTION").then(|| "1 2 3 4".into())), Profile::Ssh);
        assert_eq!(Profile::detect(|_| None), Profile::Local);
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.name()), Some(profile));
        }
    }

    #[test]
    fn a_line_that_does_not_keep_up_halves_the_rate_and_gets_it_back() {
        let mut pace = Pace::new(Profile::Ssh);
        let late = |n: u32, pace: &mut Pace| {
            for _ in 0..n {
                pace.late();
            }
            pace.slowed().map(|frame| frame.as_millis())
        };
        assert_eq!(late(2, &mut pace), None);
        pace.in_time();
        assert_eq!(late(2, &mut pace), None, "not in a row");
        assert_eq!(late(1, &mut pace), Some(500));
        assert_eq!(late(30, &mut pace), Some(4000));
        for _ in 0..4 * IN_TIME {
            pace.in_time();
        }
        assert_eq!(pace.slowed(), None);
        assert_eq!(pace.frame(), Profile::Ssh.frame());
    }
}
