//! Text: printf by SystemTap's rules, and histograms as rows and as the picture `print(@hist_log(x))` draws.
//!
//! Pure functions from values to bytes. Nothing here knows a session, so the interpreter, the ring reader and the panes
//! share it.

pub mod histogram;
pub mod printf;
