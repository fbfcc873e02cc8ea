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
    /// Below the heatmap, of what it shares with the costs.
    Heat,
}

impl Border {
    pub const ALL: [(Border, &'static str); 4] =
        [(Border::Probes, "probes"), (Border::Script, "script"), (Border::Log, "log"), (Border::Heat, "heat")];
}

/// The layout and the borders a person has moved in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Layout {
    pub mode: LayoutMode,
    pub zoom: bool,
    shares: [[Option<f64>; 4]; 5],
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
        let (from, to) = if across { (pane.x, pane.right()) } else { (pane.y, pane.bottom()) };
        // The border between script and live tables is nearer than those around both.
        let edges = self.edges(size, focus);
        let beside = |edge: &&Edge| edge.across == across && (edge.at == from || edge.at == to) && edge.touches(pane);
        let Some(edge) = edges.iter().filter(beside).max_by_key(|edge| edge.border == Border::Script) else {
            return false;
        };
        let further = if edge.at == to { columns + rows } else { -columns - rows };
        self.move_edge(edge, i32::from(edge.at) + further);
        areas(size, self, focus) != at
    }

    /// The border at a cell, and how far it is from there.
    pub fn border_at(&self, size: (u16, u16), focus: Pane, x: u16, y: u16) -> Option<(Border, i32)> {
        let edges = self.edges(size, focus);
        let found = edges.iter().find(|edge| {
            let (along, beside) = if edge.across { (y, x) } else { (x, y) };
            edge.span.contains(&along) && (edge.at == beside || edge.at == beside + 1)
        });
        found.map(|edge| (edge.border, i32::from(edge.at) - i32::from(if edge.across { x } else { y })))
    }

    /// Moves a border to a column or a row, whichever it divides.
    pub fn drag(&mut self, size: (u16, u16), focus: Pane, border: Border, (x, y): (i32, i32)) {
        if let Some(edge) = self.edges(size, focus).into_iter().find(|edge| edge.border == border) {
            self.move_edge(&edge, if edge.across { x } else { y });
        }
    }

    fn move_edge(&mut self, edge: &Edge, to: i32) {
        let cells = if edge.border == Border::Log { edge.end() - to } else { to - i32::from(edge.start) };
        self.set_share(self.mode, edge.border, Some(f64::from(cells) / f64::from(edge.whole.max(1))));
    }

    /// The borders on screen that can be moved.
    fn edges(&self, size: (u16, u16), focus: Pane) -> Vec<Edge> {
        let at = areas(size, self, focus);
        let mut edges = Vec::new();
        let (Some(log), false) = (at.log, self.zoom) else { return edges };
        let body = Rect::new(0, 1, size.0, log.bottom().saturating_sub(1));
        if body.height <= log.height {
            return edges;
        }
        edges.push(Edge {
            border: Border::Log,
            across: false,
            start: body.y,
            whole: body.height,
            at: log.y,
            span: 0..size.0,
        });
        let main = body.y..log.y;
        if let Some(probes) = at.probes.filter(|probes| probes.width < size.0) {
            let at = probes.right();
            edges.push(Edge { border: Border::Probes, across: true, start: 0, whole: size.0, at, span: main.clone() });
        }
        let beside = |border, a: Rect, b: Rect, span| Edge {
            border,
            across: true,
            start: a.x,
            whole: b.right() - a.x,
            at: b.x,
            span,
        };
        let stacked = |border, a: Rect, b: Rect| Edge {
            border,
            across: false,
            start: a.y,
            whole: b.bottom() - a.y,
            at: b.y,
            span: a.x..a.right(),
        };
        match (at.script, at.live, at.heat.zip(at.costs)) {
            (Some(script), Some(live), _) if script.y == live.y => {
                edges.push(beside(Border::Script, script, live, main));
            }
            (Some(script), Some(live), _) => edges.push(stacked(Border::Script, script, live)),
            (None, Some(live), Some((heat, costs))) => {
                edges.push(beside(Border::Script, live, heat, main));
                edges.push(stacked(Border::Heat, heat, costs));
            }
            _ => (),
        }
        edges
    }

