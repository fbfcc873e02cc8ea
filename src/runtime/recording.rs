//! Recordings: a session's events with their times, one JSON value a line. Written by `--record`, played by
//! `tapdeck replay`, `--demo` and the screen tests.
//!
//! ```text
//! {"tapdeck_recording":1,"version":"0.1.0","script_name":"net.stp","script":"probe …","machine":"Linux 6.18.44 x86_64"}
//! {"t":12,"e":{"Started":{…}}}
//! {"t":1012,"e":{"Snapshot":{…}}}
//! {"t":2003,"e":{"Output":"eth0 12\n"}}
//! {"t":5003,"e":{"Ended":{…}}}
//! ```
//!
//! The first line is a [`Header`], every other a [`Timed`]. Text is a JSON string where it is UTF-8 and an array of bytes
//! where it is not. A reader ignores fields it does not know and a last line that was cut off; a line in the middle that it
//! cannot read, or a header with a later number, is an error.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::session::{SessionEvent, SessionInfo};

/// The format's number. Raised when an older reader would misread.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`]; its name marks the file as ours.
    pub tapdeck_recording: u32,
    /// Of the tapdeck that wrote it.
    pub version: String,
    #[serde(default)]
    pub script_name: String,
    /// The script's text, for the editor.
    #[serde(default, with = "text_bytes")]
    pub script: Vec<u8>,
    /// `Linux 6.18.44 x86_64`.
    #[serde(default)]
    pub machine: String,
    /// Shown by whoever plays it; empty for none.
    #[serde(default)]
    pub note: String,
}

/// An event and when it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Milliseconds since the recording began.
    #[serde(rename = "t")]
    pub at_ms: u64,
    #[serde(rename = "e")]
    pub event: SessionEvent,
}

impl Timed {
    pub fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }
}

#[derive(Debug, Error)]
pub enum RecordingError {
    #[error("cannot read \"{path}\": {source}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("\"{path}\" is not a recording of tapdeck")]
    NotOurs { path: String },
    #[error("\"{path}\" was made by a later tapdeck (format {found}, this one reads {FORMAT})")]
    Later { path: String, found: u32 },
    #[error("\"{path}\" is damaged at line {line}: {source}")]
    Damaged {
        path: String,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
}

/// Writes a recording as events come.
pub struct Recorder {
    out: BufWriter<Box<dyn Write + Send>>,
    start: Instant,
}

impl Recorder {
    /// Creates (or truncates) the file and writes the header; its number and version are filled in.
    pub fn create(path: &Path, header: Header) -> io::Result<Self> {
        Self::to(Box::new(File::create(path)?), header)
    }

    /// As [`Recorder::create`], to anything.
    pub fn to(out: Box<dyn Write + Send>, header: Header) -> io::Result<Self> {
        let mut out = BufWriter::new(out);
        let header = Header { tapdeck_recording: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), ..header };
        serde_json::to_writer(&mut out, &header)?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(Self { out, start: Instant::now() })
    }

    /// Appends an event that came now.
    pub fn record(&mut self, event: &SessionEvent) -> io::Result<()> {
        let at_ms = self.start.elapsed().as_millis() as u64;
        self.record_at(at_ms, event)
    }

    pub fn record_at(&mut self, at_ms: u64, event: &SessionEvent) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            t: u64,
            e: &'a SessionEvent,
        }
        serde_json::to_writer(&mut self.out, &Line { t: at_ms, e: event })?;
        self.out.write_all(b"\n")?;
        // A line at a time reaches the file, so a killed session leaves a playable one.
        self.out.flush()
    }
}

/// A recording in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    pub header: Header,
    pub events: Vec<Timed>,
    /// The last line was cut off.
    pub truncated: bool,
}

impl Recording {
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| RecordingError::Read { path: name.clone(), source })?;
        Self::read(BufReader::new(file), &name)
    }

    /// A recording inside the program.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        Self::read(text.as_bytes(), "<recording>")
    }

    fn read(mut input: impl BufRead, path: &str) -> Result<Self, RecordingError> {
        let path = path.to_owned();
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            match input.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => lines.push(line),
                Err(source) => return Err(RecordingError::Read { path, source }),
            }
        }
        let Some((first, rest)) = lines.split_first() else { return Err(RecordingError::NotOurs { path }) };
        let Ok(header) = serde_json::from_slice::<Header>(first) else {
            return Err(RecordingError::NotOurs { path });
        };
        if header.tapdeck_recording > FORMAT {
            return Err(RecordingError::Later { path, found: header.tapdeck_recording });
        }
        let mut recording = Recording { header, ..Recording::default() };
        for (idx, line) in rest.iter().enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(timed) => recording.events.push(timed),
                Err(_) if idx + 1 == rest.len() => recording.truncated = true,
                Err(source) => return Err(RecordingError::Damaged { path, line: idx + 2, source }),
            }
        }
        Ok(recording)
    }

    /// What the session said of itself when it started.
    pub fn info(&self) -> Option<&SessionInfo> {
        self.events.iter().find_map(|timed| match &timed.event {
            SessionEvent::Started(info) => Some(&**info),
            _ => None,
        })
    }

    /// Time of the last event.
    pub fn length(&self) -> Duration {
        self.events.last().map_or(Duration::ZERO, Timed::at)
    }
}

