/* SPDX-License-Identifier: Apache-2.0
 * sockets serve ID ADDRESS PORT [ID ADDRESS PORT]...   answers each TCP connection and each datagram with its ID
 * sockets ask                                          for each line "tcp|udp|sendto ADDRESS PORT [mapped]" of standard
 *     input, asks there and prints "ID PEER" (PEER: getpeername, for sendto the answer's source) or "error NAME"
 * Both print "ready" first and end with standard input. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t address(const char *host, int port, int mapped, struct sockaddr_storage *s)
{
    char text[80];
    memset(s, 0, sizeof(*s));
    struct sockaddr_in *v4 = (void *)s;
    struct sockaddr_in6 *v6 = (void *)s;
    if (!mapped && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof(*v4);
    }
    snprintf(text, sizeof(text), "%s%s", mapped ? "::ffff:" : "", host);
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        exit(3);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof(*v6);
}

static void show(const char *id, const struct sockaddr_storage *s)
{
    char text[80];
    const struct sockaddr_in *v4 = (const void *)s;
    const struct sockaddr_in6 *v6 = (const void *)s;
    if (s->ss_family == AF_INET)
        printf("%s %s:%d\n", id, inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)), ntohs(v4->sin_port));
    else
        printf("%s [%s]:%d\n", id, inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)), ntohs(v6->sin6_port));
}

struct server {
    const char *id;
    int fd, stream;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    for (;;) {
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        char in[64];
        if (s->stream) {
            int c = accept(s->fd, 0, 0);
            if (c >= 0) {
                if (write(c, s->id, strlen(s->id)) < 0)
                    perror("write");
                close(c);
            }
        } else if (recvfrom(s->fd, in, sizeof(in), 0, (void *)&from, &len) >= 0) {
            sendto(s->fd, s->id, strlen(s->id), 0, (void *)&from, len);
        }
    }
    return 0;
}

static void listen_at(const char *id, const char *host, int port, int stream)
{
    struct sockaddr_storage a;
    socklen_t len = address(host, port, 0, &a);
    struct server *s = malloc(sizeof(*s));
    pthread_t t;
    int on = 1;
    s->id = id;
    s->stream = stream;
    s->fd = socket(a.ss_family, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s->fd, (void *)&a, len) || (stream && listen(s->fd, 64)) || pthread_create(&t, 0, serve, s)) {
        perror(host);
        exit(2);
    }
}

static void ask(const char *how, const char *host, int port, int mapped)
{
    struct sockaddr_storage a, peer;
    socklen_t len = address(host, port, mapped, &a), plen = sizeof(peer);
    struct timeval patience = {.tv_sec = 3};
    char id[64] = "";
    int stream = !strcmp(how, "tcp"), n = -1;
    int fd = socket(a.ss_family, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (!strcmp(how, "sendto")) {
        char first[64] = "";
        for (int i = 0; i < 4; i++) { /* the datagrams of one socket stay together */
            if (sendto(fd, "?", 1, 0, (void *)&a, len) < 0 || (n = recvfrom(fd, id, sizeof(id) - 1, 0, (void *)&peer, &plen)) < 0)
                break;
            id[n] = 0;
            if (i && strcmp(first, id)) {
                printf("error changed from %s to %s\n", first, id);
                close(fd);
                return;
            }
            strcpy(first, id);
        }
    } else if (!connect(fd, (void *)&a, len) && (stream || send(fd, "?", 1, 0) == 1)) {
        n = recv(fd, id, sizeof(id) - 1, 0);
        if (n >= 0 && getpeername(fd, (void *)&peer, &plen))
            n = -1;
    }
    if (n < 0) {
        printf("error %s\n", strerrorname_np(errno));
    } else {
        id[n] = 0;
        show(id, &peer);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    char line[256], how[16], host[80], mapped[16];
    int port;
    if (argc > 1 && !strcmp(argv[1], "serve")) {
        for (int i = 2; i + 2 < argc; i += 3) {
            listen_at(argv[i], argv[i + 1], atoi(argv[i + 2]), 1);
            listen_at(argv[i], argv[i + 1], atoi(argv[i + 2]), 0);
        }
    }
    setvbuf(stdout, 0, _IOLBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof(line), stdin)) {
        int n = sscanf(line, "%15s %79s %d %15s", how, host, &port, mapped);
        if (n >= 3)
            ask(how, host, port, n == 4);
    }
    return 0;
}
