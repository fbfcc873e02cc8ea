//! What a type is: BTF's answers to the questions of [`Types`].

use super::reader::*;
use crate::debuginfo::types::{Enumerator, Member, Param, Shape, TypeId, Types};

impl Types for Btf {
    fn shape(&self, id: TypeId) -> Shape {
        let Some(record) = self.record(id) else { return Shape::Void };
        let width = record.word as u8;
        match record.kind {
            INT => {
                let encoding = record.word_at(0) >> 24;
                let char = width == 1 && (encoding & 2 != 0 || self.string(record.name_off).contains("char"));
                if encoding & 4 != 0 {
                    Shape::Bool { width }
                } else {
                    Shape::Int { width, signed: encoding & 1 != 0, char }
                }
            }
            PTR => Shape::Pointer(record.word),
            ARRAY => Shape::Array { element: record.word_at(0), n: record.word_at(2) },
            STRUCT => Shape::Struct,
            UNION => Shape::Union,
            ENUM | ENUM64 => Shape::Enum { width, signed: record.flag },
            FWD => Shape::Forward,
            TYPEDEF => Shape::Typedef(record.word),
            VOLATILE | CONST | RESTRICT | TYPE_TAG => Shape::Qualified(record.word),
            FUNC_PROTO => Shape::Function { result: record.word },
            FLOAT => Shape::Float,
            _ => Shape::Other,
        }
    }

    fn name(&self, id: TypeId) -> &str {
        self.record(id).map_or("", |record| self.string(record.name_off))
    }

    fn keyword(&self, id: TypeId) -> &'static str {
        let Some(record) = self.record(id) else { return "" };
        match record.kind {
            STRUCT => "struct",
            FWD if !record.flag => "struct",
            UNION | FWD => "union",
            ENUM | ENUM64 => "enum",
            CONST => "const",
            VOLATILE => "volatile",
            RESTRICT => "restrict",
            _ => "",
        }
    }

    fn stated_size(&self, id: TypeId) -> u64 {
        match self.shape(id) {
            Shape::Int { .. }
            | Shape::Bool { .. }
            | Shape::Float
            | Shape::Struct
            | Shape::Union
            | Shape::Enum { .. } => self.record(id).map_or(0, |record| u64::from(record.word)),
            _ => 0,
        }
    }

    fn members(&self, id: TypeId) -> Vec<Member<'_>> {
        let record = self.record(self.strip(id)).filter(|record| matches!(record.kind, STRUCT | UNION));
        let n = record.map_or(0, |record| usize::from(record.vlen));
        let read = |idx| {
            let record = record?;
            let place = record.word_at(idx * 3 + 2);
            // With the kind flag the top byte is the width of a bit field. Without it, old encodings put bit fields
            // into the INT's own offset; kernels with raw tracepoint BTF do not use those.
            let (bitfield_bits, offset_bits) =
                if record.flag { ((place >> 24) as u8, place & 0x00ff_ffff) } else { (0, place) };
            let name = self.string(record.word_at(idx * 3));
            Some(Member { name, ty: record.word_at(idx * 3 + 1), offset_bits, bitfield_bits })
        };
        (0..n).filter_map(read).collect()
    }

    fn params(&self, id: TypeId) -> Vec<Param<'_>> {
        let record = self.record(id).filter(|record| record.kind == FUNC_PROTO);
        let n = record.map_or(0, |record| usize::from(record.vlen));
        let read = |idx| {
            let record = record?;
            Some(Param { name: self.string(record.word_at(idx * 2)), ty: record.word_at(idx * 2 + 1) })
        };
        (0..n).filter_map(read).collect()
    }

    fn enumerators(&self, id: TypeId) -> Vec<Enumerator<'_>> {
        let record = self.record(self.strip(id)).filter(|record| matches!(record.kind, ENUM | ENUM64));
        let n = record.map_or(0, |record| usize::from(record.vlen));
        let read = |idx| {
            let record = record?;
            let (name, value) = if record.kind == ENUM64 {
                let low = u64::from(record.word_at(idx * 3 + 1));
                (record.word_at(idx * 3), (u64::from(record.word_at(idx * 3 + 2)) << 32 | low) as i64)
            } else {
                let value = record.word_at(idx * 2 + 1);
                (record.word_at(idx * 2), if record.flag { i64::from(value as i32) } else { i64::from(value) })
            };
            Some(Enumerator { name: self.string(name), value })
        };
        (0..n).filter_map(read).collect()
    }

    fn named(&self, keyword: &str, name: &str) -> Option<TypeId> {
        match keyword {
            "struct" => self.struct_named(name),
            "union" => self.union_named(name),
            "enum" => self.enum_named(name),
            "typedef" => self.typedef_named(name),
            _ => None,
        }
    }
}

