/* SPDX-License-Identifier: Apache-2.0
 * ICMP numbers (RFC 792, RFC 4443). The kernel's uapi header of this name includes libc's, which BPF code can't. */
#ifndef PATCHBAY_ICMP_H
#define PATCHBAY_ICMP_H
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_PORT_UNREACH 3
#define ICMP_FRAG_NEEDED 4
#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_PKT_TOOBIG 2
#define ICMPV6_TIME_EXCEED 3
#define ICMPV6_PARAMPROB 4
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#endif
