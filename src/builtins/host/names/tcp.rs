//! TCP: states of connections and options of sockets. function::tcp_sockstate_str and its neighbours.

use super::{Table, named};
use crate::builtins::Builtin;

pub static ROWS: &[Builtin] = &[
    named!(
        "tcp_sockstate_str",
        TCP_STATES,
        |_n| "UNDEF".to_owned(),
        "The name of a connection's state: TCP_ESTABLISHED for 1; or UNDEF."
    ),
    named!("tcp_sockopt_str", TCP_OPTIONS, |n| undefined_option(n), "The name of a TCP option: TCP_NODELAY for 1."),
    named!(
        "tcp_ipv6_sockopt_str",
        IPV6_OPTIONS,
        |n| undefined_option(n),
        "The name of an IPv6 option: IPV6_MTU for 24."
    ),
];

fn undefined_option(number: i64) -> String {
    format!("UNDEF_SOCKOPT({number})")
}

/// include/net/tcp_states.h.
#[rustfmt::skip]
static TCP_STATES: &Table = &[
    (1, "TCP_ESTABLISHED"), (2, "TCP_SYN_SENT"), (3, "TCP_SYN_RECV"), (4, "TCP_FIN_WAIT1"), (5, "TCP_FIN_WAIT2"),
    (6, "TCP_TIME_WAIT"), (7, "TCP_CLOSE"), (8, "TCP_CLOSE_WAIT"), (9, "TCP_LAST_ACK"), (10, "TCP_LISTEN"),
    (11, "TCP_CLOSING"), (12, "TCP_MAX_STATES"),
];

/// include/uapi/linux/tcp.h, options of setsockopt(2).
#[rustfmt::skip]
static TCP_OPTIONS: &Table = &[
    (1, "TCP_NODELAY"), (2, "TCP_MAXSEG"), (3, "TCP_CORK"), (4, "TCP_KEEPIDLE"), (5, "TCP_KEEPINTVL"),
    (6, "TCP_KEEPCNT"), (7, "TCP_SYNCNT"), (8, "TCP_LINGER2"), (9, "TCP_DEFER_ACCEPT"), (10, "TCP_WINDOW_CLAMP"),
    (11, "TCP_INFO"), (12, "TCP_QUICKACK"), (13, "TCP_CONGESTION"), (14, "TCP_MD5SIG"),
    (16, "TCP_THIN_LINEAR_TIMEOUTS"), (17, "TCP_THIN_DUPACK"), (18, "TCP_USER_TIMEOUT"),
];

/// include/uapi/linux/in6.h, options of setsockopt(2).
#[rustfmt::skip]
static IPV6_OPTIONS: &Table = &[
    (1, "IPV6_ADDRFORM"), (2, "IPV6_2292PKTINFO"), (3, "IPV6_2292HOPOPTS"), (4, "IPV6_2292DSTOPTS"),
    (5, "IPV6_2292RTHDR"), (6, "IPV6_2292PKTOPTIONS"), (7, "IPV6_CHECKSUM"), (8, "IPV6_2292HOPLIMIT"),
    (9, "IPV6_NEXTHOP"), (10, "IPV6_AUTHHDR"), (11, "IPV6_FLOWINFO"), (16, "IPV6_UNICAST_HOPS"),
    (17, "IPV6_MULTICAST_IF"), (18, "IPV6_MULTICAST_HOPS"), (19, "IPV6_MULTICAST_LOOP"), (20, "IPV6_ADD_MEMBERSHIP"),
    (21, "IPV6_DROP_MEMBERSHIP"), (22, "IPV6_ROUTER_ALERT"), (23, "IPV6_MTU_DISCOVER"), (24, "IPV6_MTU"),
    (25, "IPV6_RECVERR"), (26, "IPV6_V6ONLY"), (27, "IPV6_JOIN_ANYCAST"), (28, "IPV6_LEAVE_ANYCAST"),
    (32, "IPV6_FLOWLABEL_MGR"), (33, "IPV6_FLOWINFO_SEND"), (34, "IPV6_IPSEC_POLICY"), (35, "IPV6_XFRM_POLICY"),
    (42, "MCAST_JOIN_GROUP"), (43, "MCAST_BLOCK_SOURCE"), (44, "MCAST_UNBLOCK_SOURCE"), (45, "MCAST_LEAVE_GROUP"),
    (46, "MCAST_JOIN_SOURCE_GROUP"), (47, "MCAST_LEAVE_SOURCE_GROUP"), (48, "MCAST_MSFILTER"),
    (49, "IPV6_RECVPKTINFO"), (50, "IPV6_PKTINFO"), (51, "IPV6_RECVHOPLIMIT"), (52, "IPV6_HOPLIMIT"),
    (53, "IPV6_RECVHOPOPTS"), (54, "IPV6_HOPOPTS"), (55, "IPV6_RTHDRDSTOPTS"), (56, "IPV6_RECVRTHDR"),
    (57, "IPV6_RTHDR"), (58, "IPV6_RECVDSTOPTS"), (59, "IPV6_DSTOPTS"), (60, "IPV6_RECVPATHMTU"), (61, "IPV6_PATHMTU"),
    (62, "IPV6_DONTFRAG"), (66, "IPV6_RECVTCLASS"), (67, "IPV6_TCLASS"), (72, "IPV6_ADDR_PREFERENCES"),
    (73, "IPV6_MINHOPCOUNT"), (74, "IPV6_RECVORIGDSTADDR"), (75, "IPV6_TRANSPARENT"),
];
