//! Files inside the binary, as `(name, bytes)`: `TAPSETS` and `THEMES`, names relative to their folder. Made by build.rs.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A recording of a real session, for `--demo` and machines where nothing can be traced. Made by `tapdeck run --record`.
pub static DEMO: &str = include_str!("../tests/sessions/demo.tapdeck");
