//! `begin`, `end`, `error`, each with an order number, and `never`. langref "Special probe points".

use std::sync::Arc;

use super::{
    Pattern, ProbeFamily, Resolved,
    attach_plan::AttachPlan,
    pattern::{glob_matches, is_wildcard, parts, point_text},
    site::{NoContext, ProbeSite},
};
use crate::{
    debuginfo::World,
    language::ast::{Literal, ProbePoint},
};

pub struct BeginEnd;

impl ProbeFamily for BeginEnd {
    fn patterns(&self) -> &'static [Pattern] {
        &[
            Pattern { text: "begin", doc: "when the script starts, before any event" },
            Pattern { text: "begin(NUMBER)", doc: "the same, in ascending order of the number; plain begin is 0" },
            Pattern { text: "end", doc: "when the script ends normally" },
            Pattern { text: "end(NUMBER)", doc: "the same, in ascending order of the number" },
            Pattern { text: "error", doc: "when the script ends because of errors" },
            Pattern { text: "error(NUMBER)", doc: "the same, in ascending order of the number" },
            Pattern { text: "never", doc: "never; the handler is checked all the same" },
        ]
    }

    fn resolve(&self, point: &ProbePoint, _world: &World) -> Option<Resolved> {
        let [(name, arg)] = parts(point)[..] else { return None };
        if is_wildcard(name) && !name.contains("**") && arg.is_none() {
            let sites = [
                ("begin", AttachPlan::Begin { order: 0 }),
                ("end", AttachPlan::End { order: 0 }),
                ("error", AttachPlan::Error { order: 0 }),
                ("never", AttachPlan::Never),
            ];
            let sites = sites.into_iter().filter(|(known, _)| glob_matches(name.as_bytes(), known.as_bytes()));
            let sites = sites.map(|(known, plan)| ProbeSite::plain(known.to_owned(), plan, Arc::new(NoContext)));
            return Some(sites.collect::<Vec<_>>()).filter(|sites| !sites.is_empty()).map(Resolved::Sites);
        }
        let order = match arg {
            None => 0,
            Some(Literal::Long(order)) => *order,
            Some(Literal::Str(_)) => return None,
        };
        let attach = match (name, arg) {
            ("begin", _) => AttachPlan::Begin { order },
            ("end", _) => AttachPlan::End { order },
            ("error", _) => AttachPlan::Error { order },
            ("never", None) => AttachPlan::Never,
            _ => return None,
        };
        Some(Resolved::Sites(vec![ProbeSite::plain(point_text(&point.parts), attach, Arc::new(NoContext))]))
    }
}

#[cfg(test)]
mod tests {
    use crate::probes::testing::resolve_text;

    #[test]
    fn orders_and_texts() {
        for (text, expected) in [
            ("begin", "begin Begin { order: 0 }"),
            ("begin(-3)", "begin(-3) Begin { order: -3 }"),
            ("end(7)", "end(7) End { order: 7 }"),
            ("error", "error Error { order: 0 }"),
            ("never", "never Never"),
            ("b*n", "begin Begin { order: 0 }"),
            ("x*", "unknown"),
            // That is for names of aliases.
            ("b**", "unknown"),
            ("never(1)", "unknown"),
            ("begin(\"x\")", "unknown"),
        ] {
            assert_eq!(resolve_text(text), expected);
        }
    }
}
