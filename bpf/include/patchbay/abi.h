/* SPDX-License-Identifier: Apache-2.0
 *
 * The datapath ABI: what one stage may expect of another. Its version is PB_ABI_MAJOR.PB_ABI_MINOR; a feature
 * names the range it was built for in its descriptor ("datapathAbi"), and the loader compares the BTF of every
 * struct below across all objects of a generation. A change of layout or meaning raises the major number.
 */
#ifndef PATCHBAY_ABI_H
#define PATCHBAY_ABI_H

#include <linux/bpf.h>
#include <linux/types.h>

#define PB_ABI_MAJOR 1
#define PB_ABI_MINOR 0

/* Hooks. The number is part of the index into pb_entries and of every counter's key: never renumber. */
enum pb_hook {
    PB_HOOK_POD_EGRESS = 0,      /* ingress of a pod's host-side veth: packets FROM the pod */
    PB_HOOK_POD_INGRESS = 1,     /* egress of a pod's host-side veth: packets TO the pod that came through the kernel */
    PB_HOOK_OVERLAY_INGRESS = 2, /* ingress of the tunnel device */
    PB_HOOK_NETDEV_INGRESS = 3,  /* ingress of the node's own devices */
    PB_HOOK_NETDEV_EGRESS = 4,   /* egress of the node's own devices */
    PB_HOOK_HOST_EGRESS = 5,     /* egress of pb_host: packets from the node's own stack to pods */
    PB_HOOK_CONNECT4 = 8,
    PB_HOOK_SENDMSG4 = 9,
    PB_HOOK_RECVMSG4 = 10,
    PB_HOOK_GETPEERNAME4 = 11,
    PB_HOOK_CONNECT6 = 12,
    PB_HOOK_SENDMSG6 = 13,
    PB_HOOK_RECVMSG6 = 14,
    PB_HOOK_GETPEERNAME6 = 15,
    PB_HOOKS = 16,
};

/* An epoch's slot: generations take turns in four slots; one is reused only after its last reader has gone. */
#define PB_SLOTS 4
#define PB_SLOT(epoch) ((epoch) & (PB_SLOTS - 1))

/* Verdict codes, one byte: what became of a packet in one pass of a hook. Below 128 it went on, from 128 it was
 * dropped. Drop numbers and their texts are Cilium's (pkg/monitor/api/drop.go), so that tools show the known names. */
enum pb_code {
    PB_TO_ENDPOINT = 1,  /* delivered to a local pod */
    PB_TO_STACK = 2,     /* handed to the node's network stack */
    PB_TO_OVERLAY = 3,   /* encapsulated, to another node */
    PB_TO_NETWORK = 4,   /* out of a node device, natively or masqueraded */
    PB_TO_HOST = 5,      /* to an address of this node, through pb_net */
    PB_TO_PROXY = 6,     /* redirected to a proxy port */
    PB_PASS = 7,         /* not ours; left to the kernel unchanged */
    PB_SOCK_DONE = 8,    /* a socket call went on */
    PB_ANSWERED = 9,     /* answered from the datapath (ICMP, ARP) */

