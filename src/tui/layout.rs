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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayoutMode {
    /// All four panes.
    #[default]
    Trace,
    /// Script and live tables.
    Edit,
    /// Live tables and log.
    Watch,
    /// The probe browser with all it knows, and the script.
    Browse,
    /// Live tables beside the selected row over time and what each probe costs.
    Incident,
}

impl LayoutMode {
    pub const ALL: [(LayoutMode, &'static str); 5] = [
        (LayoutMode::Trace, "trace"),
        (LayoutMode::Edit, "edit"),
        (LayoutMode::Watch, "watch"),
        (LayoutMode::Browse, "browse"),
        (LayoutMode::Incident, "incident"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()].0
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(mode, _)| mode)
    }
}

/// Borders between panes that can be moved. Each is kept as a part of the whole, so that a resize keeps what was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Right of the browser, of the width.
    Probes,
    /// Right of the script or below it, of what the browser leaves.
    Script,
    /// Above the log, of the height from below.
    Log,
}

impl Border {
    pub const ALL: [(Border, &'static str); 3] =
        [(Border::Probes, "probes"), (Border::Script, "script"), (Border::Log, "log")];
}

/// The layout and the borders a person has moved in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Layout {
    pub mode: LayoutMode,
    pub zoom: bool,
    shares: [[Option<f64>; 3]; 5],
}

/// A part that a border may give a pane.
const SHARE: std::ops::RangeInclusive<f64> = 0.1..=0.85;

impl Layout {
    pub fn new(mode: LayoutMode) -> Self {
        Self { mode, ..Self::default() }
    }

    pub fn share(&self, mode: LayoutMode, border: Border) -> Option<f64> {
        self.shares[mode as usize][border as usize]
    }

    pub fn set_share(&mut self, mode: LayoutMode, border: Border, share: Option<f64>) {
        self.shares[mode as usize][border as usize] = share.map(|share| share.clamp(*SHARE.start(), *SHARE.end()));
    }

    /// Cells on one side of a border: what was chosen, or the layout's own.
    fn cells(&self, border: Border, whole: u16, own: u16) -> u16 {
        self.share(self.mode, border).map_or(own, |share| (f64::from(whole) * share).round() as u16)
    }

    /// Makes the focused pane larger by `columns` or `rows` (negative: smaller). Says whether a border moved.
    pub fn grow(&mut self, size: (u16, u16), focus: Pane, columns: i32, rows: i32) -> bool {
        let at = areas(size, self, focus);
        let (Some(pane), false) = (at.pane(focus), self.zoom) else { return false };
        let across = columns != 0;
        // The border this pane has in that direction, the extent it divides, and which side of it the pane is on.
        let probes = at.probes.filter(|probes| probes.width < size.0);
        let side_by_side = at.script.zip(at.live).filter(|(script, live)| script.y == live.y);
        let stacked = at.script.zip(at.live).filter(|(script, live)| script.x == live.x);
        let rest = size.0 - probes.map_or(0, |probes| probes.width);
        let body = at.log.map_or(size.1, |log| log.bottom().saturating_sub(1));
        let found = match (focus, across) {
            (Pane::Probes, true) => probes.map(|probes| (Border::Probes, size.0, probes.width, 1)),
            (Pane::Script, true) if side_by_side.is_some() => Some((Border::Script, rest, pane.width, 1)),
            (Pane::Live, true) if side_by_side.is_some() || at.heat.is_some() => {
                let before = if at.heat.is_some() { pane.width } else { rest - pane.width };
                Some((Border::Script, rest, before, if at.heat.is_some() { 1 } else { -1 }))
            }
            (Pane::Script | Pane::Live, true) => probes.map(|probes| (Border::Probes, size.0, probes.width, -1)),
            (Pane::Script, false) if stacked.is_some() => {
                stacked.map(|(a, b)| (Border::Script, a.height + b.height, a.height, 1))
            }
            (Pane::Live, false) if stacked.is_some() => {
                stacked.map(|(a, b)| (Border::Script, a.height + b.height, a.height, -1))
            }
            (Pane::Log, false) => Some((Border::Log, body, pane.height, 1)),
            (_, false) => at.log.map(|log| (Border::Log, body, log.height, -1)),
            (Pane::Log, true) => None,
        };
        let Some((border, whole, cells, sign)) = found else { return false };
        let wanted = i32::from(cells) + sign * (columns + rows);
        self.set_share(self.mode, border, Some(f64::from(wanted) / f64::from(whole.max(1))));
        areas(size, self, focus) != at
    }

