/* SPDX-License-Identifier: Apache-2.0
 * The preambles of the socket hooks: attached once per cgroup. Without a generation, or when its program is missing, the
 * call goes on untranslated: translation per packet catches the connection.
 */
#include <patchbay/sock.h>

/* The kernel refuses one program array for several attach types, so each has its own: index = slot of the epoch. */
#define PB_SOCK_PREAMBLE(CALL, HOOK)                                                                                \
    struct {                                                                                                        \
        __uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                                                      \
        __uint(max_entries, PB_SLOTS);                                                                              \
        __type(key, __u32);                                                                                         \
        __type(value, __u32);                                                                                       \
    } pb_##CALL SEC(".maps");                                                                                       \
    SEC("cgroup/" #CALL) int pb_enter_##CALL(struct bpf_sock_addr *ctx)                                             \
    {                                                                                                               \
        __u32 zero = 0;                                                                                             \
        __u32 *e = bpf_map_lookup_elem(&pb_epoch, &zero);                                                           \
        __u32 epoch = e ? PB_READ_ONCE(*e) : 0;                                                                     \
        if (!epoch)                                                                                                 \
            return 1;                                                                                               \
        pb_count_call(&pb_in, HOOK * PB_SLOTS + PB_SLOT(epoch));                                                    \
        bpf_tail_call(ctx, &pb_##CALL, PB_SLOT(epoch));                                                             \
        pb_count_call(&pb_out, (HOOK * PB_SLOTS + PB_SLOT(epoch)) * 256 + PB_DROP_HOLE);                            \
        return 1;                                                                                                   \
    }

PB_SOCK_PREAMBLE(connect4, PB_HOOK_CONNECT4)
PB_SOCK_PREAMBLE(sendmsg4, PB_HOOK_SENDMSG4)
PB_SOCK_PREAMBLE(recvmsg4, PB_HOOK_RECVMSG4)
PB_SOCK_PREAMBLE(getpeername4, PB_HOOK_GETPEERNAME4)
PB_SOCK_PREAMBLE(connect6, PB_HOOK_CONNECT6)
PB_SOCK_PREAMBLE(sendmsg6, PB_HOOK_SENDMSG6)
PB_SOCK_PREAMBLE(recvmsg6, PB_HOOK_RECVMSG6)
PB_SOCK_PREAMBLE(getpeername6, PB_HOOK_GETPEERNAME6)

PB_LICENSE;
