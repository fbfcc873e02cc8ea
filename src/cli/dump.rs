//! `--dump-probe-types`, `--dump-probe-aliases`, `--dump-functions`.

use std::{collections::BTreeSet, io::Write};

use super::options::Listing;
use crate::{elaborate::complete, pipeline::Compiler, probes::FAMILIES};

/// What `listing` names, sorted.
pub fn dump(listing: &Listing, compiler: &Compiler) {
    let mut lines = BTreeSet::new();
    if *listing == Listing::ProbeTypes {
        lines.extend(FAMILIES.iter().flat_map(|family| family.patterns()).map(|pattern| pattern.text.to_owned()));
    }
    if *listing == Listing::Aliases {
        let public = compiler.library.aliases().map(|(name, ..)| name).filter(|name| !name.starts_with('_'));
        lines.extend(public.map(str::to_owned));
    }
    if *listing == Listing::Functions {
        let functions = complete::functions(&compiler.library);
        lines.extend(functions.iter().map(|f| function_line(f.text.trim_end_matches("()"), &f.signature)));
    }
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

/// `name:type (parameters)`, as stap prints it, of `:type (parameters)` or `(parameters):type`; either may lack the type.
fn function_line(name: &str, signature: &str) -> String {
    let (open, close) = (signature.find('('), signature.rfind(')'));
    let params = match (open, close) {
        (Some(open), Some(close)) => &signature[open..=close],
        _ => "()",
    };
    let before = open.map_or(signature, |open| &signature[..open]);
    let after = close.map_or("", |close| &signature[close + 1..]);
    let ty = [before, after].into_iter().find_map(|part| part.trim().strip_prefix(':')).unwrap_or("unknown");
    format!("{name}:{ty} {params}")
}

#[cfg(test)]
mod tests {
    use super::function_line;

    #[test]
    fn every_function_reads_as_staps() {
        assert_eq!(function_line("strlen", "(s:string):long"), "strlen:long (s:string)");
        assert_eq!(function_line("task_pid", ":long (task:long)"), "task_pid:long (task:long)");
        assert_eq!(function_line("exit", "()"), "exit:unknown ()");
    }
}
