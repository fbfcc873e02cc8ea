//! What the kernel's verifier lets programs load directly, by its own type information: `btf_ctx_access` and
//! `btf_struct_walk` of kernel/bpf/btf.c (5.5 and later). Where their rules changed over time the answer is "unknown".

use tapdeck_ebpf::codegen::{KernelTypes, Known};

use super::reader::*;
use crate::debuginfo::types::{Shape, TypeId, Types};

/// Structures nest; malformed data could nest forever.
const MAX_DEPTH: usize = 16;

impl KernelTypes for Btf {
    fn function_word(&self, function: u32, argument: Option<u8>) -> Known {
        let Some(record) = self.record(function).filter(|record| record.kind == FUNC) else { return Known::Unknown };
        let ty = match (argument, self.shape(record.word)) {
            (Some(n), _) => self.params(record.word).get(usize::from(n)).map(|param| param.ty),
            (None, Shape::Function { result }) => Some(result),
            _ => None,
        };
        match ty.map(|ty| self.base_shape(ty)) {
            Some(Shape::Int { .. } | Shape::Bool { .. } | Shape::Enum { .. }) => Known::Number,
            Some(Shape::Pointer(to)) => self.structure(to).map_or(Known::Unknown, Known::Pointer),
            _ => Known::Unknown,
        }
    }

    fn member(&self, mut structure: u32, mut offset: u32, width: u8) -> Known {
        for _ in 0..MAX_DEPTH {
            let members = self.members(structure);
            // A union's members, and those of arrays, overlap or repeat: none of them is told apart here.
            let within = |member: &crate::debuginfo::types::Member<'_>| member.offset_bits / 8 <= offset;
            let Some(member) = members.iter().rev().find(|member| within(member)) else { return Known::Unknown };
            if member.bitfield_bits != 0 || member.offset_bits % 8 != 0 {
                return Known::Unknown;
            }
            offset -= member.offset_bits / 8;
            return match self.base_shape(member.ty) {
                Shape::Struct => {
                    structure = self.strip(member.ty);
                    continue;
                }
                Shape::Int { width: whole, .. } | Shape::Bool { width: whole } | Shape::Enum { width: whole, .. }
                    if (offset, whole) == (0, width) =>
                {
                    Known::Number
                }
                Shape::Pointer(to) if (offset, width) == (0, 8) => match (self.structure(to), self.base_shape(to)) {
                    (Some(structure), _) => Known::Pointer(structure),
                    (None, Shape::Int { .. } | Shape::Void | Shape::Pointer(_) | Shape::Function { .. })
                        if !self.is_tagged(to) =>
                    {
                        Known::Number
                    }
                    _ => Known::Unknown,
                },
                _ => Known::Unknown,
            };
        }
        Known::Unknown
    }
}

impl Btf {
    /// The structure behind names and qualifiers; a tag (`__user`, `__percpu`, `__rcu`) is for the verifier to judge.
    fn structure(&self, id: TypeId) -> Option<TypeId> {
        let behind = self.strip(id);
        (!self.is_tagged(id) && self.shape(behind) == Shape::Struct).then_some(behind)
    }

    fn is_tagged(&self, mut id: TypeId) -> bool {
        for _ in 0..MAX_DEPTH {
            match self.record(id).map(|record| record.kind) {
                Some(TYPE_TAG) => return true,
                _ => match self.shape(id) {
                    Shape::Typedef(inner) | Shape::Qualified(inner) => id = inner,
                    _ => return false,
                },
            }
        }
        true
    }
}
