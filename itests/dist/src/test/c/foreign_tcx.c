// Somebody else's program on a device, by a pinned tcx link: foreign_tcx DEVICE ingress|egress first|last PIN. It looks at nothing and lets everything on.
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of kernel 6.6, which the headers here may not know.
enum { TCX_INGRESS = 46, TCX_EGRESS = 47, BEFORE = 1 << 3, AFTER = 1 << 4 };

struct link_create {
    __u32 program, device, attach, flags, relative, pad;
    __u64 revision;
};

static long bpf(int command, void *attr, unsigned size) { return syscall(SYS_bpf, command, attr, size); }

static int wrong(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return fprintf(stderr, "foreign_tcx DEVICE ingress|egress first|last PIN\n"), 2;
    // r0 = TCX_NEXT; exit
    struct bpf_insn code[] = {{.code = 0xb7, .imm = -1}, {.code = 0x95}};
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (__u64)code, .insn_cnt = 2, .license = (__u64) "GPL"};
    strcpy(load.prog_name, "foreign");
    long program = bpf(BPF_PROG_LOAD, &load, sizeof load);
    if (program < 0)
        return wrong("load");
    struct link_create create = {.program = program, .device = if_nametoindex(argv[1]), .attach = strcmp(argv[2], "ingress") ? TCX_EGRESS : TCX_INGRESS,
                                 .flags = strcmp(argv[3], "first") ? AFTER : BEFORE};
    char attr[128] = {0};
    memcpy(attr, &create, sizeof create);
    long link = bpf(BPF_LINK_CREATE, attr, sizeof attr);
    if (link < 0)
        return wrong("attach");
    union bpf_attr pin = {.pathname = (__u64)argv[4], .bpf_fd = link};
    return bpf(BPF_OBJ_PIN, &pin, sizeof pin) < 0 ? wrong("pin") : 0;
}
