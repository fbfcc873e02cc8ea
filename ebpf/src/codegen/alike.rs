//! Handlers of system calls that differ in numbers, texts and formats alone become one, which the verifier walks once.
//! What differs is loaded from the read-only data, which has a line for each system call:
//!
//! ```text
//!   u64 index of the site │ a section for each handler of the call, in order:
//!                         │   u32 handler │ u32 site │ u32 probe │ u32 how much later its tags are │ columns
//! ```
//! Who runs, and as what, stays what it was: hits, switches, times and errors are each handler's own.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    hash::Hash,
    ops::Range,
    rc::Rc,
};

use super::entries::{Group, Place, Prepared};
use crate::{
    ir::*,
    layout::{record, ring, until_nul},
};

/// Bytes of a line before its first section.
pub const LINE_HEAD: u32 = 8;
/// Offsets in a section, and the length of its fixed part.
pub const WHO: u32 = 0;
pub const PROBE: u32 = 8;
pub const LATER: u32 = 12;
const SECTION_HEAD: u32 = 16;
/// Handlers with more bytes of their own than this stay alone.
const MAX_SECTION: u32 = 512;

/// What several handlers have in common.
#[derive(Debug)]
pub struct Alike {
    /// With variables instead of what differs, behind those it had.
    pub body: Body,
    /// These variables. Those of inlined functions come behind them.
    loaded: Range<usize>,
    columns: Vec<Column>,
    /// Prints whose site differs, and where the section has what to send: the record's head, or the site's number.
    pub prints: HashMap<PrintId, u32>,
    /// Tags that are later in other handlers.
    pub moved: HashSet<SourceTag>,
    members: Vec<Member>,
    pub section_bytes: u32,
    /// Its body, made ready when it is first wanted.
    pub prepared: OnceCell<Prepared>,
}

/// One of the handlers.
#[derive(Debug)]
struct Member {
    handler: HandlerId,
    constants: Vec<Constant>,
    /// How much later its tags are than the first one's.
    later: u32,
}

/// A constant that differs, or several that differ in the same way.
#[derive(Debug)]
struct Column {
    /// Which of the constants.
    constant: usize,
    /// Where in the section.
    at: u32,
    /// What stands for it in the body; nothing does for a print.
    var: Var,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Constant {
    Long(i64),
    Text(StrId),
    Print(PrintId),
}

/// A handler without its constants.
struct Form {
    body: Body,
    constants: Vec<Constant>,
    tags: Vec<SourceTag>,
}

/// Handlers of one form, as they are found.
struct Found {
    form: Form,
    /// Of [`Form::tags`], those that are later in all others. `None`: there are no others.
    moved: Option<Vec<bool>>,
    members: Vec<Member>,
    places: Vec<Place>,
}

/// The groups of a system calls' entry with like ones joined. At each call they run in the order they had.
pub fn join(program: &Program, groups: Vec<Group>) -> Vec<Group> {
    if groups.len() < 2 {
        return groups;
    }
    let mut found: Vec<Found> = Vec::new();
    let mut by_size: HashMap<[usize; 3], Vec<usize>> = HashMap::new();
    // The last of `found` that runs at a call.
    let mut last: HashMap<u32, usize> = HashMap::new();
    for group in groups {
        let form = Form::of(program, group.handler);
        let size = [form.body.blocks.len(), form.body.vars.len(), form.tags.len()];
        let like = by_size.entry(size).or_default();
        let after = group.places.iter().filter_map(|place| last.get(&place.nr)).max().copied();
        let small = form.most_bytes(program) <= MAX_SECTION;
        let mut behind = like.iter().copied().filter(|at| small && after.is_none_or(|after| after < *at));
        let joined = behind.find(|at| found[*at].join(program, group.handler, &form));
        let at = match joined {
            Some(at) => {
                found[at].places.extend(group.places.iter().copied());
                at
            }
            None => {
                like.push(found.len());
                let first = Member { handler: group.handler, constants: form.constants.clone(), later: 0 };
                found.push(Found { form, moved: None, members: vec![first], places: group.places.clone() });
                found.len() - 1
            }
        };
        group.places.iter().for_each(|place| {
            last.insert(place.nr, at);
        });
    }
    found.into_iter().map(|found| found.group(program)).collect()
}

impl Form {
    fn of(program: &Program, handler: HandlerId) -> Form {
        let Handler { body, tag, .. } = &program.handlers[handler.index()];
        let mut form = Form { body: body.clone(), constants: Vec::new(), tags: vec![*tag] };
        form.body.vars.iter_mut().for_each(|var| var.name = None);
        for block in &mut form.body.blocks {
            let tags = block.insts.iter_mut().map(|inst| &mut inst.tag).chain([&mut block.term_tag]);
            form.tags.extend(tags.map(|tag| std::mem::replace(tag, SourceTag::NONE)));
        }
        each_slot(&mut form.body, |slot| {
            let Some(constant) = slot.constant(program) else { return };
            form.constants.push(constant);
            match slot {
                Slot::Long(operand) => *operand = Operand::Imm(0),
                Slot::Text(operand) => *operand = StrOperand::Const(StrId(0)),
                Slot::Print(site) => *site = PrintId(0),
            }
        });
        form
    }

