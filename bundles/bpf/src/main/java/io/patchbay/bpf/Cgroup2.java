package io.patchbay.bpf;

import io.patchbay.bpf.internal.MountInfo;
import java.nio.file.Path;
import java.util.Optional;

/** The unified cgroup hierarchy. */
public final class Cgroup2 {
    private Cgroup2() { }

    /** Where cgroup2 is mounted: /sys/fs/cgroup, or elsewhere beside version 1's controllers; empty when it is not. */
    public static Optional<Path> find() {
        return MountInfo.mounts("cgroup2").stream().findFirst();
    }
}
