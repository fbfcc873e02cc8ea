//! What a type is: shape, size, members, enumerators, and its C text as SystemTap prints it.

use super::{TypeId, reader::*};

/// A type's structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Void,
    /// `char` says that it is a text character: any one-byte integer called char.
    Int {
        width: u8,
        signed: bool,
        char: bool,
    },
    Bool {
        width: u8,
    },
    Float,
    Pointer(TypeId),
    Array {
        element: TypeId,
        n: u32,
    },
    Struct,
    Union,
    Enum {
        width: u8,
        signed: bool,
    },
    /// Declared somewhere, defined nowhere here.
    Forward,
    Typedef(TypeId),
    /// const, volatile, restrict or a tag.
    Qualified(TypeId),
    Function {
        result: TypeId,
    },
    /// Not a type: functions, variables, sections, tags.
    Other,
}

/// A member of a struct or union; an anonymous one has an empty name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    pub name: &'a str,
    pub ty: TypeId,
    /// From the start of the struct.
    pub offset_bits: u32,
    /// 0: not a bit field.
    pub bitfield_bits: u8,
}

/// A member found by name, possibly inside anonymous members; offsets add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundMember {
    pub ty: TypeId,
    pub offset_bits: u32,
    pub bitfield_bits: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Empty in prototypes that do not say.
    pub name: &'a str,
    pub ty: TypeId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumerator<'a> {
    pub name: &'a str,
    pub value: i64,
}

/// Types nest; malformed data could nest forever.
const MAX_DEPTH: usize = 32;

impl Btf {
    pub fn shape(&self, id: TypeId) -> Shape {
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

    /// The type behind typedefs and qualifiers.
    pub fn strip(&self, mut id: TypeId) -> TypeId {
        for _ in 0..MAX_DEPTH {
            match self.shape(id) {
                Shape::Typedef(inner) | Shape::Qualified(inner) => id = inner,
                _ => break,
            }
        }
        id
    }

    /// Shape of the stripped type.
    pub fn base_shape(&self, id: TypeId) -> Shape {
        self.shape(self.strip(id))
    }

    /// In bytes; 0 for what has none.
    pub fn size_of(&self, id: TypeId) -> u64 {
        let id = self.strip(id);
        match self.shape(id) {
            Shape::Pointer(_) => 8,
            Shape::Array { element, n } => self.size_of(element).saturating_mul(u64::from(n)),
            Shape::Int { .. }
            | Shape::Bool { .. }
            | Shape::Float
            | Shape::Struct
            | Shape::Union
            | Shape::Enum { .. } => self.record(id).map_or(0, |record| u64::from(record.word)),
            _ => 0,
        }
    }

    /// Direct members of a struct or union (behind typedefs), in order.
    pub fn members(&self, id: TypeId) -> impl Iterator<Item = Member<'_>> {
        let record = self.record(self.strip(id)).filter(|record| matches!(record.kind, STRUCT | UNION));
        let n = record.map_or(0, |record| usize::from(record.vlen));
        (0..n).filter_map(move |idx| {
            let record = record?;
            let place = record.word_at(idx * 3 + 2);
            // With the kind flag the top byte is the width of a bit field. Without it, old encodings put bit fields
            // into the INT's own offset; kernels with raw tracepoint BTF do not use those.
            let (bitfield_bits, offset_bits) =
                if record.flag { ((place >> 24) as u8, place & 0x00ff_ffff) } else { (0, place) };
            let name = self.string(record.word_at(idx * 3));
            Some(Member { name, ty: record.word_at(idx * 3 + 1), offset_bits, bitfield_bits })
        })
    }

    /// A member by name, looking into anonymous structs and unions.
    pub fn find_member(&self, id: TypeId, name: &str) -> Option<FoundMember> {
        self.find_member_at(id, name, 0)
    }

    fn find_member_at(&self, id: TypeId, name: &str, depth: usize) -> Option<FoundMember> {
        if depth > MAX_DEPTH || name.is_empty() {
            return None;
        }
        for member in self.members(id) {
            let Member { ty, offset_bits, bitfield_bits, .. } = member;
            if member.name == name {
                return Some(FoundMember { ty, offset_bits, bitfield_bits });
            }
            if member.name.is_empty()
                && let Some(mut found) = self.find_member_at(ty, name, depth + 1)
            {
                found.offset_bits += offset_bits;
                return Some(found);
            }
        }
        None
    }

