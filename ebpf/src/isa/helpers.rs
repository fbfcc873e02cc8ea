//! Kernel helpers we call: number, name, first kernel. Source: `enum bpf_func_id` of uapi/linux/bpf.h.

/// A helper's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Helper(pub i32);

macro_rules! helpers {
    ($($name:ident = $id:literal, $text:literal, $kernel:literal;)*) => {
        $(#[doc = concat!("`bpf_", $text, "`, Linux ", $kernel, ".")] pub const $name: Helper = Helper($id);)*

        /// `(number, name, first kernel)` of each.
        pub const HELPERS: &[(i32, &str, &str)] = &[$(($id, $text, $kernel),)*];
    };
}

helpers! {
    MAP_LOOKUP_ELEM = 1, "map_lookup_elem", "3.18";
    MAP_UPDATE_ELEM = 2, "map_update_elem", "3.18";
    MAP_DELETE_ELEM = 3, "map_delete_elem", "3.18";
    KTIME_GET_NS = 5, "ktime_get_ns", "4.1";
    GET_PRANDOM_U32 = 7, "get_prandom_u32", "4.1";
    GET_SMP_PROCESSOR_ID = 8, "get_smp_processor_id", "4.1";
    TAIL_CALL = 12, "tail_call", "4.2";
    GET_CURRENT_PID_TGID = 14, "get_current_pid_tgid", "4.2";
    GET_CURRENT_UID_GID = 15, "get_current_uid_gid", "4.2";
    GET_CURRENT_COMM = 16, "get_current_comm", "4.2";
    GET_STACKID = 27, "get_stackid", "4.6";
    GET_CURRENT_TASK = 35, "get_current_task", "4.8";
    GET_CURRENT_CGROUP_ID = 80, "get_current_cgroup_id", "4.18";
    PROBE_READ_USER = 112, "probe_read_user", "5.5";
    PROBE_READ_KERNEL = 113, "probe_read_kernel", "5.5";
    PROBE_READ_USER_STR = 114, "probe_read_user_str", "5.5";
    PROBE_READ_KERNEL_STR = 115, "probe_read_kernel_str", "5.5";
    JIFFIES64 = 118, "jiffies64", "5.6";
    KTIME_GET_BOOT_NS = 125, "ktime_get_boot_ns", "5.8";
    RINGBUF_OUTPUT = 130, "ringbuf_output", "5.8";
    RINGBUF_RESERVE = 131, "ringbuf_reserve", "5.8";
    RINGBUF_SUBMIT = 132, "ringbuf_submit", "5.8";
    GET_CURRENT_TASK_BTF = 158, "get_current_task_btf", "5.11";
    FOR_EACH_MAP_ELEM = 164, "for_each_map_elem", "5.13";
    SNPRINTF = 165, "snprintf", "5.13";
    GET_FUNC_IP = 173, "get_func_ip", "5.15";
    GET_ATTACH_COOKIE = 174, "get_attach_cookie", "5.15";
    TASK_PT_REGS = 175, "task_pt_regs", "5.15";
    LOOP = 181, "loop", "5.17";
    MAP_LOOKUP_PERCPU_ELEM = 195, "map_lookup_percpu_elem", "5.19";
}

/// The name of a helper without `bpf_`.
pub fn name(id: i32) -> Option<&'static str> {
    HELPERS.iter().find(|(i, ..)| *i == id).map(|(_, name, _)| *name)
}
