//! Script errors: the way from the failing instruction to its `catch` or to a record for user space. Out of line, so the
//! good path has one jump that is not taken.

use super::{GenerateError, alike, emit::*, flatten::MAX_NESTING, frame::*, rare::Rare, sending::*};
use crate::{
    ir::*,
    isa::*,
    layout::{control, counters, record, record::ErrorCode},
};

/// Code to append after the handler.
#[derive(Clone)]
pub struct Stub {
    pub label: Label,
    pub catch: Option<Catch>,
    pub tag: SourceTag,
    pub kind: StubKind,
}

#[derive(Clone, Copy)]
pub enum StubKind {
    Error {
        code: ErrorCode,
        detail: u32,
    },
    /// Reading memory failed: what, and at which address.
    Fault {
        what: StrId,
        addr: Operand,
    },
    /// A load gave 0: goes on there when that is what the memory holds.
    PerhapsFault {
        what: StrId,
        addr: Operand,
        size: Size,
        /// The verifier takes it for a pointer.
        is_pointer: bool,
        then: Label,
    },
    /// Counts, then goes on there.
    Count {
        counter: u32,
        then: Label,
    },
    /// Counts statements that will not run, ends the session when there are too many, and goes on.
    Undone {
        then: Label,
    },
    /// Cuts a text that was too long for its place and counts it, then goes on.
    Cut {
        text: Text,
        then: Label,
    },
    /// A text that was read fills its room: counts it if there was more of it, then goes on.
    MoreToRead {
        space: Space,
        addr: Operand,
        room: u32,
        then: Label,
    },
    /// A record's place went to another processor: once more, or no room.
    Beaten {
        again: Label,
        full: Label,
    },
    /// Wakes the reader of records, then goes on there.
    Wake {
        then: Label,
    },
    /// Counts a refused insert, then raises overflow or goes on.
    Overflow {
        store: StoreId,
        then: Label,
    },
}

impl Emitter<'_, '_> {
    /// A place to jump to when this error happens here.
    pub fn raise(&mut self, code: ErrorCode, detail: u32) -> Label {
        let catch = self.cx.catch.clone();
        self.stub(catch, StubKind::Error { code, detail })
    }

    /// The same for errors no `catch` sees.
    pub fn uncatchable(&mut self, code: ErrorCode) -> Label {
        self.stub(None, StubKind::Error { code, detail: 0 })
    }

    pub fn raise_fault(&mut self, what: StrId, addr: Operand) -> Label {
        let catch = self.cx.catch.clone();
        self.stub(catch, StubKind::Fault { what, addr })
    }

    /// A place that counts and comes back to `then`.
    pub fn count_and(&mut self, counter: u32, then: Label) -> Label {
        self.stub(None, StubKind::Count { counter, then })
    }

    pub fn stub(&mut self, catch: Option<Catch>, kind: StubKind) -> Label {
        let label = self.asm.label();
        self.cx.stubs.push(Stub { label, catch, tag: self.cx.tag, kind });
        label
    }

    /// Emits what was collected, then the common way out of failed handlers.
    pub fn stubs(&mut self) -> Result<(), GenerateError> {
        let (failed, end) = (self.cx.failed, self.cx.end);
        self.asm.jump(end);
        self.collected_stubs();
        self.asm.bind(failed);
        self.call_rare(Rare::Failed);
        Ok(())
    }