impl Btf {
    /// Structures of this file whose first member is an integer of 1, 2, 4 and 8 bytes; `None` unless there are all four.
    pub fn structs_that_begin_with_numbers(&self) -> Option<[TypeId; 4]> {
        let mut found = [None; 4];
        for id in self.own_ids() {
            let Some(record) = self.record(id).filter(|record| record.kind == STRUCT && record.vlen > 0) else {
                continue;
            };
            // A bit field has its width in the upper byte of this word.
            let begins = record.word_at(2) == 0;
            if let (true, Shape::Int { width, .. }) = (begins, self.base_shape(record.word_at(1)))
                && let Some(idx) = [1, 2, 4, 8].iter().position(|wanted| *wanted == width)
                && let place @ None = &mut found[idx]
            {
                *place = Some(id);
                if let [Some(one), Some(two), Some(four), Some(eight)] = found {
                    return Some([one, two, four, eight]);
                }
            }
        }
        None
    }

    /// The types of a prototype's parameters.
    pub fn param_types(&self, prototype: TypeId) -> impl Iterator<Item = TypeId> {
        let record = self.record(prototype).filter(|record| record.kind == FUNC_PROTO);
        record.into_iter().flat_map(|record| (0..usize::from(record.vlen)).map(move |idx| record.word_at(idx * 2 + 1)))
    }

    /// The value of an enumerator anywhere: `@const("BPF_MAP_TYPE_HASH")`. Looks through every enum.
    pub fn enumerator_value(&self, name: &str) -> Option<i64> {
        (1..self.n_types())
            .filter(|id| self.record(*id).is_some_and(|record| matches!(record.kind, ENUM | ENUM64)))
            .find_map(|id| {
                self.enumerators(id).into_iter().find(|enumerator| enumerator.name == name).map(|found| found.value)
            })
    }

