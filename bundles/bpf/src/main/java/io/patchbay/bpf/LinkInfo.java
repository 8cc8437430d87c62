package io.patchbay.bpf;

/**
 * What the kernel says of a link.
 *
 * @param type number of the link's type: 3 cgroup, 6 XDP, 11 tcx
 * @param programId 0 when the link has been detached
 * @param attachType number of the attach type, for cgroup and tcx links, else -1
 * @param target the device's index for tcx and XDP (0 when it is gone), the cgroup's id for cgroup links, else 0
 */
public record LinkInfo(int id, int type, int programId, int attachType, long target) {
    public static final int CGROUP = 3;
    public static final int XDP = 6;
    public static final int TCX = 11;
}
