/* SPDX-License-Identifier: Apache-2.0
 * What a socket hook runs when no feature of the generation provides a program: the call goes on as it is. Loaded with
 * every generation, since the slot that it counts for is the generation's.
 */
#include <patchbay/sock.h>

PB_SOCK_STAGE("cgroup/connect4", default_connect4) { return 1; }
PB_SOCK_STAGE("cgroup/sendmsg4", default_sendmsg4) { return 1; }
PB_SOCK_STAGE("cgroup/recvmsg4", default_recvmsg4) { return 1; }
PB_SOCK_STAGE("cgroup/getpeername4", default_getpeername4) { return 1; }
PB_SOCK_STAGE("cgroup/connect6", default_connect6) { return 1; }
PB_SOCK_STAGE("cgroup/sendmsg6", default_sendmsg6) { return 1; }
PB_SOCK_STAGE("cgroup/recvmsg6", default_recvmsg6) { return 1; }
PB_SOCK_STAGE("cgroup/getpeername6", default_getpeername6) { return 1; }

PB_LICENSE;
