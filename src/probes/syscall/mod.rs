//! System calls: `syscall.NAME`, `.return`, `nd_syscall.…`, `syscall_any`.

pub mod decode;
