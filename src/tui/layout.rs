//! Where everything is: rectangles as a pure function of the terminal's size, the layout and the focus.
//!
//! ```text
//! ≥ 180 columns            100-179                   else: one pane and tabs
//! ┌ status ────────────┐   ┌ status ────────────┐   ┌ status ────────────┐
//! │ probes script live │   │ probes │ script     │   │ tabs               │
//! │                    │   │        │ live       │   │ the focused pane   │
//! │ log                │   │ log                 │   │                    │
//! │ timeline message   │   │ timeline message    │   │                    │
//! └ keys ──────────────┘   └ keys ───────────────┘   └ keys ──────────────┘
//! ```

use ratatui::layout::Rect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Probes,
    Script,
    Live,
    Log,
}

impl Pane {
    pub const ALL: [Pane; 4] = [Pane::Probes, Pane::Script, Pane::Live, Pane::Log];

    pub fn title(self) -> &'static str {
        ["Probes", "Script", "Live", "Log"][self as usize]
    }

    pub fn number(self) -> usize {
        self as usize + 1
    }

    pub fn name(self) -> &'static str {
        ["probes", "script", "live", "log"][self as usize]
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pane| pane.name() == text)
    }

    pub fn step(self, forward: bool) -> Self {
        Self::ALL[(self as usize + if forward { 1 } else { 3 }) % 4]
    }
}

/// What a large screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutMode {
    /// All four panes.
    Trace,
    /// Script and live tables.
    Edit,
    /// Live tables and log.
    Watch,
}

impl LayoutMode {
    pub const ALL: [(LayoutMode, &'static str); 3] =
        [(LayoutMode::Trace, "trace"), (LayoutMode::Edit, "edit"), (LayoutMode::Watch, "watch")];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % 3].0
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(mode, _)| mode)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    pub status: Option<Rect>,
    pub tabs: Option<Rect>,
    pub probes: Option<Rect>,
    pub script: Option<Rect>,
    pub live: Option<Rect>,
    pub log: Option<Rect>,
    pub timeline: Option<Rect>,
    /// Messages and prompts; laid over a pane's bottom border when there is no row to spare.
    pub message: Option<Rect>,
    pub keys: Option<Rect>,
    /// Too small for anything else.
    pub notice: Option<Rect>,
}

impl Areas {
    pub fn pane(&self, pane: Pane) -> Option<Rect> {
        match pane {
            Pane::Probes => self.probes,
            Pane::Script => self.script,
            Pane::Live => self.live,
            Pane::Log => self.log,
        }
    }

    pub fn pane_at(&self, x: u16, y: u16) -> Option<(Pane, Rect)> {
        let inside = |rect: &Rect| rect.contains((x, y).into());
        Pane::ALL.into_iter().find_map(|pane| self.pane(pane).filter(inside).map(|rect| (pane, rect)))
    }
}

pub fn areas(size: (u16, u16), mode: LayoutMode, zoom: bool, focus: Pane) -> Areas {
    let (width, height) = size;
    let row = |y: u16| Some(Rect::new(0, y, width, 1));
    let mut areas = Areas::default();
    if width < 20 || height < 5 {
        areas.notice = Some(Rect::new(0, 0, width, height));
        return areas;
    }
    areas.status = row(0);
    let single = width < 100 || height < 30;
    if single {
        let small = width < 60 || height < 15;
        let top = if small { 1 } else { 2 };
        let bottom = if small { height } else { height - 1 };
        if !small {
            areas.tabs = row(1);
            areas.keys = row(height - 1);
        }
        set(&mut areas, focus, Rect::new(0, top, width, bottom - top));
        areas.message = row(bottom - 1);
        return areas;
    }
    areas.keys = row(height - 1);
    areas.message = row(height - 2);
    areas.timeline = row(height - 3);
    let (top, bottom) = (1, height - 3);
    let body = Rect::new(0, top, width, bottom - top);
    if zoom {
        set(&mut areas, focus, body);
        return areas;
    }
    let log_height = match mode {
        LayoutMode::Edit => 6,
        LayoutMode::Trace => (body.height / 5).clamp(6, 14),
        LayoutMode::Watch => (body.height / 3).clamp(6, 24),
    };
    let main = Rect { height: body.height - log_height, ..body };
    areas.log = Some(Rect::new(0, main.bottom(), width, log_height));
    let wide = width >= 180;
    let probes_width = match mode {
        LayoutMode::Trace if wide => 48,
        LayoutMode::Trace => (width * 32 / 100).clamp(36, 48),
        _ => 0,
    };
    if probes_width > 0 {
        areas.probes = Some(Rect { width: probes_width, ..main });
    }
    let rest = Rect { x: probes_width, width: width - probes_width, ..main };
    match mode {
        LayoutMode::Watch => areas.live = Some(rest),
        _ if wide => {
            let script_width = rest.width * 45 / 100;
            areas.script = Some(Rect { width: script_width, ..rest });
            areas.live = Some(Rect { x: rest.x + script_width, width: rest.width - script_width, ..rest });
        }
        _ => {
            let share = if mode == LayoutMode::Edit { 55 } else { 38 };
            let script_height = (rest.height * share / 100).max(8);
            areas.script = Some(Rect { height: script_height, ..rest });
            areas.live = Some(Rect { y: rest.y + script_height, height: rest.height - script_height, ..rest });
        }
    }
    // The focused pane is always on screen, whatever the layout leaves out.
    if areas.pane(focus).is_none() {
        match focus {
            Pane::Probes => areas.probes = areas.live.or(Some(rest)),
            _ => set(&mut areas, focus, rest),
        }
        if focus == Pane::Script || focus == Pane::Probes {
            areas.live = None;
        }
    }
    areas
}

fn set(areas: &mut Areas, pane: Pane, rect: Rect) {
    match pane {
        Pane::Probes => areas.probes = Some(rect),
        Pane::Script => areas.script = Some(rect),
        Pane::Live => areas.live = Some(rect),
        Pane::Log => areas.log = Some(rect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_never_overlap_and_the_focus_is_always_there() {
        for width in (1..=220).step_by(3) {
            for height in 1..=60 {
                for (mode, _) in LayoutMode::ALL {
                    for zoom in [false, true] {
                        for focus in Pane::ALL {
                            let a = areas((width, height), mode, zoom, focus);
                            if a.notice.is_some() {
                                continue;
                            }
                            assert!(a.pane(focus).is_some());
                            let screen = Rect::new(0, 0, width, height);
                            let rects: Vec<Rect> = Pane::ALL
                                .iter()
                                .filter_map(|p| a.pane(*p))
                                .chain(a.tabs)
                                .chain(a.status)
                                .chain(a.keys)
                                .chain(a.timeline)
                                .collect();
                            for (n, r) in rects.iter().enumerate() {
                                assert_eq!(r.intersection(screen), *r);
                                assert!(
                                    rects[n + 1..].iter().all(|o| r.intersection(*o).is_empty()),
                                    "{width}x{height} {mode:?} {focus:?}: {rects:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