    /// Of a section with all its constants.
    fn most_bytes(&self, program: &Program) -> u32 {
        SECTION_HEAD + self.constants.iter().map(|constant| constant.bytes(program)).sum::<u32>()
    }
}

impl Found {
    /// Takes it in if it is alike.
    fn join(&mut self, program: &Program, handler: HandlerId, form: &Form) -> bool {
        let own = &self.form;
        if own.constants.len() != form.constants.len() || own.body != form.body {
            return false;
        }
        let mut constants = own.constants.iter().zip(&form.constants);
        let prints = constants.clone().filter(|(own, _)| matches!(own, Constant::Print(_)));
        if !constants.all(|(own, other)| own.same_shape(*other, program)) || !means_one(prints) {
            return false;
        }
        let tags = || own.tags.iter().zip(&form.tags);
        let moved: Vec<bool> = tags().map(|(own, other)| own != other).collect();
        let mut ways = tags().filter(|(own, other)| own != other).map(|(own, other)| other.0.wrapping_sub(own.0));
        let later = ways.next().unwrap_or(0);
        let otherwise_moved = self.moved.as_ref().is_some_and(|known| *known != moved);
        if ways.any(|way| way != later) || otherwise_moved || !means_one(tags()) {
            return false;
        }
        self.moved = Some(moved);
        self.members.push(Member { handler, constants: form.constants.clone(), later });
        true
    }

    fn group(self, program: &Program) -> Group {
        let handler = self.members[0].handler;
        let several = self.members.len() > 1;
        let alike = several.then(|| Rc::new(Alike::of(program, self.members, &self.form.tags, self.moved.as_deref())));
        Group { handler, places: self.places, alike }
    }
}

/// Whether what stands at several places stands for one thing at all of them.
fn means_one<'c, T: Copy + Eq + Hash + 'c>(mut pairs: impl Iterator<Item = (&'c T, &'c T)>) -> bool {
    let mut known = HashMap::new();
    pairs.all(|(own, other)| *known.entry(*own).or_insert(*other) == *other)
}

impl Alike {
    fn of(program: &Program, members: Vec<Member>, tags: &[SourceTag], moved: Option<&[bool]>) -> Alike {
        let mut body = program.handlers[members[0].handler.index()].body.clone();
        let first_var = body.vars.len();
        let mut vars = Vec::new();
        let (mut columns, mut prints) = (Vec::<Column>::new(), HashMap::new());
        let mut section_bytes = SECTION_HEAD;
        let mut constant = 0..;
        each_slot(&mut body, |slot| {
            let Some(own) = slot.constant(program) else { return };
            let Some(constant) = constant.next() else { return };
            if members.iter().all(|member| member.constants[constant] == own) {
                return;
            }
            let same = |column: &&Column| {
                members.iter().all(|member| member.constants[column.constant] == member.constants[constant])
            };
            let (at, var) = match columns.iter().find(same) {
                Some(column) => (column.at, column.var),
                None => {
                    let at = section_bytes;
                    section_bytes += own.bytes(program);
                    let ty = match own {
                        Constant::Long(_) => Some(Ty::Long),
                        Constant::Text(_) => Some(Ty::Str { cap: own.bytes(program) as u16 }),
                        Constant::Print(_) => None,
                    };
                    let var = Var((first_var + vars.len()) as u32);
                    vars.extend(ty.map(|ty| VarDecl { ty, name: None }));
                    columns.push(Column { constant, at, var });
                    (at, var)
                }
            };
            match slot {
                Slot::Long(operand) => *operand = Operand::Var(var),
                Slot::Text(operand) => *operand = StrOperand::Var(var),
                Slot::Print(site) => {
                    prints.insert(*site, at);
                }
            }
        });
        let loaded = first_var..first_var + vars.len();
        body.vars.extend(vars);
        let moved = tags.iter().zip(moved.unwrap_or_default()).filter(|(_, moved)| **moved).map(|(tag, _)| *tag);
        Alike {
            body,
            loaded,
            columns,
            prints,
            moved: moved.collect(),
            members,
            section_bytes,
            prepared: OnceCell::new(),
        }
    }

