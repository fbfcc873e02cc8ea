//! `process[(PID|"path")].begin`, `.end`, `.thread.begin`, `.thread.end`. langref "Process begin/end".

use std::sync::Arc;

use super::{
    NoMatch, Pattern, ProbeFamily, Resolved,
    attach_plan::{AttachPlan, ProcessEvent, ProcessTarget},
    pattern::parts,
    site::{NoContext, ProbeSite},
};
use crate::{
    debuginfo::World,
    language::ast::{Literal, ProbePoint},
};

pub struct Process;

impl ProbeFamily for Process {
    fn patterns(&self) -> &'static [Pattern] {
        &[
            Pattern { text: "process.begin", doc: "any process starts a program" },
            Pattern { text: "process(NUMBER).begin", doc: "the same, of one process id" },
            Pattern { text: "process(STRING).begin", doc: "the same, of one executable" },
            Pattern { text: "process.end", doc: "any process ends" },
            Pattern { text: "process(NUMBER).end", doc: "the same, of one process id" },
            Pattern { text: "process(STRING).end", doc: "the same, of one executable" },
            Pattern { text: "process.thread.begin", doc: "any thread starts" },
            Pattern { text: "process(NUMBER).thread.begin", doc: "the same, of one process id" },
            Pattern { text: "process(STRING).thread.begin", doc: "the same, of one executable" },
            Pattern { text: "process.thread.end", doc: "any thread ends" },
            Pattern { text: "process(NUMBER).thread.end", doc: "the same, of one process id" },
            Pattern { text: "process(STRING).thread.end", doc: "the same, of one executable" },
        ]
    }

    fn resolve(&self, point: &ProbePoint, world: &World) -> Option<Resolved> {
        let parts = parts(point);
        let [("process", target), rest @ ..] = &parts[..] else { return None };
        let event = match rest {
            [("begin", None)] => ProcessEvent::Begin,
            [("end", None)] => ProcessEvent::End,
            [("thread", None), ("begin", None)] => ProcessEvent::ThreadBegin,
            [("thread", None), ("end", None)] => ProcessEvent::ThreadEnd,
            _ => return None,
        };
        let suffix = rest.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(".");
        Some(match find_target(*target, world) {
            Ok((target, text)) => {
                let attach = AttachPlan::Process { event, target };
                Resolved::Sites(vec![ProbeSite::plain(format!("process{text}.{suffix}"), attach, Arc::new(NoContext))])
            }
            Err(no_match) => no_match.at_part(0).into(),
        })
    }
}

/// The target and how the resolved point names it.
fn find_target(written: Option<&Literal>, world: &World) -> Result<(ProcessTarget, String), NoMatch> {
    match written {
        None => Ok((ProcessTarget::All, String::new())),
        Some(Literal::Long(pid)) => match u32::try_from(*pid) {
            Ok(number @ 1..) if world.host.has_process(number) => Ok((ProcessTarget::Pid(number), format!("({pid})"))),
            Ok(1..) => Err(NoMatch::new(format!("cannot probe pid {pid}: No such process"))),
            _ => Err(NoMatch::new(format!("cannot probe pid {pid}: Invalid pid"))),
        },
        Some(Literal::Str(name)) if name.is_empty() => Err(NoMatch::new("empty module")),
        Some(Literal::Str(name)) => {
            let name = String::from_utf8_lossy(name);
            // A program that is not there yet may come; until then nothing happens.
            let found = world.host.executable(&name);
            let path = found.map_or_else(|_| name.into_owned(), |path| path.to_string_lossy().into_owned());
            let text = format!("(\"{path}\")");
            Ok((ProcessTarget::Path(path), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::probes::{Resolved, resolve, testing::point};

    #[test]
    fn targets() {
        let world = crate::debuginfo::World::live();
        let show = |text: &str| match resolve(&point(text), &world) {
            Some(Resolved::Sites(sites)) => format!("{:?}", sites[0].attach),
            Some(Resolved::Nothing(no_match)) => no_match.message,
            None => "unknown".to_owned(),
        };
        assert_eq!(show("process.begin"), "Process { event: Begin, target: All }");
        assert!(show("process(\"sh\").thread.end").contains("ThreadEnd, target: Path(\"/"));
        assert_eq!(show("process(0).end"), "cannot probe pid 0: Invalid pid");
        assert_eq!(show("process(\"lls\").begin"), "Process { event: Begin, target: Path(\"lls\") }");
        assert_eq!(show("process(\"\").begin"), "empty module");
        assert!(show(&format!("process({}).end", std::process::id())).contains("target: Pid"));
    }
}
