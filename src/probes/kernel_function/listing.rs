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
    let mut listed = Vec::new();
    for mut function in dwarf.functions(&pattern) {
        let external = function.external;
        function.instances.retain(|instance| is_wanted(&wanted.form, external, instance, dwarf));
        if function.instances.is_empty() {
            continue;
        }
        let point = wanted.point(&place_text(&function), None);
        match &wanted.form {
            Form::Callee(name) => callees(&point, &function, (name, 1), wanted, dwarf, with_variables, &mut listed),
            Form::Callees(depth) => {
                callees(&point, &function, ("*", *depth), wanted, dwarf, with_variables, &mut listed)
            }
            _ => {
                let context = if with_variables { variables(wanted, &function, dwarf) } else { Vec::new() };
                listed.push(Listed { point, context });
            }
        }
    }
    Some(listed)
}

/// `POINT.callee("NAME@FILE:LINE")` for what is inlined into the function, and into that, to a depth.
fn callees(
    point: &str,
    function: &Function,
    (name, depth): (&str, u32),
    wanted: &Wanted,
    dwarf: &Dwarf,
    with_variables: bool,
    listed: &mut Vec<Listed>,
) {
    if depth == 0 {
        return;
    }
    for mut callee in dwarf.callees(&function.instances) {
        let is_wanted = glob_matches(name.as_bytes(), callee.name.as_bytes());
        callee.instances.retain(|instance| is_wanted && may_be_probed(instance, dwarf));
        if callee.instances.is_empty() {
            continue;
        }
        let place = place_text(&callee);
        let context = if with_variables { variables(wanted, &callee, dwarf) } else { Vec::new() };
        listed.push(Listed { point: format!("{point}.callee(\"{place}\")"), context });
        callees(&wanted.point(&place, None), &callee, (name, depth - 1), wanted, dwarf, with_variables, listed);
    }
}

fn is_wanted(form: &Form, external: bool, instance: &Instance, dwarf: &Dwarf) -> bool {
    let is_of_form = match form {
        Form::Any | Form::Callee(_) | Form::Callees(_) => true,
        Form::Call | Form::Return => instance.kind == InstanceKind::Call,
        Form::Inline => instance.kind == InstanceKind::Inline,
        Form::Exported => instance.kind == InstanceKind::Call && external,
    };
    is_of_form && may_be_probed(instance, dwarf)
}

fn may_be_probed(instance: &Instance, dwarf: &Dwarf) -> bool {
    !matches!(dwarf.traceable(instance), Traceable::Not(_))
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
