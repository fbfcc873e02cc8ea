//! Generated programs in the real kernel: they verify, and they compute what the IR says. Runs through
//! BPF_PROG_TEST_RUN; prints why and passes where bpf(2) is not permitted.

mod alike;
mod bpf;
mod cost;
mod packed;
mod programs;
mod run;
