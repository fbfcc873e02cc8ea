//! kprobes and kretprobes: all functions of a program in one link (BPF_TRACE_KPROBE_MULTI, Linux 5.18), else an event for
//! each (perf_event_open(2), Linux 4.17). The cookie of a place is its number among the program's runs.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, OwnedFd},
};

use super::{AttachError, Refusal};
use crate::{
    probes::attach_plan::FunctionTarget,
    sys::{
        bpf::{self, Places},
        perf_event::{self, KprobePlace},
    },
};

/// What came of a program's places.
#[derive(Default)]
pub(super) struct Attached {
    pub links: Vec<OwnedFd>,
    pub refused: Vec<Refusal>,
}

/// A function with its cookie.
struct Place<'a> {
    target: &'a FunctionTarget,
    symbol: CString,
    cookie: u64,
}

/// # Errors
/// No place at all could be attached.
pub(super) fn attach(
    targets: &[&FunctionTarget],
    multi: bool,
    exit: bool,
    program: &OwnedFd,
) -> Result<Attached, AttachError> {
    let places: Vec<Place> = targets
        .iter()
        .enumerate()
        .map(|(idx, target)| Place {
            target,
            symbol: CString::new(target.name.as_str()).unwrap_or_default(),
            cookie: idx as u64,
        })
        .collect();
    let mut attached = Attached::default();
    if multi {
        together(&places, exit, program, &mut attached)?;
    } else {
        one_by_one(&places, exit, program, &mut attached)?;
    }
    match (attached.links.is_empty(), attached.refused.pop()) {
        (true, Some(Refusal { place, source })) => Err(AttachError::Function { what: place, source }),
        (_, last) => {
            attached.refused.extend(last);
            Ok(attached)
        }
    }
}

/// One link for all of them. The kernel takes all or none and does not say which one it minds, so a refused half is
/// divided again.
fn together(places: &[Place], exit: bool, program: &OwnedFd, attached: &mut Attached) -> Result<(), AttachError> {
    let cookies: Vec<u64> = places.iter().map(|place| place.cookie).collect();
    let addresses: Option<Vec<u64>> =
        places.iter().map(|place| place.target.address.map(|at| at + place.target.offset)).collect();
    let symbols: Vec<_> = places.iter().map(|place| place.symbol.as_c_str()).collect();
    let where_to = addresses.as_deref().map_or(Places::Symbols(&symbols), Places::Addresses);
    match bpf::link_kprobe_multi(program.as_fd(), where_to, &cookies, exit) {
        Ok(link) => attached.links.push(link),
        Err(source) if !concerns_a_place(&source) => return Err(not_a_place(places, source)),
        Err(source) => match places {
            [place] => attached.refused.push(Refusal { place: describe(place.target, exit), source }),
            places => {
                let (first, second) = places.split_at(places.len() / 2);
                together(first, exit, program, attached)?;
                together(second, exit, program, attached)?;
            }
        },
    }
    Ok(())
}

fn one_by_one(places: &[Place], exit: bool, program: &OwnedFd, attached: &mut Attached) -> Result<(), AttachError> {
    let kind = event_kind().map_err(|source| not_a_place(places, source))?;
    for place in places {
        match event(kind, place, exit, program) {
            Ok(link) => attached.links.push(link),
            Err(source) if !concerns_a_place(&source) => return Err(not_a_place(places, source)),
            Err(source) => attached.refused.push(Refusal { place: describe(place.target, exit), source }),
        }
    }
    Ok(())
}

fn event(kind: u32, place: &Place, exit: bool, program: &OwnedFd) -> io::Result<OwnedFd> {
    let qualified;
    let offset = place.target.offset;
    let where_to = match (place.target.address, &place.target.module) {
        (Some(address), _) => KprobePlace::Address(address.wrapping_add(offset)),
        (None, None) => KprobePlace::Symbol { name: &place.symbol, offset },
        (None, Some(module)) => {
            qualified = CString::new(format!("{module}:{}", place.target.name))?;
            KprobePlace::Symbol { name: &qualified, offset }
        }
    };
    let event = perf_event::open_kprobe(kind, where_to, exit)?;
    match bpf::link_perf_event(program.as_fd(), event.as_fd(), place.cookie) {
        Ok(link) => {
            perf_event::enable(event.as_fd())?;
            // The link keeps the event.
            Ok(link)
        }
        // Before 5.15 there are no links to perf events.
        Err(error) if error.raw_os_error() == Some(crate::runtime::load::libc_errno::EINVAL) => {
            perf_event::attach(event.as_fd(), program.as_fd())?;
            Ok(event)
        }
        Err(error) => Err(error),
    }
}

/// The number of the kprobe event source.
fn event_kind() -> io::Result<u32> {
    let text = std::fs::read_to_string("/sys/bus/event_source/devices/kprobe/type")?;
    text.trim().parse().map_err(io::Error::other)
}

/// It is about this function rather than about probing as such.
fn concerns_a_place(error: &io::Error) -> bool {
    use crate::runtime::load::libc_errno::*;
    matches!(error.raw_os_error(), Some(ENOENT | ESRCH | EINVAL | EADDRNOTAVAIL | EBUSY))
}

fn not_a_place(places: &[Place], source: io::Error) -> AttachError {
    match places {
        [place] => AttachError::refused(describe(place.target, false), source),
        places => AttachError::refused(format!("{} functions", places.len()), source),
    }
}

fn describe(target: &FunctionTarget, exit: bool) -> String {
    let of = if exit { "the return of " } else { "" };
    let name = match target.offset {
        0 => target.name.clone(),
        offset => format!("{}+{offset:#x}", target.name),
    };
    match &target.module {
        None => format!("{of}\"{name}\""),
        Some(module) => format!("{of}\"{name}\" of module {module}"),
    }
}
