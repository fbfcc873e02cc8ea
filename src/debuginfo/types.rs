//! C types as questions: what debug information of any format answers. BTF and DWARF implement [`Types`]; walks along
//! `->member`, texts of types and `$x$` rest on it alone.

/// A type in one source of types; 0 is void. What the number means is the source's own business.
pub type TypeId = u32;

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

/// A source of C types. What does not fit in malformed data reads as void; nothing panics.
pub trait Types: Send + Sync {
    fn shape(&self, id: TypeId) -> Shape;

    /// The type's own name; empty for anonymous ones and pointers.
    fn name(&self, id: TypeId) -> &str;

    /// The word C puts to a name or behind a type: `struct`, `union`, `enum`, `const`, `volatile`, `restrict`; `&` for
    /// references of C++; else empty.
    fn keyword(&self, id: TypeId) -> &'static str;

    /// What the type itself says it takes, in bytes; 0 for what does not say.
    fn stated_size(&self, id: TypeId) -> u64;

    /// Direct members of a struct or union (behind typedefs), in order.
    fn members(&self, id: TypeId) -> Vec<Member<'_>>;

    /// Parameters of a function prototype.
    fn params(&self, id: TypeId) -> Vec<Param<'_>>;

    /// Names and values of an enum (behind typedefs).
    fn enumerators(&self, id: TypeId) -> Vec<Enumerator<'_>>;

    /// A complete type by keyword (`struct`, `union`, `enum`, `typedef`) and name.
    fn named(&self, keyword: &str, name: &str) -> Option<TypeId>;

    /// The type behind typedefs and qualifiers.
    fn strip(&self, mut id: TypeId) -> TypeId {
        for _ in 0..MAX_DEPTH {
            match self.shape(id) {
                Shape::Typedef(inner) | Shape::Qualified(inner) => id = inner,
                _ => break,
            }
        }
        id
    }

    /// Shape of the stripped type.
    fn base_shape(&self, id: TypeId) -> Shape {
        self.shape(self.strip(id))
    }

    /// In bytes; 0 for what has none.
    fn size_of(&self, id: TypeId) -> u64 {
        let mut id = self.strip(id);
        let mut n_elements = 1u64;
        for _ in 0..MAX_DEPTH {
            match self.shape(id) {
                Shape::Array { element, n } => {
                    n_elements = n_elements.saturating_mul(u64::from(n));
                    id = self.strip(element);
                }
                Shape::Pointer(_) => return n_elements.saturating_mul(8),
                _ => break,
            }
        }
        n_elements.saturating_mul(self.stated_size(id))
    }

    /// A member by name, looking into anonymous structs and unions.
    fn find_member(&self, id: TypeId, name: &str) -> Option<FoundMember> {
        find_member_at(self, id, name, 0)
    }

    /// Names that can follow `->`, those inside anonymous members too.
    fn member_names(&self, id: TypeId) -> Vec<&str> {
        let mut names = Vec::new();
        collect_member_names(self, id, &mut names, 0);
        names
    }

    /// C text, qualifiers behind what they qualify: `char const*`, `struct task_struct*`, `void (*) (int, char*)`.
    fn type_text(&self, id: TypeId) -> String {
        let (mut text, behind) = text_at(self, id, 0);
        text.push_str(&behind);
        text
    }
}

fn find_member_at<T: Types + ?Sized>(types: &T, id: TypeId, name: &str, depth: usize) -> Option<FoundMember> {
    if depth > MAX_DEPTH || name.is_empty() {
        return None;
    }
    for member in types.members(id) {
        let Member { ty, offset_bits, bitfield_bits, .. } = member;
        if member.name == name {
            return Some(FoundMember { ty, offset_bits, bitfield_bits });
        }
        if member.name.is_empty()
            && let Some(mut found) = find_member_at(types, ty, name, depth + 1)
        {
            found.offset_bits = found.offset_bits.saturating_add(offset_bits);
            return Some(found);
        }
    }
    None
}

fn collect_member_names<'a, T: Types + ?Sized>(types: &'a T, id: TypeId, names: &mut Vec<&'a str>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for member in types.members(id) {
        if member.name.is_empty() {
            collect_member_names(types, member.ty, names, depth + 1);
        } else {
            names.push(member.name);
        }
    }
}

/// The text in two: what makes another type of this one stands between them. The second is empty but for functions:
/// `void (*`, `) (int)`.
fn text_at<T: Types + ?Sized>(types: &T, id: TypeId, depth: usize) -> (String, String) {
    let whole = |text: String| (text, String::new());
    if depth > MAX_DEPTH {
        return whole("void".to_owned());
    }
    let (name, keyword) = (types.name(id), types.keyword(id));
    let around = |of: TypeId, suffix: &str| {
        let (text, behind) = text_at(types, of, depth + 1);
        (text + suffix, behind)
    };
    match types.shape(id) {
        Shape::Void => whole("void".to_owned()),
        Shape::Pointer(to) => around(to, if keyword.is_empty() { "*" } else { keyword }),
        Shape::Array { .. } => {
            let (element, dimensions) = dimensions(types, id);
            around(element, &dimensions)
        }
        Shape::Struct | Shape::Union | Shape::Enum { .. } | Shape::Forward if name.is_empty() => {
            whole(format!("{keyword} {{...}}"))
        }
        Shape::Struct | Shape::Union | Shape::Enum { .. } | Shape::Forward => whole(format!("{keyword} {name}")),
        Shape::Qualified(of) if keyword.is_empty() => around(of, ""),
        Shape::Qualified(of) => around(of, &format!(" {keyword}")),
        Shape::Function { result } => {
            let text = |id| {
                let (text, behind) = text_at(types, id, depth + 1);
                text + &behind
            };
            let params: Vec<_> = types.params(id).iter().map(|param| text(param.ty)).collect();
            (format!("{} (", text(result)), format!(") ({})", params.join(", ")))
        }
        Shape::Int { .. } | Shape::Bool { .. } | Shape::Float | Shape::Typedef(_) | Shape::Other => {
            whole(name.to_owned())
        }
    }
}

/// What an array is of, and `[2][3]`: the outermost dimension first.
fn dimensions<T: Types + ?Sized>(types: &T, mut id: TypeId) -> (TypeId, String) {
    let mut dimensions = String::new();
    for _ in 0..MAX_DEPTH {
        let Shape::Array { element, n } = types.shape(id) else { break };
        dimensions.push_str(&format!("[{n}]"));
        id = element;
    }
    (id, dimensions)
}
