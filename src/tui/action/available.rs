//! Why an action cannot be done now: the reason a dead key gives, and what help and the palette say beside it.

use crate::tui::{
    app::Model,
    engine::Holds,
    layout::Pane,
    model::{browser::PartKind, live::LiveView},
};

type Available = Result<(), &'static str>;

pub(super) fn always(_: &Model) -> Available {
    Ok(())
}

pub(super) fn has_selection(model: &Model) -> Available {
    model.browser.selected_row().map(|_| ()).ok_or("no probe matches the filter")
}

pub(super) fn has_point(model: &Model) -> Available {
    has_selection(model)?;
    model.browser.selected_entry().map(|_| ()).ok_or("select a probe first; this is a group")
}

pub(super) fn has_return(model: &Model) -> Available {
    if is_on_line(model) {
        return Err("a line of a function does not return; {count} counts how often it is reached");
    }
    has_point(model)?;
    match model.browser.selected_entry() {
        Some(entry) if !entry.has_return && !entry.point.ends_with(".return") => {
            Err("this probe has no .return to measure; try {count} or {args}")
        }
        _ => Ok(()),
    }
}

fn is_on_line(model: &Model) -> bool {
    matches!(model.browser.selected_part().map(|part| &part.kind), Some(PartKind::Line(_)))
}

/// It runs in the kernel, on the stack of whatever led there.
pub(super) fn has_stack(model: &Model) -> Available {
    has_point(model)?;
    let Some(entry) = model.browser.selected_entry() else { return Ok(()) };
    let kind = entry.group.split('/').next().unwrap_or("");
    let runs_in_user_space = matches!(kind, "begin and end" | "timer" | "procfs" | "input");
    if runs_in_user_space && &*entry.point != "timer.profile" {
        return Err("tapdeck itself runs this probe: no stack leads there");
    }
    Ok(())
}

/// A latency, or the values of what is selected inside the probe.
pub(super) fn has_histogram(model: &Model) -> Available {
    match model.browser.selected_part().map(|part| &part.kind) {
        Some(PartKind::Variable { variable, .. }) => match variable.holds {
            Holds::Number => Ok(()),
            Holds::Text | Holds::KernelText | Holds::UserText => Err("a text has no histogram; {count} counts by it"),
            Holds::Members => Err("{right} shows its members; numbers among them have histograms"),
            Holds::Other if !variable.note.is_empty() => Err("it has no value here; the pane says why"),
            Holds::Other => Err("only numbers have histograms"),
        },
        _ => has_return(model),
    }
}

/// Something to count by.
pub(super) fn has_count(model: &Model) -> Available {
    has_point(model)?;
    match model.browser.selected_part().map(|part| &part.kind) {
        Some(PartKind::Variable { variable, .. }) => match variable.holds {
            Holds::Number | Holds::Text | Holds::KernelText | Holds::UserText => Ok(()),
            Holds::Members => Err("{right} shows its members; numbers and texts among them can be counted by"),
            Holds::Other => Err("only numbers and texts can be counted by"),
        },
        _ => Ok(()),
    }
}

/// Hits of it can be counted.
pub(super) fn can_be_counted(model: &Model) -> Available {
    match (model.browser.counting().is_some(), model.browser.selected_entry()) {
        (true, _) => Err("hits are being counted: two seconds"),
        (false, None) if model.browser.countable().is_none() => {
            Err("open it: hits are counted of one probe, of all system calls, or of a system of tracepoints")
        }
        (false, Some(entry)) if model.browser.detail(&entry.point).is_some_and(|detail| detail.is_refused) => {
            Err("it cannot be probed here; the pane says why")
        }
        (false, _) => Ok(()),
    }
}

pub(super) fn has_aside(model: &Model) -> Available {
    if model.aside.is_empty() { Err("no script was put aside") } else { Ok(()) }
}

pub(super) fn has_diagnostics(model: &Model) -> Available {
    if model.script.diagnostics.is_empty() { Err("no errors or warnings") } else { Ok(()) }
}

pub(super) fn has_fix(model: &Model) -> Available {
    model.script.fix_at_cursor().map(|_| ()).ok_or("no fix is known for this line")
}

pub(super) fn can_undo(model: &Model) -> Available {
    if model.script.can_undo() { Ok(()) } else { Err("nothing to undo") }
}

pub(super) fn can_redo(model: &Model) -> Available {
    if model.script.can_redo() { Ok(()) } else { Err("nothing to redo") }
}

pub(super) fn has_history(model: &Model) -> Available {
    if model.history.is_empty() { Err("nothing has been traced yet; {run} runs the script") } else { Ok(()) }
}

pub(super) fn is_tracing(model: &Model) -> Available {
    if model.is_tracing() { Ok(()) } else { Err("no script is running") }
}

pub(super) fn in_table(model: &Model) -> Available {
    match model.live.view {
        _ if model.live.info.is_none() => Err("nothing has been traced yet; {run} runs the script"),
        LiveView::Costs => Err("{costs} leads back to the tables"),
        _ if model.live.current_table().is_none() => Err("the script has no arrays"),
        _ => Ok(()),
    }
}

pub(super) fn has_script(model: &Model) -> Available {
    if model.script.is_empty() {
        Err("the script is empty; {probes} shows the probes, and {latency} on one of them writes a script")
    } else {
        Ok(())
    }
}

pub(super) fn has_session(model: &Model) -> Available {
    model.info().map(|_| ()).ok_or("nothing has been traced yet; {run} runs the script")
}

pub(super) fn has_rows(model: &Model) -> Available {
    in_table(model)?;
    model.live.state().and_then(|state| state.selected_at()).map(|_| ()).ok_or("no row is selected")
}

pub(super) fn can_enter(model: &Model) -> Available {
    if model.live.view == LiveView::Costs { has_session(model) } else { has_rows(model) }
}

/// A fold to open, or a time to go to.
pub(super) fn can_enter_log(model: &Model) -> Available {
    match model.log.selected_line(model.until()) {
        Some(line) if line.is_folded() => Ok(()),
        _ => has_history(model),
    }
}

pub(super) fn is_drilled(model: &Model) -> Available {
    let inside = model.live.drilled || model.live.state().is_some_and(|state| !state.inside.is_empty());
    if inside { Ok(()) } else { Err("this is the whole table; {enter} goes into a row") }
}

pub(super) fn is_traced(model: &Model) -> Available {
    is_tracing(model)?;
    model.selected_probe().map(|_| ()).ok_or("the running script has no such probe; {count} or {insert} makes one")
}

pub(super) fn is_large(model: &Model) -> Available {
    let areas = model.areas();
    if areas.timeline.is_some() {
        Ok(())
    } else {
        Err("one pane is all this terminal has room for (100x30 shows more)")
    }
}

/// Filters leave only matches; in the log matches are found among other lines.
pub(super) fn has_matches(model: &Model) -> Available {
    match model.focus {
        Pane::Log => has_search(model),
        _ => Err("the filter ({filter}) shows only what matches; {down} and {up} go through it"),
    }
}

pub(super) fn has_search(model: &Model) -> Available {
    if model.log.grep.is_empty() { Err("nothing is searched for; {filter} does") } else { Ok(()) }
}
