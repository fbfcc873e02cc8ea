#!/bin/busybox sh
# The first process of a guest: mounts what tracing needs, loads modules, runs every job and says how it ended. Output and
# marks go through the second serial line; the first is the kernel's console.
B=/bin/busybox
$B mkdir -p /proc /sys /dev /run /tmp /root /var/tmp
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
$B mkdir -p /dev/shm /dev/pts
$B mount -t tmpfs shm /dev/shm
$B mount -t devpts devpts /dev/pts
$B mount -t securityfs securityfs /sys/kernel/security
$B mount -t debugfs debugfs /sys/kernel/debug
$B mount -t tracefs tracefs /sys/kernel/tracing
$B mount -t bpf bpf /sys/fs/bpf
$B mount -t cgroup2 cgroup2 /sys/fs/cgroup
$B --install -s /bin
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root TERM=vt100
ln -sf /proc/self/fd /dev/fd
ip link set lo up
hostname lab
for setting in kernel/kptr_restrict=0 kernel/perf_event_paranoid=-1 kernel/printk_ratelimit=0 kernel/perf_cpu_time_max_percent=0; do
  echo "${setting#*=}" >"/proc/sys/${setting%=*}" 2>/dev/null
done
while read -r module; do insmod "/lab/modules/$module"; done </lab/modules/order
date -s "@$(cat /lab/time)" >/dev/null

if [ -e /lab/shell ]; then
  setsid cttyhack sh -l
  reboot -f
fi

stty -F /dev/ttyS1 raw -echo
exec >/dev/ttyS1 2>&1 </dev/null
mark=$(cat /lab/mark)
for job in /lab/jobs/*; do
  number=${job##*/}
  read -r begun rest </proc/uptime
  printf '\n%s START %s\n' "$mark" "$number"
  timeout -k 3 "$(cat "/lab/limits/$number")" sh "$job"
  status=$?
  read -r ended rest </proc/uptime
  printf '\n%s EXIT %s %s %s %s\n' "$mark" "$number" "$status" "$begun" "$ended"
  # From the first process this reaches every other: what a job left behind.
  kill -KILL -1
done
printf '\n%s DONE\n' "$mark"
reboot -f