    PB_DROP_INVALID_SMAC = 130,
    PB_DROP_INVALID_DMAC = 131,
    PB_DROP_INVALID_SIP = 132,
    PB_DROP_POLICY = 133,
    PB_DROP_INVALID = 134,            /* Invalid packet */
    PB_DROP_CT_INVALID_HDR = 135,
    PB_DROP_FRAG_NEEDED = 136,
    PB_DROP_CT_UNKNOWN_PROTO = 137,
    PB_DROP_UNKNOWN_L3 = 139,
    PB_DROP_MISSED_TAIL_CALL = 140,
    PB_DROP_WRITE_ERROR = 141,
    PB_DROP_UNKNOWN_ICMP_CODE = 143,
    PB_DROP_UNKNOWN_ICMP_TYPE = 144,
    PB_DROP_NO_TUNNEL = 147,
    PB_DROP_UNROUTABLE = 150,
    PB_DROP_LOCAL_DELIVERY = 152,     /* no local pod has the address */
    PB_DROP_CSUM_L3 = 153,
    PB_DROP_CSUM_L4 = 154,
    PB_DROP_CT_CREATE_FAILED = 155,
    PB_DROP_INVALID_EXTHDR = 156,
    PB_DROP_FRAG_NOSUPPORT = 157,
    PB_DROP_NO_SERVICE = 158,
    PB_DROP_UNSUPP_SERVICE_PROTO = 159, /* a number that Cilium has no text for any more */
    PB_DROP_NO_TUNNEL_ENDPOINT = 160,
    PB_DROP_EDT_HORIZON = 162,        /* a paced packet would leave too late */
    PB_DROP_UNKNOWN_CT = 163,
    PB_DROP_HOST_UNREACHABLE = 164,
    PB_DROP_NO_CONFIG = 165,
    PB_DROP_UNSUPPORTED_L2 = 166,
    PB_DROP_NAT_NO_MAPPING = 167,     /* no port is free for masquerading */
    PB_DROP_NAT_UNSUPP_PROTO = 168,
    PB_DROP_NO_FIB = 169,
    PB_DROP_ENCAP_PROHIBITED = 170,   /* a pod speaks the tunnel's protocol to a node */
    PB_DROP_INVALID_IDENTITY = 171,
    PB_DROP_UNKNOWN_SENDER = 172,
    PB_DROP_NAT_NOT_NEEDED = 173,
    PB_DROP_IS_CLUSTER_IP = 174,
    PB_DROP_FRAG_NOT_FOUND = 175,
    PB_DROP_NOT_IN_SRC_RANGE = 177,
    PB_DROP_PROXY_LOOKUP_FAILED = 178,
    PB_DROP_POLICY_DENY = 181,
    PB_DROP_SNAT_NO_MAP_FOUND = 191,
    PB_DROP_TTL_EXCEEDED = 196,
    PB_DROP_NO_NODE_ID = 197,
    PB_DROP_ENDPOINT_NOT_READY = 203, /* the endpoint's policy or datapath is not complete yet */
    PB_DROP_NO_GENERATION = 250,      /* the node has no accepted generation */
    PB_DROP_HOLE = 255,               /* a tail call found nothing: a fault of the pipeline, never normal */
};
#define PB_IS_DROP(code) ((code) >= 128)

/* ---- packet context: skb->cb[0..4], written by the preamble, valid within one pass of a hook ------------------- */
enum pb_cb {
    PB_CB_META = 0,  /* bits 0-7 epoch (low byte), 8-11 hook entered, 12-31 PB_F_* */
    PB_CB_SRC = 1,   /* source identity, 0 = not known yet */
    PB_CB_DST = 2,   /* destination identity, 0 = not known yet */
    PB_CB_OFF = 3,   /* bits 0-7 L3 offset, 8-15 L4 offset, 16-23 L4 protocol, 24-27 family (4 or 6) */
    PB_CB_EP = 4,    /* bits 0-15 endpoint id, 16-23 enum pb_ct_state, 24-31 enum pb_route */
};
#define PB_F_LOCAL      (1u << 12) /* pod-ingress was entered by tail call from another hook of this pass */
#define PB_F_INGRESS    (1u << 13) /* the hook is at a device's ingress: bpf_redirect_peer is allowed */
#define PB_F_TRACE      (1u << 14) /* the verdict of this packet is reported to the event ring */
#define PB_F_FRAG       (1u << 15) /* not the first fragment; ports come from the fragment map */
#define PB_F_TUNNEL     (1u << 16) /* the packet came through the overlay */
#define PB_F_NAT        (1u << 17) /* addresses or ports were rewritten in this pass */
#define PB_F_ICMPERR    (1u << 18) /* ICMP error; the tuple in the scratch is that of the packet it is about */
#define PB_F_MASQ       (1u << 19) /* leaves with a node address */
#define PB_F_HOST       (1u << 20) /* sent by this node's own stack */
#define PB_F_HOST_POLICY (1u << 21) /* and the node is a subject of policy (host firewall): scratch.ep_* is the node's own endpoint */

