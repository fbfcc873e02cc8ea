//! Memory. Values from include/uapi/asm-generic/mman*.h and linux/{mman,mempolicy,membarrier}.h.

use super::{Table, decoders};

decoders! {
    "__tapdeck_prot" "Protection of mmap(2)." =
        Table::Flags { zero: "PROT_NONE", bits: &[
            (1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"), (8, "PROT_SEM"), (0x1000000, "PROT_GROWSDOWN"),
            (0x2000000, "PROT_GROWSUP"),
        ] };
    "__tapdeck_mmap_flags" "Flags of mmap(2)." =
        Table::Choice { mask: 0xf, choices: &[
            (0, "MAP_FILE"), (1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (3, "MAP_SHARED_VALIDATE"),
        ], bits: &[
            (0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS"), (0x40, "MAP_32BIT"), (0x100, "MAP_GROWSDOWN"),
            (0x800, "MAP_DENYWRITE"), (0x1000, "MAP_EXECUTABLE"), (0x2000, "MAP_LOCKED"),
            (0x4000, "MAP_NORESERVE"), (0x8000, "MAP_POPULATE"), (0x10000, "MAP_NONBLOCK"),
            (0x20000, "MAP_STACK"), (0x40000, "MAP_HUGETLB"), (0x80000, "MAP_SYNC"),
            (0x100000, "MAP_FIXED_NOREPLACE"),
        ] };
    "__tapdeck_mremap_flags" "Flags of mremap(2)." =
        Table::Flags { zero: "0", bits: &[(1, "MREMAP_MAYMOVE"), (2, "MREMAP_FIXED"), (4, "MREMAP_DONTUNMAP")] };
    "__tapdeck_msync_flags" "Flags of msync(2)." =
        Table::Flags { zero: "0", bits: &[(1, "MS_ASYNC"), (2, "MS_INVALIDATE"), (4, "MS_SYNC")] };
    "__tapdeck_mlock2_flags" "Flags of mlock2(2)." =
        Table::Flags { zero: "0", bits: &[(1, "MLOCK_ONFAULT")] };
    "__tapdeck_mlockall_flags" "Flags of mlockall(2)." =
        Table::Flags { zero: "0", bits: &[(1, "MCL_CURRENT"), (2, "MCL_FUTURE"), (4, "MCL_ONFAULT")] };
    "__tapdeck_madvise" "Advice of madvise(2)." =
        Table::Enum(&[
            (0, "MADV_NORMAL"), (1, "MADV_RANDOM"), (2, "MADV_SEQUENTIAL"), (3, "MADV_WILLNEED"),
            (4, "MADV_DONTNEED"), (8, "MADV_FREE"), (9, "MADV_REMOVE"), (10, "MADV_DONTFORK"),
            (11, "MADV_DOFORK"), (12, "MADV_MERGEABLE"), (13, "MADV_UNMERGEABLE"), (14, "MADV_HUGEPAGE"),
            (15, "MADV_NOHUGEPAGE"), (16, "MADV_DONTDUMP"), (17, "MADV_DODUMP"), (18, "MADV_WIPEONFORK"),
            (19, "MADV_KEEPONFORK"), (20, "MADV_COLD"), (21, "MADV_PAGEOUT"), (22, "MADV_POPULATE_READ"),
            (23, "MADV_POPULATE_WRITE"), (24, "MADV_DONTNEED_LOCKED"), (25, "MADV_COLLAPSE"),
            (100, "MADV_HWPOISON"), (101, "MADV_SOFT_OFFLINE"), (102, "MADV_GUARD_INSTALL"),
            (103, "MADV_GUARD_REMOVE"),
        ]);
    "__tapdeck_mempolicy_mode" "Mode of set_mempolicy(2)." =
        Table::Choice { mask: 0x1fff, choices: &[
            (0, "MPOL_DEFAULT"), (1, "MPOL_PREFERRED"), (2, "MPOL_BIND"), (3, "MPOL_INTERLEAVE"),
            (4, "MPOL_LOCAL"), (5, "MPOL_PREFERRED_MANY"), (6, "MPOL_WEIGHTED_INTERLEAVE"),
        ], bits: &[
            (0x8000, "MPOL_F_STATIC_NODES"), (0x4000, "MPOL_F_RELATIVE_NODES"), (0x2000, "MPOL_F_NUMA_BALANCING"),
        ] };
    "__tapdeck_mempolicy_flags" "Flags of mbind(2) and get_mempolicy(2)." =
        Table::Flags { zero: "0", bits: &[(1, "MPOL_MF_STRICT"), (2, "MPOL_MF_MOVE"), (4, "MPOL_MF_MOVE_ALL")] };
    "__tapdeck_shmat_flags" "Flags of shmat(2)." =
        Table::Flags { zero: "0", bits: &[
            (0x1000, "SHM_RDONLY"), (0x2000, "SHM_RND"), (0x4000, "SHM_REMAP"), (0x8000, "SHM_EXEC"),
        ] };
    "__tapdeck_userfaultfd_flags" "Flags of userfaultfd(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "UFFD_USER_MODE_ONLY"), (0x800, "O_NONBLOCK"), (0x80000, "O_CLOEXEC"),
        ] };
    "__tapdeck_membarrier_cmd" "Command of membarrier(2)." =
        Table::Enum(&[
            (0, "MEMBARRIER_CMD_QUERY"), (1, "MEMBARRIER_CMD_GLOBAL"), (2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"),
            (4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"), (8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"),
            (16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"), (32, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"),
            (64, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"),
            (128, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"),
            (256, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"), (512, "MEMBARRIER_CMD_GET_REGISTRATIONS"),
        ]);
    "__tapdeck_gfp" "Flags of the kernel's allocators, as its own tracing names them. include/trace/events/mmflags.h." =
        Table::Flags { zero: "none", bits: &[
            (0x3d24ca, "GFP_TRANSHUGE"), (0x3d20ca, "GFP_TRANSHUGE_LIGHT"), (0x100cca, "GFP_HIGHUSER_MOVABLE"),
            (0x100cc2, "GFP_HIGHUSER"), (0x100cc0, "GFP_USER"), (0x400cc0, "GFP_KERNEL_ACCOUNT"),
            (0xcc0, "GFP_KERNEL"), (0xc40, "GFP_NOFS"),
            // Until 6.2 there was a bit for it.
            (0xa20, "GFP_ATOMIC"), (0x820, "GFP_ATOMIC"), (0xc00, "GFP_NOIO"), (0x800, "GFP_NOWAIT"),
            (0x1, "GFP_DMA"), (0x2, "__GFP_HIGHMEM"), (0x4, "GFP_DMA32"), (0x8, "__GFP_MOVABLE"),
            (0x10, "__GFP_RECLAIMABLE"), (0x20, "__GFP_HIGH"), (0x40, "__GFP_IO"), (0x80, "__GFP_FS"),
            (0x100, "__GFP_ZERO"), (0x200, "__GFP_ATOMIC"), (0x400, "__GFP_DIRECT_RECLAIM"),
            (0x1000, "__GFP_WRITE"), (0x2000, "__GFP_NOWARN"), (0x4000, "__GFP_RETRY_MAYFAIL"),
            (0x8000, "__GFP_NOFAIL"), (0x10000, "__GFP_NORETRY"), (0x20000, "__GFP_MEMALLOC"),
            (0x40000, "__GFP_COMP"), (0x80000, "__GFP_NOMEMALLOC"), (0x100000, "__GFP_HARDWALL"),
            (0x200000, "__GFP_THISNODE"), (0x400000, "__GFP_ACCOUNT"), (0x800000, "__GFP_ZEROTAGS"),
        ] };
}