    pub fn even(&mut self) {
        self.shares[self.mode as usize] = [None; 4];
    }
}

/// A border on screen.
#[derive(Debug)]
struct Edge {
    border: Border,
    /// It divides columns; else rows.
    across: bool,
    /// What it divides: the first cell and how many.
    start: u16,
    whole: u16,
    /// The first cell behind it.
    at: u16,
    /// How far it reaches in the other direction.
    span: std::ops::Range<u16>,
}

impl Edge {
    fn end(&self) -> i32 {
        i32::from(self.start) + i32::from(self.whole)
    }

    fn touches(&self, pane: Rect) -> bool {
        let (from, to) = if self.across { (pane.y, pane.bottom()) } else { (pane.x, pane.right()) };
        self.span.start < to && from < self.span.end
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
            let heat = layout.cells(Border::Heat, right.height, right.height * 55 / 100);
            let heat = heat.clamp(4, right.height.saturating_sub(4).max(4)).min(right.height);
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
    fn every_border_on_screen_can_be_dragged() {
        for size in [(100, 30), (120, 40), (200, 50)] {
            for (mode, _) in LayoutMode::ALL {
                let edges = Layout::new(mode).edges(size, Pane::Live);
                assert!(edges.iter().any(|edge| edge.border == Border::Log), "{size:?} {mode:?}");
                assert_eq!(Layout::new(mode).border_at(size, Pane::Live, 50, 0), None);
                for edge in edges {
                    let mut layout = Layout::new(mode);
                    let along = edge.span.start + 1;
                    for (beside, behind) in [(edge.at, 0), (edge.at - 1, 1)] {
                        let (x, y) = if edge.across { (beside, along) } else { (along, beside) };
                        assert_eq!(layout.border_at(size, Pane::Live, x, y), Some((edge.border, behind)));
                    }
                    let to = i32::from(edge.at) - 2;
                    layout.drag(size, Pane::Live, edge.border, (to, to));
                    let moved = layout.edges(size, Pane::Live).into_iter().find(|other| other.border == edge.border);
                    assert_eq!(moved.map(|edge| i32::from(edge.at)), Some(to), "{size:?} {mode:?} {:?}", edge.border);
                }
            }
        }
        assert_eq!(Layout::default().border_at((80, 24), Pane::Live, 0, 10), None);
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
    fn what_a_size_has_room_for() {
        let at = |width, height| areas((width, height), &Layout::default(), Pane::Live);
        let panes = |areas: &Areas| Pane::ALL.iter().filter(|pane| areas.pane(**pane).is_some()).count();
        // Three columns, two, one pane with tabs, one without, a word.
        let a = at(180, 30);
        assert!(panes(&a) == 4 && a.script.unwrap().y == a.live.unwrap().y);
        for size in [(179, 50), (100, 30)] {
            let a = at(size.0, size.1);
            assert!(panes(&a) == 4 && a.script.unwrap().x == a.live.unwrap().x, "{size:?}");
        }
        for size in [(99, 50), (200, 29), (60, 15)] {
            let a = at(size.0, size.1);
            assert!(panes(&a) == 1 && a.tabs.is_some() && a.keys.is_some() && a.timeline.is_none(), "{size:?}");
        }
        for size in [(59, 15), (60, 14), (20, 5)] {
            let a = at(size.0, size.1);
            assert!(panes(&a) == 1 && a.status.is_some() && a.tabs.is_none() && a.keys.is_none(), "{size:?}");
        }
        for size in [(19, 50), (200, 4)] {
            let a = at(size.0, size.1);
            assert!(panes(&a) == 0 && a.notice.is_some() && a.status.is_none(), "{size:?}");
        }
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