enum pb_ct_state { PB_CT_NONE = 0, PB_CT_NEW = 1, PB_CT_ESTABLISHED = 2, PB_CT_REPLY = 3, PB_CT_RELATED = 4 };
enum pb_route {
    PB_ROUTE_NONE = 0,
    PB_ROUTE_LOCAL = 1,   /* a pod of this node: scratch.dst_ep */
    PB_ROUTE_OVERLAY = 2, /* another node through the tunnel: scratch.tunnel_ip */
    PB_ROUTE_NETWORK = 3, /* out of a node device */
    PB_ROUTE_HOST = 4,    /* this node itself */
};

/* ---- addresses: always 128 bits; IPv4 is mapped (RFC 4291 2.5.5.2, ::ffff:a.b.c.d), network byte order ---------- */
struct pb_addr {
    __u32 w[4];
};
#define PB_V4_PREFIX 0xffff0000u /* w[2] of a mapped IPv4 address, as a little-endian load of 00 00 ff ff */

/* ---- per-CPU scratch: everything a pass knows beyond cb[]; valid within one pass of a hook ---------------------- */
struct pb_scratch {
    /* parse: the packet's tuple as it is now (stages that rewrite the packet rewrite this too) */
    struct pb_addr saddr;
    struct pb_addr daddr;
    __be16 sport;        /* ICMP echo: identifier; other ICMP: 0 */
    __be16 dport;        /* ICMP echo: 0 */
    __u8 proto;
    __u8 tcp_flags;      /* byte 13 of the TCP header; 0 for other protocols */
    __u8 icmp_type;
    __u8 icmp_code;
    __u32 len;           /* bytes on the wire, all segments (skb->wire_len or len) */
    __u32 segments;      /* max(1, gso_segs) */

    /* endpoint: the pod this pass is about (sender at pod-egress, receiver once in pod-ingress) */
    __u32 ep_policy_id;
    __u32 ep_flags;      /* enum pb_ep_flags */
    __u32 ep_ifindex;
    /* the pod of this node that has daddr, by pb_set_receiver: at pod-egress from the source check on, elsewhere from route on */
    __u32 dst_ifindex;   /* 0: none, or not looked for yet */
    __u8 dst_mac[6];
    __u16 dst_ep;
    __u8 dst_host_mac[6]; /* of the node's end of its device */
    __u16 dst_pad;
    __u32 dst_identity;
    __u32 dst_policy_id;
    __u32 dst_flags;     /* enum pb_ep_flags */
    struct pb_addr tunnel_ip; /* route: the node to encapsulate to */

    /* service: what the client asked for, when it was translated in this pass */
    struct pb_addr svc_addr;
    __be16 svc_port;
    __u16 svc_flags;     /* private to service-lb */
    __u32 svc_id;        /* 0 = not translated */
    __u32 backend_id;

    /* conntrack lookup -> others: the entry as found */
    struct pb_addr ct_svc_addr; /* reply of a translated connection: the address the client asked for */
    __be16 ct_svc_port;  /* 0 = the connection was not translated */
    __u16 ct_svc_flags;
    __u32 ct_svc_id;
    __u32 ct_peer_identity; /* identity of the initiator when the connection was made */
    __u16 ct_nat_flags;  /* private to masquerade / NodePort */
    __be16 ct_nat_port;
    __u32 ct_policy_flags;  /* forward packet: policy's word by which the last one passed, between the same identities and under the
                             * same policy class; 0 = none */

    /* others -> conntrack commit: fields to store with a new connection */
    __u32 set_policy_flags; /* policy's word by which this packet passes, 24 bits; 0 = nothing to remember */
    __u16 set_nat_flags;
    __be16 set_nat_port;

    /* policy: for events */
    __u32 policy_cookie; /* rule that decided; 0 = none */
    __u8 policy_match;   /* enum pb_policy_match */
    __u8 policy_action;  /* enum pb_policy_action */
    __u16 policy_table;

