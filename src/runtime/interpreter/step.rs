//! One instruction at a time.

use std::{cmp::Ordering, sync::atomic::Ordering::Relaxed};

use tapdeck_ebpf::ir::{
    Arg, BinOp, CmpOp, InputTy, Intrinsic, IterSource, OnFault, Op, PrintId, SiteField, StoreId, StrOperand, UnOp, Var,
    When,
};

use super::{
    ArgList, Failure, Interpreter, Machine, RuntimeError, Stores,
    foreach::{self, Iteration},
    memory::Frame,
    strings,
};
use crate::{
    builtins::{Value, host::matching},
    output::printf::PrintArg,
    sys::clock::{Clock, now_ns},
};

/// Bytes `%m` shows at most: PAGE_SIZE.
const MAX_DUMPED: i64 = 4096;

impl<'p> Machine<'p, '_> {
    pub(super) fn execute(&mut self, op: &Op) -> Result<(), Failure> {
        let program = self.program;
        let frame = self.frames.last_mut().expect("an instruction runs in a frame");
        match op {
            Op::Copy { dst, src } => frame.set_long(*dst, frame.long(*src)),
            Op::Binary { op, dst, a, b } => frame.set_long(*dst, binary(*op, frame.long(*a), frame.long(*b))?),
            Op::Compare { op, dst, a, b } => {
                frame.set_long(*dst, i64::from(holds(*op, frame.long(*a).cmp(&frame.long(*b)))));
            }
            Op::Unary { op, dst, a } => {
                let a = frame.long(*a);
                let result = match op {
                    UnOp::Neg => a.wrapping_neg(),
                    UnOp::BitNot => !a,
                    UnOp::Not => i64::from(a == 0),
                };
                frame.set_long(*dst, result);
            }

            Op::StrCopy { dst, src } => {
                self.text.clear();
                self.text.extend_from_slice(frame.str(program, *src));
                frame.set_str(*dst, &self.text);
            }
            Op::StrConcat { dst, a, b } => {
                self.text.clear();
                self.text.extend_from_slice(frame.str(program, *a));
                self.text.extend_from_slice(frame.str(program, *b));
                frame.set_str(*dst, &self.text);
            }
            Op::StrCompare { op, dst, a, b } => {
                let order = frame.str(program, *a).cmp(frame.str(program, *b));
                frame.set_long(*dst, i64::from(holds(*op, order)));
            }
            Op::Pack { dst, site, inputs } => {
                let recipe = program.print_sites[site.index()].args.first();
                let text = self.with_inputs(*site, inputs, |interpreter, args, stores, text| {
                    recipe.map_or(Ok(()), |recipe| interpreter.make_text(recipe, args, stores, text))
                });
                text?;
                self.keep_text(*dst);
            }
            Op::PackCopy { dst, src } => {
                self.text.clear();
                if let Some(src) = src {
                    self.text.extend_from_slice(frame.str(program, StrOperand::Var(*src)));
                }
                frame.set_str(*dst, &self.text);
            }
            Op::Regex { dst, subject, pattern, negated } => {
                let subject = frame.str(program, *subject);
                let regex = self.interpreter.regex(*pattern).ok_or("regex compilation error")?;
                let matches = if self.interpreter.asks_for_groups {
                    self.matched = regex.captures(subject).map(|groups| {
                        groups.into_iter().map(|group| group.map(|range| subject[range].to_vec())).collect()
                    });
                    self.matched.is_some()
                } else {
                    regex.is_match(subject)
                };
                frame.set_long(*dst, i64::from(matches != *negated));
            }

            Op::Intrinsic { op, dst, args } => {
                let value = self.intrinsic(*op, args)?;
                if let (Some(dst), Some(frame)) = (dst, self.frames.last_mut()) {
                    frame.set(*dst, value);
                }
            }
            Op::Host { function, dst, args } => {
                let args = frame.values(program, args);
                let function = self.interpreter.hosts.get(*function as usize).copied().flatten();
                let function = function.ok_or("this builtin does not run in user space")?;
                let value = function(&args, self.effects)?;
                if let Some(dst) = dst {
                    frame.set(*dst, value);
                }
            }
            Op::Call { function, dst, args } => {
                let args = frame.values(program, args);
                let function = &program.functions[function.index()];
                // The first frame is the handler's.
                if function.recursive && self.frames.len() > program.limits.max_nesting as usize {
                    return Err("MAXNESTING exceeded".into());
                }
                self.frames.push(Frame::new(&function.body, args, *dst, self.interpreter.limit()));
            }

            Op::Read { dst, space, addr, width, signed, on_fault } => {
                let address = frame.long(*addr);
                let mut bytes = [0; 8];
                if !self.effects.read_memory(*space, address, &mut bytes[..usize::from(*width)]) {
                    self.fault(*on_fault, address)?;
                    bytes = [0; 8];
                }
                let spare = 64 - 8 * u32::from(*width);
                let shifted = u64::from_le_bytes(bytes) << spare;
                let number = if *signed { (shifted as i64) >> spare } else { (shifted >> spare) as i64 };
                self.frame().set_long(*dst, number);
            }
            Op::ReadStr { dst, space, addr, max, on_fault } => {
                let address = frame.long(*addr);
                // One byte more than fits shows that the text is cut.
                let longest = usize::from(program.limits.max_string_len);
                let max = max.map_or(longest, |max| usize::try_from(frame.long(max)).unwrap_or(0).min(longest));
                let text = match self.effects.read_text(*space, address, max) {
                    Some(text) => text,
                    None => {
                        self.fault(*on_fault, address)?;
                        match on_fault {
                            OnFault::Default(text) => program.strings[text.index()].clone(),
                            _ => Vec::new(),
                        }
                    }
                };
                self.frame().set_str(*dst, &text);
            }
            Op::Context { dst, .. } => frame.set_long(*dst, 0),
            Op::Site { dst, field } => {
                let text: &[u8] = match (program.sites.get(self.site.index()), field) {
                    (None, _) => b"",
                    (Some(site), SiteField::Pp) => &site.pp,
                    (Some(site), SiteField::Pn) => &site.pn,
                    (Some(site), SiteField::Func) => &site.func,
                    (Some(site), SiteField::Name) => &site.name,
                    (Some(site), SiteField::Way) => &site.way,
                };
                frame.set_str(*dst, text);
            }

            Op::Get { dst, store, keys } => {
                let keys = frame.keys(program, keys, &program.stores[store.index()]);
                frame.set(*dst, self.stores.get(*store, &keys)?);
            }
            Op::Set { store, keys, value } => {
                let decl = &program.stores[store.index()];
                let keys = frame.keys(program, keys, decl);
                let value = frame.value_for(program, *value, decl);
                self.stores.set(*store, &keys, &value)?;
            }
            Op::Add { store, keys, delta, result } => {
                let keys = frame.keys(program, keys, &program.stores[store.index()]);
                let delta = frame.long(*delta);
                let before = self.stores.add(*store, &keys, delta)?;
                if let Some((dst, when)) = result {
                    let value = if *when == When::Before { before } else { before.wrapping_add(delta) };
                    frame.set_long(*dst, value);
                }
            }
            Op::Contains { dst, store, keys } => {
                let wanted = slice(frame, program, *store, keys);
                let found = match wanted.iter().cloned().collect::<Option<Vec<_>>>() {
                    Some(keys) => self.stores.contains(*store, &keys)?,
                    None => self.stores.elements(*store)?.iter().any(|e| foreach::matches(&e.keys, &wanted)),
                };
                frame.set_long(*dst, i64::from(found));
            }
            Op::Delete { store, keys } => {
                let wanted = slice(frame, program, *store, keys);
                match wanted.iter().cloned().collect::<Option<Vec<_>>>() {
                    Some(keys) => self.stores.delete(*store, &keys)?,
                    None => {
                        for element in self.stores.elements(*store)? {
                            if foreach::matches(&element.keys, &wanted) {
                                self.stores.delete(*store, &element.keys)?;
                            }
                        }
                    }
                }
            }
            Op::Clear { store } => self.stores.clear(*store)?,

            Op::Accumulate { store, keys, value } => {
                let keys = frame.keys(program, keys, &program.stores[store.index()]);
                let value = frame.long(*value);
                self.stores.accumulate(*store, &keys, value)?;
            }
            Op::Extract { dst, store, keys, op } => {
                let keys = frame.keys(program, keys, &program.stores[store.index()]);
                let merged = self.stores.stat(*store, &keys)?;
                frame.set_long(*dst, merged.extract(*op).map_err(|_| "empty aggregate")?);
            }
            Op::Bucket { dst, store, keys, index } => {
                let keys = frame.keys(program, keys, &program.stores[store.index()]);
                let index = frame.long(*index);
                let merged = self.stores.stat(*store, &keys)?;
                if merged.count == 0 {
                    return Err("empty aggregate".into());
                }
                let count = usize::try_from(index).ok().and_then(|index| merged.buckets.get(index));
                frame.set_long(*dst, *count.ok_or("histogram index out of range")? as i64);
            }

            Op::Print { site, inputs } if program.print_sites[site.index()].runs.is_some() => {
                self.run_rest(*site, inputs)?;
            }
            Op::Print { site, inputs } => {
                self.print_text(*site, inputs)?;
                let format = program.print_sites[site.index()].format as usize;
                let stream = self.interpreter.lowered.streams.get(format).copied().unwrap_or_default();
                self.effects.print(stream, &self.text);
            }
            Op::Sprint { dst, site, inputs } => {
                self.print_text(*site, inputs)?;
                self.keep_text(*dst);
            }

            Op::Exit => self.effects.exit(),
            Op::Actions { n } => {
                self.actions += u64::from(*n);
                let limit = u64::from(program.limits.max_action_user);
                if limit != 0 && self.actions > limit {
                    return Err(Failure::Fatal("MAXACTION exceeded"));
                }
            }

            Op::IterBegin { iter, source, sort, limit } => {
                let limit = limit.map(|limit| usize::try_from(frame.long(limit)).unwrap_or(0));
                let iteration = match source {
                    IterSource::Array { store, slice: wanted } => {
                        let wanted = slice(frame, program, *store, wanted);
                        let mut elements = self.stores.elements(*store)?;
                        if let Some(sort) = sort {
                            foreach::sort(&mut elements, *sort);
                            self.stores.reorder(*store, &elements);
                        }
                        elements.truncate(limit.unwrap_or(usize::MAX));
                        elements.retain(|element| foreach::matches(&element.keys, &wanted));
                        Iteration::Elements(elements.into_iter())
                    }
                    IterSource::Histogram { store, keys } => {
                        let keys = frame.keys(program, keys, &program.stores[store.index()]);
                        let merged = self.stores.stat(*store, &keys)?;
                        if merged.count == 0 {
                            return Err("empty aggregate".into());
                        }
                        Iteration::Buckets(0..merged.buckets.len().min(limit.unwrap_or(usize::MAX)))
                    }
                };
                frame.iters[iter.index()] = Some(iteration);
            }
            Op::IterEnd { iter } => frame.iters[iter.index()] = None,
        }
        Ok(())
    }

    fn frame(&mut self) -> &mut Frame<'p> {
        self.frames.last_mut().expect("an instruction runs in a frame")
    }

    /// The rest of a handler, when the whole of it runs here.
    fn run_rest(&mut self, site: PrintId, inputs: &[Arg]) -> Result<(), Failure> {
        let print_site = &self.program.print_sites[site.index()];
        let Some(rest) = &print_site.runs else { return Ok(()) };
        let mut args = Vec::new();
        self.with_inputs(site, inputs, |interpreter, inputs, stores, _| {
            args = interpreter.values(&print_site.args, inputs, stores)?;
            Ok(())
        })?;
        let body = &self.program.functions[rest.function.index()].body;
        self.frames.push(Frame::new(body, args, None, self.interpreter.limit()));
        Ok(())
    }

    /// `self.text` as the value of a variable.
    fn keep_text(&mut self, dst: Var) {
        let text = std::mem::take(&mut self.text);
        self.frame().set_str(dst, &text);
        self.text = text;
    }

    /// The formatted text of a print, into `self.text`.
    fn print_text(&mut self, site: PrintId, inputs: &[Arg]) -> Result<(), Failure> {
        self.with_inputs(site, inputs, |interpreter, args, stores, text| interpreter.render(site, args, stores, text))
    }

    /// Lets `make` write a text of a print's inputs into `self.text`.
    fn with_inputs(
        &mut self,
        site: PrintId,
        inputs: &[Arg],
        make: impl FnOnce(&Interpreter, &[PrintArg<'_>], &dyn Stores, &mut Vec<u8>) -> Result<(), RuntimeError>,
    ) -> Result<(), Failure> {
        let memory = self.memory_inputs(site, inputs)?;
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let frame = self.frames.last().expect("an instruction runs in a frame");
        let mut args = ArgList::default();
        let (mut operands, mut memory) = (inputs.iter(), memory.iter());
        for input in &self.program.print_sites[site.index()].inputs {
            match (input, operands.next()) {
                (InputTy::Memory { .. }, Some(_)) => {
                    operands.next();
                    args.push(PrintArg::Memory(memory.next().map_or(&[], Vec::as_slice)));
                }
                (_, Some(Arg::Long(operand))) => args.push(PrintArg::Long(frame.long(*operand))),
                (_, Some(Arg::Str(operand))) => args.push(PrintArg::Str(frame.str(self.program, *operand))),
                (_, Some(Arg::Packed(var))) => {
                    args.push(PrintArg::Str(frame.str(self.program, StrOperand::Var(*var))));
                }
                (_, None) => break,
            }
        }
        let rendered = make(self.interpreter, args.as_slice(), &*self.stores, &mut text);
        self.text = text;
        rendered.map_err(Failure::from)
    }

    /// What `%m` and `%M` show, in order.
    fn memory_inputs(&mut self, site: PrintId, inputs: &[Arg]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut found = Vec::new();
        let mut operands = inputs.iter();
        for input in &self.program.print_sites[site.index()].inputs {
            let (InputTy::Memory { cap, space }, Some(Arg::Long(address))) = (input, operands.next()) else { continue };
            let frame = self.frames.last().expect("an instruction runs in a frame");
            let wanted = match operands.next() {
                Some(Arg::Long(len)) => frame.long(*len).max(0),
                _ => 0,
            };
            if wanted > MAX_DUMPED {
                return Err(format!("{wanted} is too many bytes for a memory dump").into());
            }
            let n_bytes = usize::from(*cap).min(wanted as usize);
            let address = frame.long(*address);
            let mut bytes = vec![0; n_bytes];
            if !self.effects.read_memory(*space, address, &mut bytes) {
                return Err(format!("read fault [man error::fault] at 0x{address:x}").into());
            }
            found.push(bytes);
        }
        Ok(found)
    }

    fn fault(&self, on_fault: OnFault, address: i64) -> Result<(), Failure> {
        let OnFault::Raise(what) = on_fault else { return Ok(()) };
        let mut message = self.program.strings[what.index()].clone();
        message.extend_from_slice(format!(" at 0x{address:x}").as_bytes());
        Err(Failure::Raise(message))
    }

    fn intrinsic(&mut self, op: Intrinsic, args: &[Arg]) -> Result<Value, Failure> {
        let frame = self.frames.last().expect("an instruction runs in a frame");
        let long = |idx: usize| match args.get(idx) {
            Some(Arg::Long(operand)) => frame.long(*operand),
            _ => 0,
        };
        let text = |idx: usize| match args.get(idx) {
            Some(Arg::Str(operand)) => frame.str(self.program, *operand),
            _ => b"",
        };
        let here = self.here;
        if let Some(answer) = here.answer(op) {
            return Ok(answer.clone());
        }
        Ok(match op {
            Intrinsic::Pid | Intrinsic::Tid => Value::Long(here.pid),
            Intrinsic::Ppid => Value::Long(here.ppid),
            Intrinsic::Uid => Value::Long(here.uid),
            Intrinsic::Euid => Value::Long(here.euid),
            Intrinsic::Gid => Value::Long(here.gid),
            Intrinsic::Egid => Value::Long(here.egid),
            Intrinsic::Cpu => Value::Long(here.cpu()),
            Intrinsic::Execname => Value::Str(here.execname.clone()),
            Intrinsic::Pexecname => Value::Str(here.pexecname.clone()),
            Intrinsic::TaskCurrent => Value::Long(self.effects.current_task()),
            // There is no kernel context here.
            Intrinsic::UserMode | Intrinsic::CgroupId | Intrinsic::Address | Intrinsic::UserAddress => Value::Long(0),
            Intrinsic::ReturnedFrom | Intrinsic::IsReturn | Intrinsic::HasRegisters => Value::Long(0),
            Intrinsic::KernelStack | Intrinsic::UserStack => Value::Long(-1),
            Intrinsic::RealtimeNs => Value::Long(self.effects.realtime_ns()),
            Intrinsic::MonotonicNs | Intrinsic::Cycles => Value::Long(now_ns(Clock::Monotonic)),
            Intrinsic::BoottimeNs => Value::Long(now_ns(Clock::Boottime)),
            // At the usual 250 ticks a second.
            Intrinsic::Jiffies => Value::Long(now_ns(Clock::Monotonic) / 4_000_000),
            Intrinsic::Random => Value::Long(i64::from(self.random())),
            Intrinsic::Target => Value::Long(self.effects.target()),
            Intrinsic::StrLen => Value::Long(text(0).len() as i64),
            Intrinsic::Substr => Value::Str(strings::substr(text(0), long(1), long(2)).to_vec()),
            Intrinsic::IsInStr => Value::Long(i64::from(strings::contains(text(0), text(1)))),
            Intrinsic::StringAt => Value::Long(strings::byte_at(text(0), long(1))),
            Intrinsic::Strtol => Value::Long(strings::to_long(text(0), long(1))),
            Intrinsic::CharStr => Value::Str(vec![long(0) as u8]),
            Intrinsic::Matched => {
                let n = long(0);
                let Some(groups) = &self.matched else {
                    return Err(matching::no_match(n).into());
                };
                match usize::try_from(n).ok().and_then(|n| groups.get(n)) {
                    Some(group) => Value::Str(group.clone().unwrap_or_default()),
                    None => return Err(matching::no_such_group(n).into()),
                }
            }
            Intrinsic::NGroups => match &self.matched {
                Some(groups) => Value::Long(groups.len() as i64),
                None => return Err(matching::no_groups().into()),
            },
        })
    }

    /// xorshift64*: good enough for scripts, cheap, never 0.
    fn random(&self) -> u32 {
        let mut x = self.interpreter.random.load(Relaxed);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.interpreter.random.store(x, Relaxed);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

fn slice(
    frame: &Frame<'_>,
    program: &tapdeck_ebpf::ir::Program,
    store: StoreId,
    keys: &[Option<Arg>],
) -> Vec<Option<Value>> {
    let decl = &program.stores[store.index()];
    let key = |(arg, ty): (&Option<Arg>, _)| arg.map(|arg| frame.key(program, arg, ty));
    keys.iter().zip(decl.keys.iter().copied()).map(key).collect()
}

pub(super) fn holds(op: CmpOp, order: Ordering) -> bool {
    match op {
        CmpOp::Eq => order.is_eq(),
        CmpOp::Ne => order.is_ne(),
        CmpOp::Lt => order.is_lt(),
        CmpOp::Le => order.is_le(),
        CmpOp::Gt => order.is_gt(),
        CmpOp::Ge => order.is_ge(),
    }
}

fn binary(op: BinOp, a: i64, b: i64) -> Result<i64, Failure> {
    let shift = (b & 63) as u32;
    Ok(match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::Div | BinOp::Rem if b == 0 => return Err("division by 0".into()),
        BinOp::Div => a.wrapping_div(b),
        BinOp::Rem => a.wrapping_rem(b),
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => a << shift,
        BinOp::Shr => a >> shift,
        BinOp::Lsr => ((a as u64) >> shift) as i64,
    })
}
