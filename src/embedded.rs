//! Files inside the binary, as `(name, bytes)`: `TAPSETS` and `THEMES`, names relative to their folder. Made by build.rs.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
