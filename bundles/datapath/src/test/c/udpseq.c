/* SPDX-License-Identifier: Apache-2.0
 * Numbered UDP packets at a steady rate, and their count at the other end.
 *   udpseq send ADDRESS PORT PPS   until SIGTERM; then the total is announced and printed: {"sent":N}
 *   udpseq recv PORT               until the total is known and nothing came for a second:
 *                                  {"sent":N,"received":N,"lost":N,"dup":N,"reordered":N,"gap_us":N}
 * A receiver that never learns the total prints "fin":0: that is a failure, not a loss of nothing.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX (1u << 26)
static volatile sig_atomic_t stop;
static void on_term(int s) { (void)s; stop = 1; }
static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}
struct message {
    uint64_t number;
    uint64_t total; /* 0, or at the end how many there were */
};

static int sender(const char *address, int port, int pps)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), big = 16 << 20;
    setsockopt(s, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &a.sin_addr);
    if (connect(s, (void *)&a, sizeof(a))) {
        perror("connect");
        return 1;
    }
    uint64_t sent = 0, start = now(), errors = 0;
    while (!stop) {
        uint64_t due = (now() - start) / 1000 * (uint64_t)pps / 1000000u;
        while (sent < due && !stop) {
            struct message m = {.number = sent};
            if (send(s, &m, sizeof(m), 0) == sizeof(m))
                sent++;
            else
                errors++;
        }
        struct timespec t = {.tv_nsec = 200000};
        nanosleep(&t, NULL);
    }
    usleep(300000);
    for (int i = 0; i < 20; i++) {
        struct message m = {.number = UINT64_MAX, .total = sent};
        send(s, &m, sizeof(m), 0);
        usleep(10000);
    }
    printf("{\"sent\":%lu,\"errors\":%lu}\n", sent, errors);
    return 0;
}

static int receiver(int port)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), big = 64 << 20;
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(s, (void *)&a, sizeof(a))) {
        perror("bind");
        return 1;
    }
    struct timeval wait = {.tv_sec = 1};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    uint8_t *seen = calloc(MAX / 8, 1);
    uint64_t received = 0, dup = 0, reordered = 0, highest = 0, total = 0, last = 0, gap = 0;
    int fin = 0;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct message m;
        ssize_t n = recv(s, &m, sizeof(m), 0);
        if (n < 0) {
            if (fin || stop)
                break;
            continue;
        }
        if (m.number == UINT64_MAX) {
            fin = 1;
            total = m.total;
            continue;
        }
        uint64_t t = now();
        if (last && t - last > gap)
            gap = t - last;
        last = t;
        if (m.number >= MAX)
            continue;
        if (seen[m.number / 8] & (1 << (m.number % 8))) {
            dup++;
            continue;
        }
        seen[m.number / 8] |= 1 << (m.number % 8);
        received++;
        if (m.number < highest)
            reordered++;
        else
            highest = m.number;
    }
    printf("{\"fin\":%d,\"sent\":%lu,\"received\":%lu,\"lost\":%ld,\"dup\":%lu,\"reordered\":%lu,\"gap_us\":%lu}\n", fin, total, received,
           (long)(total - received), dup, reordered, gap / 1000);
    return 0;
}

int main(int c, char **v)
{
    struct sigaction sa = {.sa_handler = on_term};
    sigaction(SIGTERM, &sa, NULL);
    /* A test that was killed can't end us: no test of ours takes so long. */
    alarm(300);
    if (c == 5 && !strcmp(v[1], "send"))
        return sender(v[2], atoi(v[3]), atoi(v[4]));
    if (c == 3 && !strcmp(v[1], "recv"))
        return receiver(atoi(v[2]));
    fprintf(stderr, "usage: udpseq send ADDRESS PORT PPS | recv PORT\n");
    return 2;
}