    pub fn even(&mut self) {
        self.shares[self.mode as usize] = [None; 3];
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
    /// Two more views of the live pane: the selected row over time, and what probes cost.
    pub heat: Option<Rect>,
    pub costs: Option<Rect>,
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

    /// The pane next to `pane` in a direction, the one that shares most of the border.
    pub fn neighbour(&self, pane: Pane, dx: i32, dy: i32) -> Option<Pane> {
        let here = self.pane(pane)?;
        let overlap = |a: (u16, u16), b: (u16, u16)| i32::from(a.1.min(b.1)) - i32::from(a.0.max(b.0));
        let shared = |there: &Rect| {
            if dx != 0 {
                let touches = if dx > 0 { there.x >= here.right() } else { there.right() <= here.x };
                (touches, overlap((here.y, here.bottom()), (there.y, there.bottom())))
            } else {
                let touches = if dy > 0 { there.y >= here.bottom() } else { there.bottom() <= here.y };
                (touches, overlap((here.x, here.right()), (there.x, there.right())))
            }
        };
        let away = |there: &Rect| i32::from(there.x.abs_diff(here.x)) + i32::from(there.y.abs_diff(here.y));
        Pane::ALL
            .into_iter()
            .filter(|other| *other != pane)
            .filter_map(|other| Some((other, self.pane(other)?)))
            .filter(|(_, rect)| matches!(shared(rect), (true, cells) if cells > 0))
            .min_by_key(|(_, rect)| (away(rect), -shared(rect).1))
            .map(|(other, _)| other)
    }
}

pub fn areas(size: (u16, u16), layout: &Layout, focus: Pane) -> Areas {
    let (width, height) = size;
    let mode = layout.mode;
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
    if layout.zoom {
        set(&mut areas, focus, body);
        return areas;
    }
    let own = match mode {
        LayoutMode::Edit | LayoutMode::Browse => 6,
        LayoutMode::Trace | LayoutMode::Incident => (body.height / 5).clamp(6, 14),
        LayoutMode::Watch => (body.height / 3).clamp(6, 24),
    };
    let log_height = layout.cells(Border::Log, body.height, own).clamp(3, body.height.saturating_sub(10));
    let main = Rect { height: body.height - log_height, ..body };
    areas.log = Some(Rect::new(0, main.bottom(), width, log_height));
    let wide = width >= 180;
    let own = match mode {
        LayoutMode::Trace if wide => 48,
        LayoutMode::Trace => (width * 32 / 100).clamp(36, 48),
        LayoutMode::Browse => width / 2,
        LayoutMode::Edit | LayoutMode::Watch | LayoutMode::Incident => 0,
    };
    let probes_width =
        if own > 0 { layout.cells(Border::Probes, width, own).clamp(20, width.saturating_sub(40)) } else { 0 };
    if probes_width > 0 {
        areas.probes = Some(Rect { width: probes_width, ..main });
    }
    let rest = Rect { x: probes_width, width: width - probes_width, ..main };
    let beside = |own: u16| {
        let left = layout.cells(Border::Script, rest.width, own).clamp(20, rest.width.saturating_sub(20));
        (Rect { width: left, ..rest }, Rect { x: rest.x + left, width: rest.width - left, ..rest })
    };
    match mode {
        LayoutMode::Watch => areas.live = Some(rest),
        LayoutMode::Browse => areas.script = Some(rest),
        LayoutMode::Incident => {
            let (live, right) = beside(rest.width * 55 / 100);
            let heat = right.height * 55 / 100;
            areas.live = Some(live);
            areas.heat = Some(Rect { height: heat, ..right });
            areas.costs = Some(Rect { y: right.y + heat, height: right.height - heat, ..right });
        }
        LayoutMode::Trace | LayoutMode::Edit if wide => {
            let (script, live) = beside(rest.width * 45 / 100);
            (areas.script, areas.live) = (Some(script), Some(live));
        }
        LayoutMode::Trace | LayoutMode::Edit => {
            let own = (rest.height * if mode == LayoutMode::Edit { 55 } else { 38 } / 100).max(8);
            let above = layout.cells(Border::Script, rest.height, own).clamp(4, rest.height.saturating_sub(5));
            areas.script = Some(Rect { height: above, ..rest });
            areas.live = Some(Rect { y: rest.y + above, height: rest.height - above, ..rest });
        }
    }
    // The focused pane is always on screen, whatever the layout leaves out.
    if areas.pane(focus).is_none() {
        (areas.live, areas.script, areas.heat, areas.costs) = (None, None, None, None);
        set(&mut areas, focus, rest);
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
                    for (zoom, share) in [(false, None), (true, None), (false, Some(0.0)), (false, Some(1.0))] {
                        for focus in Pane::ALL {
                            let mut layout = Layout { mode, zoom, ..Layout::default() };
                            for (border, _) in Border::ALL {
                                layout.set_share(mode, border, share);
                            }
                            let a = areas((width, height), &layout, focus);
                            if a.notice.is_some() {
                                continue;
                            }
                            assert!(a.pane(focus).is_some());
                            let screen = Rect::new(0, 0, width, height);
                            let rects: Vec<Rect> = Pane::ALL
                                .iter()
                                .filter_map(|p| a.pane(*p))
                                .chain(a.heat)
                                .chain(a.costs)
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

    #[test]
    fn a_moved_border_keeps_its_part_of_the_screen() {
        let mut layout = Layout::default();
        let own = areas((120, 40), &layout, Pane::Probes).probes.unwrap().width;
        assert!(layout.grow((120, 40), Pane::Probes, 12, 0));
        assert_eq!(areas((120, 40), &layout, Pane::Probes).probes.unwrap().width, own + 12);
        assert_eq!(areas((180, 40), &layout, Pane::Probes).probes.unwrap().width, (own + 12) * 3 / 2);
        // From the other side of the border.
        assert!(layout.grow((120, 40), Pane::Live, 12, 0));
        assert_eq!(areas((120, 40), &layout, Pane::Probes).probes.unwrap().width, own);
        let log = areas((120, 40), &layout, Pane::Log).log.unwrap().height;
        assert!(layout.grow((120, 40), Pane::Probes, 0, -3));
        assert_eq!(areas((120, 40), &layout, Pane::Log).log.unwrap().height, log + 3);
        assert!(!layout.grow((120, 40), Pane::Log, 4, 0) && !layout.grow((80, 24), Pane::Log, 0, 1));
        layout.even();
        assert_eq!(layout, Layout::default());
    }

    #[test]
    fn neighbours() {
        let at = areas((120, 40), &Layout::default(), Pane::Probes);
        for (from, dx, dy, to) in [
            (Pane::Probes, 1, 0, Some(Pane::Script)),
            (Pane::Script, 0, 1, Some(Pane::Live)),
            (Pane::Live, -1, 0, Some(Pane::Probes)),
            (Pane::Live, 0, 1, Some(Pane::Log)),
            (Pane::Log, 0, -1, Some(Pane::Probes)),
            (Pane::Probes, -1, 0, None),
            (Pane::Script, 0, -1, None),
        ] {
            assert_eq!(at.neighbour(from, dx, dy), to, "{from:?} {dx} {dy}");
        }
    }
}
