//! `--dump-probe-types`, `--dump-probe-aliases`, `--dump-functions`.

use std::{collections::BTreeSet, io::Write};

use super::args::StapArgs;
use crate::{elaborate::complete, pipeline::Compiler, probes::FAMILIES};

pub fn dump(args: &StapArgs, compiler: &Compiler) {
    let mut lines = BTreeSet::new();
    if args.dump_probe_types {
        lines.extend(FAMILIES.iter().flat_map(|family| family.patterns()).map(|pattern| pattern.text.to_owned()));
    }
    if args.dump_probe_aliases {
        let public = compiler.library.aliases().map(|(name, ..)| name).filter(|name| !name.starts_with('_'));
        lines.extend(public.map(str::to_owned));
    }
    if args.dump_functions {
        let functions = complete::functions(&compiler.library);
        lines.extend(functions.iter().map(|f| format!("{}{}", f.text.trim_end_matches("()"), f.signature)));
    }
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}