    /// Which of these enumerators exist anywhere; one look through all enums for all of them.
    pub fn have_enumerators<const N: usize>(&self, names: [&str; N]) -> [bool; N] {
        let mut found = [false; N];
        for id in 1..self.n_types() {
            if !self.record(id).is_some_and(|record| matches!(record.kind, ENUM | ENUM64)) {
                continue;
            }
            for enumerator in self.enumerators(id) {
                if let Some(idx) = names.iter().position(|name| *name == enumerator.name) {
                    found[idx] = true;
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{debuginfo::World, host::Bytes};

    /// Builds BTF by hand: enough for every rule above without a kernel.
    #[derive(Default)]
    struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn name(&mut self, name: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            if name.is_empty() {
                return 0;
            }
            let at = self.strings.len() as u32;
            self.strings.extend(name.as_bytes());
            self.strings.push(0);
            at
        }

        fn add(&mut self, name: &str, kind: u8, flag: bool, vlen: u16, word: u32, rest: &[u32]) {
            let name_off = self.name(name);
            let info = u32::from(flag) << 31 | u32::from(kind) << 24 | u32::from(vlen);
            for word in [name_off, info, word].iter().chain(rest) {
                self.types.extend(word.to_le_bytes());
            }
        }

        fn finish(self) -> Btf {
            let mut bytes = vec![0x9f, 0xeb, 1, 0];
            let (n_types, n_strings) = (self.types.len() as u32, self.strings.len() as u32);
            for word in [24, 0, n_types, n_types, n_strings] {
                bytes.extend(u32::to_le_bytes(word));
            }
            bytes.extend(self.types);
            bytes.extend(self.strings);
            Btf::parse(Bytes::Owned(bytes), None).expect("well-formed")
        }
    }

    fn sample() -> Btf {
        let mut b = Builder::default();
        b.add("int", INT, false, 0, 4, &[1 << 24 | 32]); // 1
        b.add("char", INT, false, 0, 1, &[1 << 24 | 8]); // 2
        b.add("", CONST, false, 0, 2, &[]); // 3 char const
        b.add("", PTR, false, 0, 3, &[]); // 4
        b.add("", ARRAY, false, 0, 0, &[2, 1, 16]); // 5 char[16]
        let (x, y, z) = (b.name("x"), b.name("y"), b.name("comm"));
        b.add("", UNION, false, 2, 8, &[x, 1, 0, y, 4, 0]); // 6
        b.add("s", STRUCT, true, 3, 32, &[0, 6, 0, z, 5, 64, x, 1, 3 << 24 | 200]); // 7
        b.add("", PTR, false, 0, 7, &[]); // 8
        b.add("", FUNC_PROTO, false, 2, 1, &[0, 8, 0, 4]); // 9
        b.add("", PTR, false, 0, 9, &[]); // 10
        let (red, blue) = (b.name("RED"), b.name("BLUE"));
        b.add("colour", ENUM, true, 2, 4, &[red, 0, blue, -1i32 as u32]); // 11
        b.add("s_t", TYPEDEF, false, 0, 7, &[]); // 12
        b.add("user", TYPE_TAG, false, 0, 7, &[]); // 13
        b.add("", PTR, false, 0, 13, &[]); // 14 struct s __user *
        let (s, n, t) = (b.name("s"), b.name("n"), b.name("t"));
        b.add("inner", STRUCT, false, 2, 16, &[s, 8, 0, n, 1, 64]); // 15
        b.add("outer", STRUCT, false, 4, 64, &[n, 1, 0, t, 15, 64, s, 14, 192, x, 6, 256]); // 16
        b.add("f", FUNC, false, 0, 9, &[]); // 17
        b.add("", PTR, false, 0, 10, &[]); // 18
        b.add("", CONST, false, 0, 10, &[]); // 19
        b.add("", ARRAY, false, 0, 0, &[18, 1, 3]); // 20
        b.finish()
    }

    #[test]
    fn texts_read_as_systemtap_prints_them() {
        let btf = sample();
        let texts: Vec<_> = [4, 5, 8, 10, 18, 19, 20, 6, 11, 12, 0].map(|id| btf.type_text(id)).into();
        expect_test::expect![[r#"
            [
                "char const*",
                "char[16]",
                "struct s*",
                "int (*) (struct s*, char const*)",
                "int (**) (struct s*, char const*)",
                "int (* const) (struct s*, char const*)",
                "int (**[3]) (struct s*, char const*)",
                "union {...}",
                "enum colour",
                "s_t",
                "void",
            ]
        "#]]
        .assert_debug_eq(&texts);
    }

    #[test]
    fn members_are_found_in_anonymous_ones() {
        let btf = sample();
        assert_eq!(btf.struct_named("s"), Some(7));
        assert_eq!(btf.struct_named("colour"), None);
        let y = btf.find_member(12, "y").expect("inside the union");
        assert_eq!((y.ty, y.offset_bits), (4, 0));
        assert_eq!(btf.find_member(7, "comm").map(|m| m.offset_bits), Some(64));
        assert_eq!(btf.member_names(7), ["x", "y", "comm", "x"]);
        let bits: Vec<_> = btf.members(7).iter().map(|m| (m.offset_bits, m.bitfield_bits)).collect();
        assert_eq!(bits, [(0, 0), (64, 0), (200, 3)]);
        assert_eq!(btf.enumerator_value("BLUE"), Some(-1));
        assert_eq!(btf.size_of(5), 16);
    }

    #[test]
    fn what_the_verifier_lets_a_program_load() {
        use tapdeck_ebpf::codegen::{KernelTypes, Known};
        let btf = sample();
        let word = |argument| btf.function_word(17, argument);
        assert_eq!([word(Some(0)), word(Some(1)), word(Some(2))], [Known::Pointer(7), Known::Unknown, Known::Unknown]);
        assert_eq!([word(None), btf.function_word(16, None)], [Known::Number, Known::Unknown]);
        let outer = |offset, width| btf.member(16, offset, width);
        // A number; one of another width, and within it; a pointer in a structure within, and a number.
        assert_eq!([outer(0, 4), outer(0, 2), outer(2, 2)], [Known::Number, Known::Unknown, Known::Unknown]);
        assert_eq!([outer(8, 8), outer(16, 4), outer(20, 4)], [Known::Pointer(7), Known::Number, Known::Unknown]);
        // Of the user; in a union; in an array; of bits; outside.
        assert_eq!([outer(24, 8), outer(32, 4), btf.member(7, 8, 1)], [Known::Unknown; 3]);
        assert_eq!([btf.member(7, 25, 1), outer(4096, 8), btf.member(999, 0, 4)], [Known::Unknown; 3]);
    }

    #[test]
    fn nonsense_is_refused_not_trusted() {
        assert!(Btf::parse(Bytes::Owned(vec![]), None).is_err());
        assert!(Btf::parse(Bytes::Owned(vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0]), None).is_err());
        assert_eq!(sample().shape(999), Shape::Void);
    }

    #[test]
    fn this_kernel_has_a_task_struct() {
        let world = World::live();
        let Ok(btf) = world.btf() else {
            eprintln!("skipped: no BTF here");
            return;
        };
        let task = btf.struct_named("task_struct").expect("every kernel has it");
        let comm = btf.find_member(task, "comm").expect("every task has it");
        assert_eq!(btf.type_text(comm.ty), "char[16]");
        let offsets = crate::debuginfo::task_offsets(Some(btf), "x86_64");
        assert!(offsets.tgid.is_some() && offsets.cred_euid.is_some());
        let proto = btf.function_proto("__traceiter_", "sched_switch").expect("every kernel has it");
        let names: Vec<_> = btf.params(proto).iter().map(|param| param.name).collect();
        assert_eq!(names, ["__data", "preempt", "prev", "next", "prev_state"]);
    }
}
