//! Sockets: families, types, states, protocols. function::sock_fam_num2str and its neighbours.

use super::{Table, flagged, named, numbered};
use crate::builtins::Builtin;

pub static ROWS: &[Builtin] = &[
    named!("sock_fam_num2str", FAMILIES, |_n| undefined(), "The name of a protocol family: INET for 2; or UNDEF."),
    numbered!("sock_fam_str2num", FAMILIES, "The number of a protocol family: 2 for INET; or -1."),
    named!("sock_state_num2str", STATES, |_n| undefined(), "The name of a socket's state: CONNECTED for 3; or UNDEF."),
    numbered!("sock_state_str2num", STATES, "The number of a socket's state: 3 for CONNECTED; or -1."),
    named!("sock_type_num2str", TYPES, |_n| undefined(), "The name of a socket's type: STREAM for 1; or UNDEF."),
    numbered!("sock_type_str2num", TYPES, "The number of a socket's type: 1 for STREAM; or -1."),
    named!("sock_prot_num2str", PROTOCOLS, |_n| undefined(), "The name of an IP protocol: TCP for 6; or UNDEF."),
    numbered!("sock_prot_str2num", PROTOCOLS, "The number of an IP protocol: 6 for TCP; or -1."),
    flagged!("sock_flags_num2str", FLAGS, "The names of a socket's flags, joined by |."),
    flagged!("msg_flags_num2str", MESSAGE_FLAGS, "The names of a message's flags, joined by |: DONTWAIT for 0x40."),
];

fn undefined() -> String {
    "UNDEF".to_owned()
}

/// include/linux/socket.h `AF_…`.
#[rustfmt::skip]
static FAMILIES: &Table = &[
    (0, "UNSPEC"), (1, "LOCAL"), (2, "INET"), (3, "AX25"), (4, "IPX"), (5, "APPLETALK"), (6, "NETROM"), (7, "BRIDGE"),
    (8, "ATMPVC"), (9, "X25"), (10, "INET6"), (11, "ROSE"), (12, "DECNET"), (13, "NETBEUI"), (14, "SECURITY"),
    (15, "KEY"), (16, "NETLINK"), (17, "PACKET"), (18, "ASH"), (19, "ECONET"), (20, "ATMSVC"), (22, "SNA"),
    (23, "IRDA"), (24, "PPPOX"), (25, "WANPIPE"), (26, "LLC"), (30, "TIPC"), (31, "BLUETOOTH"), (32, "IUCV"),
    (33, "RXRPC"),
];

/// include/uapi/linux/net.h `socket_state`.
#[rustfmt::skip]
static STATES: &Table = &[
    (0, "FREE"), (1, "UNCONNECTED"), (2, "CONNECTING"), (3, "CONNECTED"), (4, "DISCONNECTING"),
];

/// include/linux/net.h `sock_type`.
#[rustfmt::skip]
static TYPES: &Table = &[
    (1, "STREAM"), (2, "DGRAM"), (3, "RAW"), (4, "RDM"), (5, "SEQPACKET"), (6, "DCCP"), (10, "PACKET"),
];

