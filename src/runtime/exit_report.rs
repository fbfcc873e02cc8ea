//! What is said at the end of a run: globals nobody read, as SystemTap prints them, and what was lost.

use std::io::Write;

use tapdeck_ebpf::{
    ir::{StatShape, StoreTy},
    layout::times::Times,
};

use super::{
    interpreter::{Element, ElementValue, Stores},
    plan::{GlobalInfo, Lowered},
    session::Cost,
};
use crate::{builtins::Value, source::SourceMap};

/// Globals that are written and never read, arrays by falling value.
pub fn globals(lowered: &Lowered, stores: &dyn Stores) -> Vec<u8> {
    let mut out = Vec::new();
    for global in lowered.globals.iter().filter(|global| global.user && global.write_only) {
        let decl = &lowered.ir.stores[global.store.index()];
        let shape = match &decl.value {
            StoreTy::Stat(shape) => Some(shape),
            _ => None,
        };
        if decl.keys.is_empty() {
            out.extend_from_slice(global.name.as_bytes());
            match shape {
                Some(shape) => statistic(&stores.stat(global.store, &[]).unwrap_or_default(), shape, &mut out),
                None => {
                    out.push(b'=');
                    let value = stores.get(global.store, &[]).unwrap_or(Value::Long(0));
                    scalar(&value, global.pointer, &mut out);
                }
            }
            out.push(b'\n');
            continue;
        }
        let mut elements = stores.elements(global.store).unwrap_or_default();
        elements.sort_by_key(|element| std::cmp::Reverse(rank(element)));
        for element in &elements {
            array_element(global, element, shape, &mut out);
        }
    }
    out
}

/// What an element is sorted by: its value, a statistic's count.
fn rank(element: &Element) -> Value {
    match &element.value {
        ElementValue::Plain(value) => value.clone(),
        ElementValue::Stat(merged) => Value::Long(merged.count),
    }
}

fn array_element(global: &GlobalInfo, element: &Element, shape: Option<&StatShape>, out: &mut Vec<u8>) {
    out.extend_from_slice(global.name.as_bytes());
    out.push(b'[');
    for (idx, key) in element.keys.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        scalar(key, false, out);
    }
    out.push(b']');
    match &element.value {
        ElementValue::Plain(value) => {
            out.push(b'=');
            scalar(value, global.pointer, out);
        }
        ElementValue::Stat(merged) => statistic(merged, shape.unwrap_or(&StatShape::default()), out),
    }
    out.push(b'\n');
}

fn scalar(value: &Value, pointer: bool, out: &mut Vec<u8>) {
    match value {
        Value::Long(n) if pointer => {
            let _ = write!(out, "{n:#x}");
        }
        Value::Long(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Str(text) => {
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        }
    }
}

/// SystemTap's automatic print reads all five, so `lower` keeps them for write-only statistics.
fn statistic(merged: &tapdeck_ebpf::stats::Merged, _shape: &StatShape, out: &mut Vec<u8>) {
    let _ = if merged.count == 0 {
        write!(out, " @count=0x0")
    } else {
        let avg = merged.sum / merged.count;
        write!(out, " @count={} @min={} @max={} @sum={} @avg={avg}", merged.count, merged.min, merged.max, merged.sum)
    };
}

/// -t: how often each probe's handler ran and how long, in SystemTap's form. Its word for nanoseconds is `nsecs`.
pub fn times(lowered: &Lowered, sources: &SourceMap, times: &[Times]) -> Vec<u8> {
    let mut out = b"----- probe hit report: \n".to_vec();
    for (index, (probe, times)) in lowered.probes.iter().zip(times).enumerate().filter(|(_, (_, times))| times.runs > 0)
    {
        // What many points share is told once, as it was written.
        let point = probe.points.first().filter(|_| probe.n_sites == 1).unwrap_or(&probe.written);
        let place = sources.place(probe.span);
        let (min, avg, max, variance) = (times.min(), times.avg(), times.max, times.variance());
        let via = probe.via.iter().rev().filter(|name| **name != probe.written).chain([&probe.written]);
        let from: String = via.map(|name| format!(" from: {name}")).collect();
        let _ = writeln!(
            out,
            "{point}, ({place}), hits: {}, nsecs: {min}min/{avg}avg/{max}max, variance: {variance},{from}, index: {index}",
            times.runs
        );
    }
    out
}

/// Losses and errors, one line each; nothing when all went well. `timing`: with the reasons why probes were skipped.
pub fn warnings(cost: &Cost, timing: bool) -> Vec<String> {
    let mut list = Vec::new();
    if cost.errors > 0 || cost.missed > 0 {
        list.push(format!("Number of errors: {}, skipped probes: {}", cost.errors, cost.missed));
    }
    if timing && cost.reentrant > 0 {
        list.push(format!("Skipped due to reentrancy: {}", cost.reentrant));
    }
    if cost.undone > 0 {
        list.push(format!(
            "{} statements that were to run in user space were lost: the buffer was full. A larger one may help: -s MEGABYTES",
            cost.undone
        ));
    }
    if cost.refused > 0 {
        list.push(format!("{} changes of arrays were lost: the kernel had no memory for them", cost.refused));
    }
    if cost.ring_drops > 0 {
        list.push(format!(
            "{} output records were lost: the buffer was full. A larger one may help: -s MEGABYTES",
            cost.ring_drops
        ));
    }
    if cost.unshown_bytes > 0 {
        list.push(format!(
            "{} bytes of output were not shown: they came faster than the screen takes them",
            cost.unshown_bytes
        ));
    }
    if cost.truncated > 0 {
        list.push(format!(
            "{} strings were cut at their limit. A higher one may help: -D MAXSTRINGLEN=N",
            cost.truncated
        ));
    }
    list
}