    /// Names that can follow `->`, those inside anonymous members too.
    pub fn member_names(&self, id: TypeId) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_member_names(id, &mut names, 0);
        names
    }

    fn collect_member_names<'a>(&'a self, id: TypeId, names: &mut Vec<&'a str>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for member in self.members(id) {
            if member.name.is_empty() {
                self.collect_member_names(member.ty, names, depth + 1);
            } else {
                names.push(member.name);
            }
        }
    }

    /// Parameters of a function prototype.
    pub fn params(&self, id: TypeId) -> impl Iterator<Item = Param<'_>> {
        let record = self.record(id).filter(|record| record.kind == FUNC_PROTO);
        let n = record.map_or(0, |record| usize::from(record.vlen));
        (0..n).filter_map(move |idx| {
            let record = record?;
            Some(Param { name: self.string(record.word_at(idx * 2)), ty: record.word_at(idx * 2 + 1) })
        })
    }

    /// Names and values of an enum (behind typedefs).
    pub fn enumerators(&self, id: TypeId) -> impl Iterator<Item = Enumerator<'_>> {
        let record = self.record(self.strip(id)).filter(|record| matches!(record.kind, ENUM | ENUM64));
        let n = record.map_or(0, |record| usize::from(record.vlen));
        (0..n).filter_map(move |idx| {
            let record = record?;
            let (name, value) = if record.kind == ENUM64 {
                let low = u64::from(record.word_at(idx * 3 + 1));
                (record.word_at(idx * 3), (u64::from(record.word_at(idx * 3 + 2)) << 32 | low) as i64)
            } else {
                let value = record.word_at(idx * 2 + 1);
                (record.word_at(idx * 2), if record.flag { i64::from(value as i32) } else { i64::from(value) })
            };
            Some(Enumerator { name: self.string(name), value })
        })
    }

    /// The value of an enumerator anywhere: `@const("BPF_MAP_TYPE_HASH")`. Looks through every enum.
    pub fn enumerator_value(&self, name: &str) -> Option<i64> {
        (1..self.n_types())
            .filter(|id| self.record(*id).is_some_and(|record| matches!(record.kind, ENUM | ENUM64)))
            .find_map(|id| self.enumerators(id).find(|enumerator| enumerator.name == name).map(|found| found.value))
    }

    /// C text, qualifiers behind what they qualify: `char const*`, `struct task_struct*`, `void (*) (int, char*)`.
    pub fn type_text(&self, id: TypeId) -> String {
        self.text_at(id, 0)
    }

    fn text_at(&self, id: TypeId, depth: usize) -> String {
        let Some(record) = self.record(id).filter(|_| depth <= MAX_DEPTH) else { return "void".to_owned() };
        let name = self.string(record.name_off);
        let tagged = |tag: &str| if name.is_empty() { format!("{tag} {{...}}") } else { format!("{tag} {name}") };
        match record.kind {
            PTR => match self.shape(record.word) {
                Shape::Function { .. } => self.function_text(record.word, "(*)", depth + 1),
                _ => self.text_at(record.word, depth + 1) + "*",
            },
            ARRAY => format!("{}[{}]", self.text_at(record.word_at(0), depth + 1), record.word_at(2)),
            STRUCT => tagged("struct"),
            UNION => tagged("union"),
            ENUM | ENUM64 => tagged("enum"),
            FWD => tagged(if record.flag { "union" } else { "struct" }),
            VOLATILE => self.text_at(record.word, depth + 1) + " volatile",
            CONST => self.text_at(record.word, depth + 1) + " const",
            RESTRICT => self.text_at(record.word, depth + 1) + " restrict",
            TYPE_TAG => self.text_at(record.word, depth + 1),
            FUNC_PROTO => self.function_text(id, "()", depth + 1),
            _ => name.to_owned(),
        }
    }

    fn function_text(&self, proto: TypeId, middle: &str, depth: usize) -> String {
        let Shape::Function { result } = self.shape(proto) else { return "void".to_owned() };
        let params: Vec<_> = self.params(proto).map(|param| self.text_at(param.ty, depth + 1)).collect();
        format!("{} {middle} ({})", self.text_at(result, depth + 1), params.join(", "))
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
        b.finish()
    }

    #[test]
    fn texts_read_as_systemtap_prints_them() {
        let btf = sample();
        let texts: Vec<_> = [4, 5, 8, 10, 6, 11, 12, 0].map(|id| btf.type_text(id)).into();
        expect_test::expect![[r#"
            [
                "char const*",
                "char[16]",
                "struct s*",
                "int (*) (struct s*, char const*)",
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
        let bits: Vec<_> = btf.members(7).map(|m| (m.offset_bits, m.bitfield_bits)).collect();
        assert_eq!(bits, [(0, 0), (64, 0), (200, 3)]);
        assert_eq!(btf.enumerator_value("BLUE"), Some(-1));
        assert_eq!(btf.size_of(5), 16);
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
        let names: Vec<_> = btf.params(proto).map(|param| param.name).collect();
        assert_eq!(names, ["__data", "preempt", "prev", "next", "prev_state"]);
    }
}
