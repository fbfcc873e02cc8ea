//! What `-l` and `-L` show of functions that debug information knows: one line for each name and place in the source, with
//! the variables that every instance of it has.

use std::sync::Arc;

use super::wanted::{Form, Wanted};
use crate::{
    debuginfo::{
        Image, World,
        dwarf::{Dwarf, labels::Label, statements::Statement},
        model::{Function, Instance, InstanceKind, Traceable, TypedName},
    },
    probes::{Listed, kernel_statement, pattern::glob_matches, site::ContextVariable},
};

/// `None`: there is no debug information, so its sites say what can be listed.
pub(super) fn list(wanted: &Wanted, with_variables: bool, world: &World) -> Option<Vec<Listed>> {
    if wanted.plain {
        return None;
    }
    let images = match &wanted.module {
        None => vec![world.kernel_image()?.clone()],
        Some(module) => super::images(module, world)?,
    };
    let lists = images.iter().map(|image| list_of(wanted, with_variables, image, world));
    lists.collect::<Option<Vec<_>>>().map(|lists| lists.into_iter().flatten().collect())
}

fn list_of(wanted: &Wanted, with_variables: bool, image: &Arc<Image>, world: &World) -> Option<Vec<Listed>> {
    let dwarf = &*image.dwarf;
    let pattern = wanted.pattern().ok()?;
    if let Form::Label(name) = &wanted.form {
        let labels = labels(wanted, image, &dwarf.functions(&pattern), name);
        let line = |(point, statement)| kernel_statement::line(&statement, point, with_variables, image, world);
        return Some(labels.into_iter().filter_map(line).collect());
    }
    let mut points = Vec::new();
    for mut function in dwarf.functions(&pattern) {
        let external = function.external;
        function.instances.retain(|instance| is_of_form(&wanted.form, external, instance));
        let point = wanted.point(&place_text(&function), image.module.as_deref());
        match &wanted.form {
            Form::Callee(name) => callees(wanted, image, &point, &function, name, 1, &mut points),
            Form::Callees(depth) => callees(wanted, image, &point, &function, "*", *depth, &mut points),
            _ => points.push((point, function)),
        }
    }
    let line = |(point, function)| line(wanted, dwarf, with_variables, point, function);
    Some(points.into_iter().filter_map(line).collect())
}

/// A line for a function with the instances that are asked for; nothing when there are none.
fn line(wanted: &Wanted, dwarf: &Dwarf, with_variables: bool, point: String, mut function: Function) -> Option<Listed> {
    let rank = |instance: &Instance| match dwarf.traceable(instance) {
        Traceable::Fentry => 0,
        Traceable::Kprobe | Traceable::Unknown => 1,
        Traceable::Not(_) => 2,
    };
    let best = function.instances.iter().min_by_key(|instance| rank(instance))?;
    let traceable = dwarf.traceable(best);
    // What is never probed does not say what a handler sees.
    if !matches!(traceable, Traceable::Not(_)) {
        function.instances.retain(|instance| !matches!(dwarf.traceable(instance), Traceable::Not(_)));
    }
    let context = if with_variables { variables(wanted, &function, dwarf) } else { Vec::new() };
    Some(Listed { point, context, traceable })
}

/// `POINT.callee("NAME@FILE:LINE")` for what is inlined into the function, and into that, to a depth.
pub(super) fn callees(
    wanted: &Wanted,
    image: &Image,
    point: &str,
    function: &Function,
    name: &str,
    depth: u32,
    points: &mut Vec<(String, Function)>,
) {
    if depth == 0 {
        return;
    }
    for callee in image.dwarf.callees(&function.instances) {
        if !glob_matches(name.as_bytes(), callee.name.as_bytes()) {
            continue;
        }
        let place = place_text(&callee);
        let inner = wanted.point(&place, image.module.as_deref());
        callees(wanted, image, &inner, &callee, name, depth - 1, points);
        points.push((format!("{point}.callee(\"{place}\")"), callee));
    }
}

/// `kernel.function("NAME@FILE:LINE").label("LABEL")`, at the label's line, for the labels of functions whose names match.
pub(super) fn labels(
    wanted: &Wanted,
    image: &Image,
    functions: &[Function],
    pattern: &str,
) -> Vec<(String, Statement)> {
    let mut found = Vec::new();
    for function in functions {
        for Label { name, statement } in image.dwarf.labels(function, pattern) {
            let place = format!("{}@{}:{}", function.name, statement.place.file, statement.place.line);
            let point = wanted.point(&place, image.module.as_deref());
            found.push((format!("{point}.label(\"{name}\")"), statement));
        }
    }
    found
}

pub(super) fn is_of_form(form: &Form, external: bool, instance: &Instance) -> bool {
    match form {
        Form::Any | Form::Callee(_) | Form::Callees(_) | Form::Label(_) => true,
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
pub(super) fn place_text(function: &Function) -> String {
    match &function.source {
        Some(place) => format!("{}@{}:{}", function.name, place.file, place.line),
        None => function.name.to_string(),
    }
}