    /// It is in the line, and nothing is written there.
    pub fn is_loaded(&self, var: Var) -> bool {
        self.loaded.contains(&var.index())
    }

    /// Where in a section each of the new variables is.
    pub fn places(&self) -> impl Iterator<Item = (Var, u32)> + '_ {
        let of_vars = |column: &&Column| !matches!(self.members[0].constants[column.constant], Constant::Print(_));
        self.columns.iter().filter(of_vars).map(|column| (column.var, column.at))
    }

    /// The section of a handler at a site.
    pub fn section(&self, program: &Program, place: &Place) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.section_bytes as usize);
        let Some(member) = self.members.iter().find(|member| member.handler == place.handler) else { return bytes };
        let probe = program.handlers[place.handler.index()].probe;
        [place.handler.0, place.site.0, probe, member.later].iter().for_each(|n| bytes.extend(n.to_le_bytes()));
        for column in &self.columns {
            match member.constants[column.constant] {
                Constant::Long(n) => bytes.extend(n.to_le_bytes()),
                Constant::Text(text) => bytes.extend(padded(program, text)),
                Constant::Print(site) => bytes.extend(printed(program, site).to_le_bytes()),
            }
        }
        bytes
    }
}

impl Constant {
    fn bytes(self, program: &Program) -> u32 {
        match self {
            Constant::Long(_) | Constant::Print(_) => 8,
            Constant::Text(text) => padded(program, text).len() as u32,
        }
    }

    fn same_shape(self, other: Constant, program: &Program) -> bool {
        match (self, other) {
            (Constant::Long(_), Constant::Long(_)) => true,
            (Constant::Text(_), Constant::Text(_)) => self.bytes(program) == other.bytes(program),
            (Constant::Print(a), Constant::Print(b)) => {
                let (a, b) = (&program.print_sites[a.index()], &program.print_sites[b.index()]);
                a.inputs == b.inputs && a.runs.is_some() == b.runs.is_some()
            }
            _ => false,
        }
    }
}

/// A literal with its NUL, in words.
fn padded(program: &Program, text: StrId) -> Vec<u8> {
    let mut bytes = until_nul(program.strings.get(text.index()).map_or(&[][..], Vec::as_slice)).to_vec();
    bytes.resize((bytes.len() + 1).next_multiple_of(8), 0);
    bytes
}

/// What a print's record says of its site: the whole head where the size is known.
fn printed(program: &Program, id: PrintId) -> u64 {
    match record::fixed_size(&program.print_sites[id.index()]) {
        (size, false) => ring::head(record::PRINT, size, id.0),
        (_, true) => id.0.into(),
    }
}

