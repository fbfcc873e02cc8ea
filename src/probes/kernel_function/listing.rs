//! What `-l` and `-L` show of functions that debug information knows: one line for each name and place in the source, with
//! the variables that every instance of it has.

use super::wanted::{Form, Wanted};
use crate::{
    debuginfo::{
        World,
        dwarf::Dwarf,
        model::{Function, Instance, InstanceKind, Traceable, TypedName},
    },
    probes::{Listed, pattern::glob_matches, site::ContextVariable},
};

/// `None`: there is no debug information, so its sites say what can be listed.
pub(super) fn list(wanted: &Wanted, with_variables: bool, world: &World) -> Option<Vec<Listed>> {
    if wanted.plain || wanted.module.is_some() {
        return None;
    }
    let dwarf = world.dwarf().ok()?;
    let pattern = wanted.pattern().ok()?;
    let mut listing = Listing { wanted, dwarf, with_variables, listed: Vec::new() };
    for mut function in dwarf.functions(&pattern) {
        let external = function.external;
        function.instances.retain(|instance| is_of_form(&wanted.form, external, instance));
        let point = wanted.point(&place_text(&function), None);
        match &wanted.form {
            Form::Callee(name) => listing.callees(&point, &function, name, 1),
            Form::Callees(depth) => listing.callees(&point, &function, "*", *depth),
            _ => listing.add(point, function),
        }
    }
    Some(listing.listed)
}

struct Listing<'l> {
    wanted: &'l Wanted,
    dwarf: &'l Dwarf,
    with_variables: bool,
    listed: Vec<Listed>,
}

impl Listing<'_> {
    /// A line for a function with the instances that are asked for; nothing when there are none.
    fn add(&mut self, point: String, mut function: Function) {
        let rank = |instance: &Instance| match self.dwarf.traceable(instance) {
            Traceable::Fentry => 0,
            Traceable::Kprobe | Traceable::Unknown => 1,
            Traceable::Not(_) => 2,
        };
        let Some(best) = function.instances.iter().min_by_key(|instance| rank(instance)) else { return };
        let traceable = self.dwarf.traceable(best);
        // What is never probed does not say what a handler sees.
        if !matches!(traceable, Traceable::Not(_)) {
            function.instances.retain(|instance| !matches!(self.dwarf.traceable(instance), Traceable::Not(_)));
        }
        let context = if self.with_variables { variables(self.wanted, &function, self.dwarf) } else { Vec::new() };
        self.listed.push(Listed { point, context, traceable });
    }

    /// `POINT.callee("NAME@FILE:LINE")` for what is inlined into the function, and into that, to a depth.
    fn callees(&mut self, point: &str, function: &Function, name: &str, depth: u32) {
        if depth == 0 {
            return;
        }
        for callee in self.dwarf.callees(&function.instances) {
            if !glob_matches(name.as_bytes(), callee.name.as_bytes()) {
                continue;
            }
            let place = place_text(&callee);
            self.callees(&self.wanted.point(&place, None), &callee, name, depth - 1);
            self.add(format!("{point}.callee(\"{place}\")"), callee);
        }
    }
}

fn is_of_form(form: &Form, external: bool, instance: &Instance) -> bool {
    match form {
        Form::Any | Form::Callee(_) | Form::Callees(_) => true,
        Form::Call | Form::Return => instance.kind == InstanceKind::Call,
        Form::Inline => instance.kind == InstanceKind::Inline,
        Form::Exported => instance.kind == InstanceKind::Call && external,
    }
}

fn variables(wanted: &Wanted, function: &Function, dwarf: &Dwarf) -> Vec<ContextVariable> {
    let shown = |TypedName { name, type_text }: TypedName| ContextVariable {
        name: format!("${name}"),
        type_text: type_text.to_string(),
    };
    let result = function.instances.first().filter(|_| wanted.exit()).and_then(|instance| dwarf.result_text(instance));
    let result = result.map(|type_text| ContextVariable { name: "$return".to_owned(), type_text });
    result.into_iter().chain(dwarf.arguments(function).into_iter().map(shown)).collect()
}

/// `vfs_read@fs/read_write.c:450`, or the name alone where only that is known.
fn place_text(function: &Function) -> String {
    match &function.source {
        Some(place) => format!("{}@{}:{}", function.name, place.file, place.line),
        None => function.name.to_string(),
    }
}
