//! Every finding a pass can make, as named constructors grouped by pass. Call sites never format text.

pub mod generate;
pub mod parse;
pub mod semantic;
pub mod translate;
