package io.patchbay.bpf;

import io.patchbay.bpf.internal.KernelObjects;
import io.patchbay.bpf.internal.Sys;

/** Waiting for programs that are running. */
public final class Rcu {
    private Rcu() { }

    /**
     * Returns when every run of a program that began before the call has ended, so that what it could see may be taken away. Takes some
     * milliseconds: membarrier(MEMBARRIER_CMD_GLOBAL) waits for an RCU grace period. Sleepable programs are not covered.
     */
    public static void grace() {
        KernelObjects.check(Sys.membarrierGlobal(), "membarrier", "all CPUs");
    }
}
