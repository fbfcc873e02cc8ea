//! Scripts of any size, of what people write: system calls with their variables, arrays, aggregates, functions, reports.

use std::fmt::Write;

const CALLS: [&str; 20] = [
    "read", "write", "openat", "close", "mmap", "munmap", "futex", "poll", "ioctl", "connect", "accept", "sendto",
    "recvfrom", "execve", "kill", "unlink", "mkdir", "rename", "fcntl", "getdents",
];

/// A script of at least so many lines.
pub fn lines(n: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut idx = 0;
    while text.lines().count() < n {
        let call = CALLS[idx % CALLS.len()];
        let _ = write!(
            text,
            r#"
# What {call} costs, part {idx}.
global calls_{idx}, times_{idx}, started_{idx}, slowest_{idx}
function share_{idx}(part, whole) {{
  if (whole == 0) return 0
  return part * 100 / whole
}}
probe syscall.{call} {{
  if (pid() == target() || execname() == "tapdeck") next
  started_{idx}[tid()] = gettimeofday_us()
  calls_{idx}[execname(), name]++
}}
probe syscall.{call}.return {{
  if (!(tid() in started_{idx})) next
  elapsed = gettimeofday_us() - started_{idx}[tid()]
  delete started_{idx}[tid()]
  times_{idx}[execname()] <<< elapsed
  if (elapsed > slowest_{idx}) {{
    slowest_{idx} = elapsed
    printf("%s(%d) %s took %d us: %s\n", execname(), pid(), name, elapsed, retstr)
  }}
}}
probe timer.s({seconds}) {{
  foreach ([who, what] in calls_{idx}- limit 10)
    printf("%-16s %-10s %6d %3d%%\n", who, what, calls_{idx}[who, what], share_{idx}(calls_{idx}[who, what], {idx} + 1))
  foreach (who in times_{idx}-) {{
    printf("%s: %d calls, %d us on average\n", who, @count(times_{idx}[who]), @avg(times_{idx}[who]))
    print(@hist_log(times_{idx}[who]))
  }}
  delete times_{idx}
}}
"#,
            seconds = 5 + idx % 3,
        );
        idx += 1;
    }
    text.into_bytes()
}

/// So many probes of system calls, each with a handler of its own. What they do is the same: they become one program for
/// each way.
pub fn probes(n: usize) -> Vec<u8> {
    let mut text = "global hits, sizes\n".to_owned();
    for idx in 0..n {
        let (call, way) = (CALLS[idx % CALLS.len()], if idx % 2 == 0 { "" } else { ".return" });
        let _ = writeln!(
            text,
            "probe syscall.{call}{way} {{ if (pid() != {idx}) hits[execname(), {idx}]++; else sizes[{idx}] <<< pid() }}"
        );
    }
    text.into_bytes()
}

/// The same, but no two of their handlers do the same.
pub fn unlike_probes(n: usize) -> Vec<u8> {
    let mut text = "global hits, sizes, last, total\n".to_owned();
    let statement = |idx: usize, which: usize| match which % 5 {
        0 => format!("hits[execname(), {idx}]++"),
        1 => format!("sizes[{idx}] <<< pid()"),
        2 => format!("last[tid()] = {idx}"),
        3 => "total += pid()".to_owned(),
        _ => format!("if (tid() == {idx}) next"),
    };
    for idx in 0..n {
        let (call, way) = (CALLS[idx % CALLS.len()], if idx % 2 == 0 { "" } else { ".return" });
        let body = [idx, idx / 5, idx / 25 + 1].map(|which| statement(idx, which)).join("; ");
        let _ = writeln!(text, "probe syscall.{call}{way} {{ if (pid() != {idx}) {{ {body} }} else total++ }}");
    }
    text.into_bytes()
}