/// The protocol numbers of IP that IANA has given out, under the names of protocols(5).
#[rustfmt::skip]
static PROTOCOLS: &Table = &[
    (0, "IP"), (1, "ICMP"), (2, "IGMP"), (3, "GGP"), (4, "IPENCAP"), (5, "ST"), (6, "TCP"), (7, "CBT"), (8, "EGP"),
    (9, "IGP"), (10, "BBN-RCC"), (11, "NVP"), (12, "PUP"), (13, "ARGUS"), (14, "EMCON"), (15, "XNET"), (16, "CHAOS"),
    (17, "UDP"), (18, "MUX"), (19, "DCN"), (20, "HMP"), (21, "PRM"), (22, "XNS-IDP"), (23, "TRUNK-1"), (24, "TRUNK-2"),
    (25, "LEAF-1"), (26, "LEAF-2"), (27, "RDP"), (28, "IRTP"), (29, "ISO-TP4"), (30, "NETBLT"), (31, "MFE-NSP"),
    (32, "MERIT-INP"), (33, "SEP"), (34, "3PC"), (35, "IDPR"), (36, "XTP"), (37, "DDP"), (38, "IDPR-CMTP"),
    (39, "TP++"), (40, "IL"), (41, "IPV6"), (42, "SDRP"), (43, "IPV6-ROUTE"), (44, "IPV6-FRAG"), (45, "IDRP"),
    (46, "RSVP"), (47, "GRE"), (48, "MHRP"), (49, "BNA"), (50, "IPV6-CRYPT"), (51, "IPV6-AUTH"), (52, "I-NLSP"),
    (53, "SWIPE"), (54, "NARP"), (55, "MOBILE"), (56, "TLSP"), (57, "SKIP"), (58, "IPV6-ICMP"), (59, "IPV6-NONXT"),
    (60, "IPV6-OPTS"), (62, "CFTP"), (64, "SAT-EXPAK"), (65, "KRYPTOLAN"), (66, "RVD"), (67, "IPPC"), (69, "SAT-MON"),
    (70, "VISA"), (71, "IPCV"), (72, "CPNX"), (73, "CPHB"), (74, "WSN"), (75, "PVP"), (76, "BR-SAT-MON"),
    (77, "SUN-ND"), (78, "WB-MON"), (79, "WB-EXPAK"), (80, "ISO-IP"), (81, "VMTP"), (82, "SECURE-VMTP"), (83, "VINES"),
    (84, "TTP"), (85, "NSFNET-IGP"), (86, "DGP"), (87, "TCF"), (88, "EIGRP"), (89, "OSPF"), (90, "SPRITE-RPC"),
    (91, "LARP"), (92, "MTP"), (93, "AX.25"), (94, "IPIP"), (95, "MICP"), (96, "SCC-SP"), (97, "ETHERIP"),
    (98, "ENCAP"), (100, "GMTP"), (101, "IFMP"), (102, "PNNI"), (103, "PIM"), (104, "ARIS"), (105, "SCPS"),
    (106, "QNX"), (107, "A/N"), (108, "IPCOMP"), (109, "SNP"), (110, "COMPAQ-PEER"), (111, "IPX-IN-IP"), (112, "VRRP"),
    (113, "PGM"), (115, "L2TP"), (116, "DDX"), (117, "IATP"), (118, "STP"), (119, "SRP"), (120, "UTI"), (121, "SMP"),
    (122, "SM"), (123, "PTP"), (124, "ISIS"), (125, "FIRE"), (126, "CRTP"), (127, "CRDUP"), (128, "SSCOPMCE"),
    (129, "IPLT"), (130, "SPS"), (131, "PIPE"), (132, "SCTP"), (133, "FC"), (134, "RSVP-E2E-IGNORE"),
    (135, "Mobility-Header"), (136, "UDPLite"), (137, "MPLS-IN-IP"),
];

/// include/linux/net.h `SOCKWQ_…` and `SOCK_…`, by bit.
#[rustfmt::skip]
static FLAGS: &Table = &[
    (0, "ASYNC_NOSPACE"), (1, "ASYNC_WAITDATA"), (2, "NOSPACE"), (3, "PASSCRED"), (4, "PASSSEC"),
];

/// include/linux/socket.h `MSG_…`, by bit; one has two names.
#[rustfmt::skip]
static MESSAGE_FLAGS: &Table = &[
    (0, "OOB"), (1, "PEEK"), (2, "DONTROUTE|TRYHARD"), (3, "CTRUNC"), (4, "PROBE"), (5, "TRUNC"), (6, "DONTWAIT"),
    (7, "EOR"), (8, "WAITALL"), (9, "FIN"), (10, "SYN"), (11, "CONFIRM"), (12, "RST"), (13, "ERRQUEUE"),
    (14, "NOSIGNAL"), (15, "MORE"),
];