/// Plays a recording: asks the caller for the time, so tests step it and screens run it in real time.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    next: usize,
    /// Where in the recording playing stands.
    position: Duration,
    pub looped: bool,
}

impl Replay {
    pub fn new(recording: Recording) -> Self {
        Self { recording, next: 0, position: Duration::ZERO, looped: false }
    }

    pub fn header(&self) -> &Header {
        &self.recording.header
    }

    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    pub fn position(&self) -> Duration {
        self.position
    }

    pub fn is_over(&self) -> bool {
        self.next == self.recording.events.len()
    }

    /// Goes on by `by` and gives the events of that stretch. When looped it starts again after the end.
    pub fn advance(&mut self, by: Duration) -> Vec<SessionEvent> {
        if self.looped && self.is_over() {
            self.next = 0;
            self.position = Duration::ZERO;
        }
        self.position += by;
        let mut events = Vec::new();
        while let Some(timed) = self.recording.events.get(self.next).filter(|timed| timed.at() <= self.position) {
            events.push(timed.event.clone());
            self.next += 1;
        }
        events
    }

    /// The next event, however far off; for stepping.
    pub fn step(&mut self) -> Option<SessionEvent> {
        let timed = self.recording.events.get(self.next)?;
        self.position = timed.at();
        self.next += 1;
        Some(timed.event.clone())
    }

    /// How long until the next event; `None` at the end.
    pub fn until_next(&self) -> Option<Duration> {
        if self.looped && self.is_over() {
            return Some(Duration::from_secs(1));
        }
        self.recording.events.get(self.next).map(|timed| timed.at().saturating_sub(self.position))
    }
}

/// Bytes as a JSON string where they are UTF-8, as an array where they are not.
pub(super) mod text_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => bytes.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Bytes(bytes) => bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use expect_test::expect;

    use super::*;
    use crate::runtime::session::{Datum, EndReport, Row, Snapshot, StatValue, Table};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn events() -> Vec<SessionEvent> {
        let row = Row {
            keys: vec![Datum::Str(b"a\xff".to_vec()), Datum::Long(-1)],
            value: Datum::Stat(Box::new(StatValue { count: 1, log2: vec![(4, 1)], ..StatValue::default() })),
        };
        let table = Table { rows: vec![row], overflows: 2 };
        vec![
            SessionEvent::Output("héllo\n".into()),
            SessionEvent::Output(b"\xff\n".to_vec()),
            SessionEvent::Snapshot(Arc::new(Snapshot { tables: vec![table], ..Snapshot::default() })),
            SessionEvent::Ended(EndReport::default()),
        ]
    }

    fn recorded() -> String {
        let shared = Shared::default();
        let header = Header { script: b"probe begin { # \xff }".to_vec(), ..Header::default() };
        let mut recorder = Recorder::to(Box::new(shared.clone()), header).unwrap();
        for (i, event) in events().iter().enumerate() {
            recorder.record_at(i as u64 * 100, event).unwrap();
        }
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let text = recorded();
        let recording = Recording::parse(&text).unwrap();
        assert_eq!(recording.header.script, b"probe begin { # \xff }");
        assert_eq!(recording.events.iter().map(|timed| timed.event.clone()).collect::<Vec<_>>(), events());
        assert!(!recording.truncated);
        expect![[r#"{"t":0,"e":{"Output":"héllo\n"}}"#]].assert_eq(text.lines().nth(1).unwrap());
        expect![[r#"{"t":100,"e":{"Output":[255,10]}}"#]].assert_eq(text.lines().nth(2).unwrap());
    }

    #[test]
    fn a_cut_off_last_line_is_forgiven_others_are_not() {
        let text = recorded();
        let cut = Recording::parse(&text[..text.len() - 20]).unwrap();
        assert_eq!((cut.events.len(), cut.truncated), (3, true));
        let damaged = text.replacen("héllo\\n\"", "", 1);
        assert!(Recording::parse(&damaged).unwrap_err().to_string().contains("damaged at line 2"));
        assert!(matches!(Recording::parse(""), Err(RecordingError::NotOurs { .. })));
        assert!(matches!(Recording::parse("{\"a\":1}\n"), Err(RecordingError::NotOurs { .. })));
        let later = text.replacen("recording\":1", "recording\":9", 1);
        assert!(matches!(Recording::parse(&later), Err(RecordingError::Later { found: 9, .. })));
    }

    #[test]
    fn plays_by_the_callers_clock() {
        let mut replay = Replay::new(Recording::parse(&recorded()).unwrap());
        assert_eq!(replay.advance(Duration::ZERO).len(), 1);
        assert_eq!(replay.until_next(), Some(Duration::from_millis(100)));
        assert_eq!(replay.advance(Duration::from_millis(250)).len(), 2);
        assert!(matches!(replay.step(), Some(SessionEvent::Ended(_))));
        assert!(replay.is_over() && replay.step().is_none() && replay.until_next().is_none());
        replay.looped = true;
        assert_eq!(replay.advance(Duration::from_millis(100)).len(), 2);
    }
}