    pub fn collected_stubs(&mut self) {
        while let Some(stub) = self.cx.stubs.pop() {
            self.at(stub.tag);
            self.asm.bind(stub.label);
            self.cx.catch = stub.catch.clone();
            match stub.kind {
                StubKind::Count { counter, then } => {
                    self.count_rarely(counter);
                    self.asm.jump(then);
                }
                StubKind::Undone { then } => {
                    self.call_rare(Rare::Undone);
                    self.may_have_stopped = true;
                    self.asm.jump(then);
                }
                StubKind::Cut { text, then } => {
                    self.terminate(text);
                    self.count_rarely(counters::TRUNCATED);
                    self.asm.jump(then);
                }
                StubKind::MoreToRead { space, addr, room, then } => {
                    self.more_to_read(space, addr, room, then);
                    self.count_rarely(counters::TRUNCATED);
                    self.asm.jump(then);
                }
                StubKind::PerhapsFault { what, addr, size, is_pointer, then } => {
                    self.perhaps_fault(what, addr, size, is_pointer, then);
                }
                StubKind::Beaten { again, full } => {
                    if self.shared.target.may_goto {
                        self.asm.may_goto(full);
                    } else {
                        self.asm.add_imm(R4, -1);
                        self.asm.jump_if_imm(Cond::Eq, R4, 0, full);
                    }
                    self.asm.jump(again);
                }
                StubKind::Wake { then } => {
                    self.call_rare(Rare::Wake);
                    self.asm.jump(then);
                }
                StubKind::Overflow { store, then } if stub.catch.is_some() => self.overflow(store, then),
                StubKind::Overflow { store, then } => {
                    self.handler_and_site(R4);
                    self.asm.load(Size::DW, R3, R10, TMP1);
                    self.call_report(ErrorCode::ArrayOverflow, store.0, stub.tag);
                    self.asm.jump_if_imm(Cond::Eq, R0, 0, then);
                    let end = self.cx.end;
                    self.asm.jump(end);
                }
                StubKind::Error { code, detail } => match stub.catch {
                    Some(catch) => {
                        let text = match code {
                            ErrorCode::Literal => self.literal_bytes(StrId(detail)),
                            ErrorCode::ArrayOverflow => {
                                self.shared.program.stores[detail as usize].overflow_message().into_bytes()
                            }
                            code => code.fixed_text().unwrap_or_default().as_bytes().to_vec(),
                        };
                        self.caught(&catch, &text);
                    }
                    None => self.record(code, detail, stub.tag, Operand::Imm(0)),
                },
                StubKind::Fault { what, addr } => match stub.catch {
                    Some(catch) => self.caught_fault(&catch, what, addr),
                    None => self.record(ErrorCode::Fault, what.0, stub.tag, addr),
                },
            }
        }
    }

    fn caught(&mut self, catch: &Catch, text: &[u8]) {
        if let Some(message) = catch.message
            && self.loc(message) != Loc::None
        {
            let dst = self.var_text(message);
            let text = self.constant_text(text);
            self.copy_text(dst, text);
        }
        let to = self.cx.blocks[catch.block.index()];
        self.asm.jump(to);
    }

    fn caught_fault(&mut self, catch: &Catch, what: StrId, addr: Operand) {
        let text = self.literal_bytes(what);
        let Some(message) = catch.message.filter(|m| self.shared.target.snprintf && self.loc(*m) != Loc::None) else {
            return self.caught(catch, &text);
        };
        let work = self.cx.frame.work;
        let value = self.long_reg(addr, R1);
        let (base, off) = self.base(work, R2);
        self.asm.store(Size::DW, base, off, value);
        let mut format: Vec<u8> =
            text.iter().flat_map(|b| if *b == b'%' { vec![b'%', b'%'] } else { vec![*b] }).collect();
        format.extend_from_slice(b" at 0x%llx");
        let dst = self.var_text(message);
        self.snprintf(dst, &format, 1);
        let to = self.cx.blocks[catch.block.index()];
        self.asm.jump(to);
    }

    /// Reports the error; that is the handler's end.
    fn record(&mut self, code: ErrorCode, detail: u32, tag: SourceTag, argument: Operand) {
        self.handler_and_site(R4);
        self.long(R3, argument);
        if let Operand::Var(_) = argument {
            self.plain_number(R3);
        }
        self.call_report(code, detail, tag);
        let end = self.cx.end;
        self.asm.jump(end);
    }

    /// [`Rare::Report`], with what it wants in r3 and r4.
    fn call_report(&mut self, code: ErrorCode, detail: u32, tag: SourceTag) {
        self.asm.mov_imm(R2, (u64::from(tag.0) << 32 | u64::from(detail)) as i64);
        if self.is_moved(tag) {
            self.of_line(Size::W, R1, alike::LATER);
            self.asm.alu_imm(Alu::Lsh, R1, 32);
            self.asm.alu(Alu::Add, R2, R1);
        }
        self.asm.mov_imm(R1, code as i64);
        self.call_rare(Rare::Report);
        self.may_have_stopped = true;
    }

    /// Whether the tag is another one in other handlers this code runs as.
    fn is_moved(&self, tag: SourceTag) -> bool {
        self.cx.line.as_ref().is_some_and(|line| line.alike.moved.contains(&tag))
    }

    /// One more of what must not become too many, on all processors together; then goes on there. Uses r0-r5.
    pub fn count_towards(&mut self, count: u32, limit: u32, stopped_by: u32, then: Label) {
        let control = self.shared.control();
        self.asm.mov_imm(R1, 1);
        self.asm.map_value(R2, control, 0);
        self.asm.atomic(AtomicOp::FetchAdd, R2, count as i16, R1);
        self.asm.load(Size::DW, R3, R2, limit as i16);
        // The old count: the limit is exceeded when it was reached before.
        self.asm.jump_if(Cond::Lt, R1, R3, then);
        self.asm.store_imm(Size::W, R2, control::STOPPED_BY as i16, stopped_by as i32);
        self.asm.store_imm(Size::W, R2, control::STATE as i16, control::STOPPING as i32);
        self.wake();
        self.asm.jump(then);
    }