    __u8 vendor[16];     /* free for features from outside this repository */
};

enum pb_policy_match { PB_MATCH_NONE = 0, PB_MATCH_L3_ONLY = 1, PB_MATCH_L3_L4 = 2, PB_MATCH_L4_ONLY = 3, PB_MATCH_ALL = 4, PB_MATCH_L3_PROTO = 5, PB_MATCH_PROTO_ONLY = 6 };
enum pb_policy_action { PB_ACT_NONE = 0, PB_ACT_ALLOW = 1, PB_ACT_DENY = 2, PB_ACT_AUDIT = 3 };

/* ---- mark contract (skb->mark between hooks on this node; the kernel clears marks between namespaces) ------------ */
#define PB_MARK_MASK      0x0F00u
#define PB_MARK_SNAT_DONE 0x0300u /* leaves with its final source */
#define PB_MARK_DELIVER   0x0100u /* pod-ingress was passed: the guard at the pod's egress lets it through */
#define PB_MARK_OVERLAY   0x0400u /* handed to the tunnel device by the pipeline */
#define PB_MARK_NETWORK   0x0500u /* pod traffic that the pipeline sent to the network unmasqueraded */
#define PB_MARK_HOST      0x0C00u /* from this node's own stack */

/* ---- shared maps: one owner each (see the feature descriptors), read by others -------------------------------- */
enum pb_ep_flags {
    PB_EP_HOST = 1,          /* an address of the node itself */
    PB_EP_NO_PEER = 2,       /* deliver with bpf_redirect: the device has a queue of its own */
    PB_EP_AUDIT_IN = 4,
    PB_EP_AUDIT_OUT = 8,
    PB_EP_NOT_READY = 16,    /* neither sends nor receives */
};

/* endpoints (owner: endpoint): address of a local pod -> pod */
struct pb_endpoint {
    __u32 ifindex;           /* host-side veth */
    __u16 id;
    __u16 pad;
    __u8 mac[6];             /* the pod's own */
    __u8 host_mac[6];        /* of the host-side veth */
    __u32 identity;
    __u32 policy_id;         /* policy class; 0 = not computed, policy drops; PB_EP_HOST: 0 = no host firewall, policy isn't asked */
    __u32 flags;             /* enum pb_ep_flags */
    __u32 spare[4];
};

/* ipcache (owner: identity): address -> identity and where it lives. Exact addresses in a hash, prefixes in an LPM. */
struct pb_ipcache_prefix {
    __u32 prefixlen;         /* of the 128-bit address: IPv4 /24 is 120 */
    struct pb_addr addr;
};
struct pb_ipcache_value {
    __u32 identity;
    __u32 flags;             /* enum pb_ipcache_flags */
    struct pb_addr tunnel;   /* node address to encapsulate to; zero = not behind a tunnel */
    __u32 peer_class;        /* what policy must tell apart beyond the identity (docs/features/policy.md); 0 = nothing */
    __u32 spare[1];
};
enum pb_ipcache_flags { PB_IPC_TUNNEL = 1, PB_IPC_NODE = 2, PB_IPC_LOCAL = 4 };

/* node_config (owner: node): one entry, what the datapath must know of the node */
struct pb_node_config {
    struct pb_addr node_ip4;
    struct pb_addr node_ip6;
    struct pb_addr router_ip4;
    struct pb_addr router_ip6;
    struct pb_addr pod_cidr4;    /* address part; zero mask bits */
    __u32 pod_cidr4_len;         /* prefix length of the mapped address (96 + n); 0 = none */
    __u32 pb_net_ifindex;
    __u32 pb_host_ifindex;
    __u32 tunnel_ifindex;        /* 0 = no overlay */
    __u32 netdev_ifindex;        /* device of the default route */
    __u8 pb_host_mac[6];
    __u8 pb_net_mac[6];
    __u32 flags;
    struct pb_addr pod_cidr6;    /* as pod_cidr4 */
    __u32 pod_cidr6_len;         /* prefix length; 0 = none */
    __u32 spare[3];
};

#endif
