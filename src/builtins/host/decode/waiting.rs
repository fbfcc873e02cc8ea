//! Futexes, epoll, timers and System V IPC. Values from include/uapi/linux/{futex,eventpoll,time,ipc}.h.

use super::{Table, decoders};

decoders! {
    "__tapdeck_futex_op" "Operation of futex(2)." =
        Table::Choice { mask: 0x7f, choices: &[
            (0, "FUTEX_WAIT"), (1, "FUTEX_WAKE"), (2, "FUTEX_FD"), (3, "FUTEX_REQUEUE"), (4, "FUTEX_CMP_REQUEUE"),
            (5, "FUTEX_WAKE_OP"), (6, "FUTEX_LOCK_PI"), (7, "FUTEX_UNLOCK_PI"), (8, "FUTEX_TRYLOCK_PI"),
            (9, "FUTEX_WAIT_BITSET"), (10, "FUTEX_WAKE_BITSET"), (11, "FUTEX_WAIT_REQUEUE_PI"),
            (12, "FUTEX_CMP_REQUEUE_PI"), (13, "FUTEX_LOCK_PI2"),
        ], bits: &[
            (0x80, "FUTEX_PRIVATE_FLAG"), (0x100, "FUTEX_CLOCK_REALTIME"),
        ] };
    "__tapdeck_futex2_flags" "Flags of futex_wait(2) and friends." =
        Table::Choice { mask: 3, choices: &[
            (0, "FUTEX2_SIZE_U8"), (1, "FUTEX2_SIZE_U16"), (2, "FUTEX2_SIZE_U32"), (3, "FUTEX2_SIZE_U64"),
        ], bits: &[
            (4, "FUTEX2_NUMA"), (0x80, "FUTEX2_PRIVATE"),
        ] };
    "__tapdeck_epoll_op" "Operation of epoll_ctl(2)." =
        Table::Enum(&[(1, "EPOLL_CTL_ADD"), (2, "EPOLL_CTL_DEL"), (3, "EPOLL_CTL_MOD")]);
    "__tapdeck_epoll_flags" "Flags of epoll_create1(2)." =
        Table::Flags { zero: "0", bits: &[(0x80000, "EPOLL_CLOEXEC")] };
    "__tapdeck_eventfd_flags" "Flags of eventfd2(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "EFD_SEMAPHORE"), (0x80000, "EFD_CLOEXEC"), (0x800, "EFD_NONBLOCK"),
        ] };
    "__tapdeck_timerfd_flags" "Flags of timerfd_create(2) and timerfd_settime(2)." =
        Table::Flags { zero: "0", bits: &[
            (1, "TFD_TIMER_ABSTIME"), (2, "TFD_TIMER_CANCEL_ON_SET"), (0x80000, "TFD_CLOEXEC"),
            (0x800, "TFD_NONBLOCK"),
        ] };
    "__tapdeck_timer_flags" "Flags of clock_nanosleep(2) and timer_settime(2)." =
        Table::Flags { zero: "0", bits: &[(1, "TIMER_ABSTIME")] };
    "__tapdeck_clock" "Clock of clock_gettime(2)." =
        Table::Enum(&[
            (0, "CLOCK_REALTIME"), (1, "CLOCK_MONOTONIC"), (2, "CLOCK_PROCESS_CPUTIME_ID"),
            (3, "CLOCK_THREAD_CPUTIME_ID"), (4, "CLOCK_MONOTONIC_RAW"), (5, "CLOCK_REALTIME_COARSE"),
            (6, "CLOCK_MONOTONIC_COARSE"), (7, "CLOCK_BOOTTIME"), (8, "CLOCK_REALTIME_ALARM"),
            (9, "CLOCK_BOOTTIME_ALARM"), (10, "CLOCK_SGI_CYCLE"), (11, "CLOCK_TAI"),
        ]);
    "__tapdeck_itimer" "Timer of setitimer(2)." =
        Table::Enum(&[(0, "ITIMER_REAL"), (1, "ITIMER_VIRTUAL"), (2, "ITIMER_PROF")]);
    "__tapdeck_ipc_cmd" "Command of msgctl(2), semctl(2), shmctl(2)." =
        Table::Enum(&[
            (0, "IPC_RMID"), (1, "IPC_SET"), (2, "IPC_STAT"), (3, "IPC_INFO"), (11, "GETPID"), (12, "GETVAL"),
            (13, "GETALL"), (14, "GETNCNT"), (15, "GETZCNT"), (16, "SETVAL"), (17, "SETALL"),
        ]);
    "__tapdeck_msgop_flags" "Flags of msgrcv(2) and msgsnd(2)." =
        Table::Flags { zero: "0", bits: &[
            (0x800, "IPC_NOWAIT"), (0x1000, "MSG_NOERROR"), (0x2000, "MSG_EXCEPT"), (0x4000, "MSG_COPY"),
        ] };
    "__tapdeck_getrandom_flags" "Flags of getrandom(2)." =
        Table::Flags { zero: "0", bits: &[(1, "GRND_NONBLOCK"), (2, "GRND_RANDOM"), (4, "GRND_INSECURE")] };
}

pub(super) static IPC_BITS: Table =
    Table::Flags { zero: "0", bits: &[(0x200, "IPC_CREAT"), (0x400, "IPC_EXCL"), (0x800, "IPC_NOWAIT")] };