/// A place in an instruction that costs the same whether a constant stands there or a variable.
enum Slot<'b> {
    Long(&'b mut Operand),
    Text(&'b mut StrOperand),
    Print(&'b mut PrintId),
}

impl Slot<'_> {
    fn constant(&self, program: &Program) -> Option<Constant> {
        match self {
            Slot::Long(Operand::Imm(n)) => Some(Constant::Long(*n)),
            Slot::Text(StrOperand::Const(text)) => {
                let constant = Constant::Text(*text);
                (constant.bytes(program) <= record::INLINE_CAP.into()).then_some(constant)
            }
            Slot::Print(site) => Some(Constant::Print(**site)),
            Slot::Long(Operand::Var(_)) | Slot::Text(StrOperand::Var(_)) => None,
        }
    }
}

fn each_slot(body: &mut Body, mut f: impl FnMut(Slot)) {
    for block in &mut body.blocks {
        block.insts.iter_mut().for_each(|inst| each_slot_of(&mut inst.op, &mut f));
        if let Term::BranchCompare { a, b, .. } = &mut block.term {
            f(Slot::Long(a));
            f(Slot::Long(b));
        }
    }
}

fn each_slot_of(op: &mut Op, f: &mut impl FnMut(Slot)) {
    let mut arg = |arg: &mut Arg| match arg {
        Arg::Long(operand) => f(Slot::Long(operand)),
        Arg::Str(operand) => f(Slot::Text(operand)),
        Arg::Packed(_) => {}
    };
    match op {
        Op::Copy { src, .. } => f(Slot::Long(src)),
        Op::StrCopy { src, .. } => f(Slot::Text(src)),
        Op::Binary { op: BinOp::Add | BinOp::Sub | BinOp::And | BinOp::Or | BinOp::Xor, a, b, .. }
        | Op::Compare { a, b, .. } => {
            f(Slot::Long(a));
            f(Slot::Long(b));
        }
        Op::Get { keys, .. } | Op::Extract { keys, .. } => keys.iter_mut().for_each(arg),
        Op::Contains { keys, .. } | Op::Delete { keys, .. } => keys.iter_mut().flatten().for_each(arg),
        Op::Set { keys, value, .. } => {
            keys.iter_mut().for_each(&mut arg);
            arg(value);
        }
        Op::Add { keys, delta: value, .. } | Op::Accumulate { keys, value, .. } => {
            keys.iter_mut().for_each(arg);
            f(Slot::Long(value));
        }
        Op::Print { site, inputs } => {
            inputs.iter_mut().for_each(arg);
            f(Slot::Print(site));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::{codegen::generate, isa, object::Object};

    /// Ten handlers, the first nine of them alike, at calls 0 to 9.
    const LIKE: &str = r#"
        limits string=512 action=1000 action_user=0 nesting=10
        string s0 = "read"
        string s1 = "write"
        store g0 "n" [str16, long] -> long max=9 kernel
        store g1 "m" [] -> long max=1 kernel
        site site0 pp="" pn="" func="" name=""
    "#;

    fn object(last: &str) -> Object {
        let mut text = LIKE.to_owned();
        let own = |text: &str, n: usize| {
            text.replace("N", &n.to_string()).replace("TEXT", if n.is_multiple_of(2) { "s0" } else { "s1" })
        };
        let handler =
            "handler hN \"syscall.N\" probe=N @N {\nb0:\n increase g0[TEXT, N] 1\n increase g1 5\n return\n }\n";
        (0..9).for_each(|n| text += &own(handler, n));
        text += &own(&handler.replace("increase g1 5", last), 9);
        let runs: String = (0..10).map(|n| own("hN site0 nr=N ", n)).collect();
        let program = parse(&format!("{text}entry sys_enter {{ {runs} }}")).unwrap_or_else(|error| panic!("{error}"));
        generate(&program, &crate::codegen::tests::target()).unwrap()
    }

    #[test]
    fn like_handlers_are_one_program_and_load_what_differs() {
        let object = object("increase g1 5");
        assert_eq!(object.programs.len(), 1);
        let listing = isa::listing(&object, &object.programs[0]);
        // A line: its index, then handler and site, probe and tags, the text and the number.
        let head: Vec<&str> = listing.lines().take(44).map(str::trim_start).collect();
        expect![[r#"
            0: r2 = &control[0]+0
            2: r2 = *(u32 *)(r2 +0)
            3: if r2 != 1 goto 71
            4: r0 = *(u64 *)(r1 +8)
            5: *(u64 *)(r10 -56) = r0
            6: r2 = *(u64 *)(r10 -56)
            7: if r2 >= 10 goto 71
            8: r2 <<= 1
            9: r1 = &rodata[0]+2448
            11: r1 += r2
            12: r1 = *(u16 *)(r1 +0)
            13: if r1 == 0 goto 71
            14: r1 += -1
            15: if r1 >= 10 goto 71
            16: r1 *= 40
            17: r2 = &rodata[0]+2048
            19: r2 += r1
            20: *(u64 *)(r10 -24) = r2
            21: r3 = *(u64 *)(r10 -24)
            22: r4 = *(u64 *)(r3 +24)
            23: *(u64 *)(r10 -128) = r4
            24: *(u64 *)(r10 -120) = 0
            25: r1 = *(u64 *)(r10 -24)
            26: r1 = *(u64 *)(r1 +32)
            27: *(u64 *)(r10 -112) = r1
            28: r2 = r10
            29: r2 += -128
            30: r1 = map g0_n
            32: call map_lookup_elem
            33: if r0 != 0 goto 56
            34: call ktime_get_ns
            35: *(u64 *)(r10 -144) = r0
            36: r1 = 1
            37: *(u64 *)(r10 -136) = r1
            38: r2 = r10
            39: r2 += -128
            40: r3 = r10
            41: r3 += -144
            42: r1 = map g0_n
            44: r4 = 1
            45: call map_update_elem
            46: r0 <<= 32
            47: r0 s>>= 32
            48: if r0 == 0 goto 58"#]]
        .assert_eq(&head.join("\n"));
    }

    #[test]
    fn what_differs_in_more_than_constants_stays_alone() {
        for last in ["set g1 = 5", "clear g0"] {
            // The dispatcher, the nine, the other one.
            assert_eq!(object(last).programs.len(), 3, "{last}");
        }
        assert_eq!(object("increase g1 6").programs.len(), 1);
    }
}
