/* SPDX-License-Identifier: Apache-2.0
 * A socket program that refuses TCP connections to port 9.
 */
#include <patchbay/sock.h>

PB_SOCK_STAGE("cgroup/connect4", sockets_connect4)
{
    return ctx->user_port != bpf_htons(9);
}

PB_LICENSE;