    /// There when errors are only counted. Uses r1.
    pub fn skip_untold(&mut self, untold: Label) {
        self.control_word(R1, control::MAX_ERRORS);
        self.asm.jump_if_imm(Cond::Eq, R1, control::UNLIMITED as i64 as i32, untold);
    }

    /// The eight bytes at [`record::ERROR_HANDLER`]. Uses r0-r5.
    fn handler_and_site(&mut self, into: Reg) {
        let handler = u64::from(self.cx.handler.0);
        let both = |site: &SiteId| u64::from(site.0) << 32 | handler;
        if self.cx.line.is_some() {
            self.of_line(Size::DW, into, alike::WHO);
        } else if self.cx.sites.len() > 1 {
            let table: Vec<u8> = self.cx.sites.iter().flat_map(|site| both(site).to_le_bytes()).collect();
            let at = self.shared.constant(&table);
            self.site_index(R2);
            let rodata = self.shared.rodata();
            self.asm.map_value(into, rodata, at);
            self.asm.alu_imm(Alu::Lsh, R2, 3);
            self.asm.alu(Alu::Add, into, R2);
            self.asm.load(Size::DW, into, into, 0);
        } else {
            self.asm.mov_imm(into, self.cx.sites.first().map_or(handler, both) as i64);
        }
    }

    /// `error(message)`.
    pub fn raise_text(&mut self, message: StrOperand) {
        let catch = self.cx.catch.clone();
        match (message, catch) {
            (StrOperand::Const(MAX_NESTING), _) => {
                let to = self.raise(ErrorCode::MaxNesting, 0);
                self.asm.jump(to);
            }
            (StrOperand::Const(text), _) => {
                let to = self.raise(ErrorCode::Literal, text.0);
                self.asm.jump(to);
            }
            (message, Some(catch)) => {
                if let Some(var) = catch.message
                    && self.loc(var) != Loc::None
                {
                    let (dst, src) = (self.var_text(var), self.text(message));
                    self.copy_text(dst, src);
                }
                let to = self.cx.blocks[catch.block.index()];
                self.asm.jump(to);
            }
            (message, None) => {
                let failed = self.cx.failed;
                self.may_have_stopped = true;
                self.skip_untold(failed);
                let (temp, text) = (self.cx.frame.temp, self.text(message));
                let (base, off) = self.base(temp, R2);
                let tag = self.cx.tag;
                self.asm.store_imm(Size::W, base, off, record::ERROR.into());
                self.asm.store_imm(Size::W, base, off + 4, ErrorCode::Text as i32);
                self.asm.store_imm(Size::W, base, off + record::ERROR_DETAIL as i16, 0);
                if self.is_moved(tag) {
                    self.of_line(Size::W, R1, alike::LATER);
                    self.asm.add_imm(R1, tag.0 as i32);
                    self.asm.store(Size::W, base, off + record::ERROR_TAG as i16, R1);
                } else {
                    self.asm.store_imm(Size::W, base, off + record::ERROR_TAG as i16, tag.0 as i32);
                }
                self.asm.store_imm(Size::DW, base, off + record::ERROR_ARGUMENT as i16, 0);
                self.handler_and_site(R1);
                let (base, off) = self.base(temp, R2);
                self.asm.store(Size::DW, base, off + record::ERROR_HANDLER as i16, R1);
                self.copy_text(Text { mem: temp.at(record::ERROR_TEXT as i32), ..text }, text);
                self.send(temp, RecordSize::Fixed(record::ERROR_TEXT + text.cap), Haste::Now);
                self.asm.jump(failed);
            }
        }
    }

    /// The same by a call, for what seldom happens.
    pub fn count_rarely(&mut self, counter: u32) {
        self.asm.mov_imm(R1, counter.into());
        self.call_rare(Rare::Count);
    }

    /// One more in this processor's counter. Uses r0-r5.
    pub fn count(&mut self, counter: u32) {
        let none = self.asm.label();
        self.counters_into_r0(none);
        self.asm.mov_imm(R1, 1);
        self.asm.atomic(AtomicOp::Add, R0, counter as i16, R1);
        self.asm.bind(none);
    }

    /// r0 = this processor's counters. Uses r1-r5.
    pub fn counters_into_r0(&mut self, none: Label) {
        let counters = self.shared.counters();
        self.asm.store_imm(Size::W, R10, TMP0, 0);
        self.asm.mov(R2, R10);
        self.asm.add_imm(R2, TMP0.into());
        self.asm.map(R1, counters);
        self.asm.call(helpers::MAP_LOOKUP_ELEM);
        self.asm.jump_if_imm(Cond::Eq, R0, 0, none);
    }
}
