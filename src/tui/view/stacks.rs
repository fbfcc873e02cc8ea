//! The selected row's stack, a line for each frame.

use super::pen::Pen;
use crate::tui::{app::Model, stack, theme::Role};

/// Columns for a frame: most names of kernel functions with their offsets.
pub const WIDTH: u16 = 46;

pub fn draw(model: &Model, pen: &mut Pen, frames: &[&str]) {
    let height = usize::from(pen.height());
    let shown = if frames.len() > height { height.saturating_sub(1) } else { frames.len() };
    let width = pen.width();
    for (y, frame) in frames[..shown].iter().enumerate() {
        let y = y as u16;
        let (name, rest) = stack::name(frame);
        let x = pen.text(0, y, if y == 0 { "  " } else { "< " }, model.theme.get(Role::Dim));
        let x = pen.cut(x, y, width.saturating_sub(x), name, model.theme.get(Role::SynFunction), &model.glyphs);
        pen.cut(x, y, width.saturating_sub(x), rest, model.theme.get(Role::Dim), &model.glyphs);
    }
    if shown < frames.len() && height > 0 {
        let way = if model.live.drilled { "" } else { "; {enter} shows more of it" };
        let text = model.fill(&format!("{} {} more{way}", model.glyphs.ellipsis, frames.len() - shown));
        pen.cut(2, shown as u16, width.saturating_sub(2), &text, model.theme.get(Role::Dim), &model.glyphs);
    }
}
