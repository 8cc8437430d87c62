package io.patchbay.bpf;

import io.patchbay.bpf.internal.Errno;
import io.patchbay.bpf.internal.KernelObjects;
import io.patchbay.bpf.internal.Native;
import io.patchbay.bpf.internal.NativeArena;
import java.util.OptionalInt;

/**
 * A filter with a program in direct action on a device's clsact hook, identified by device, direction, priority and handle. It lives on the
 * device and needs neither pin nor process. Foreign filters beside it are never touched, and the clsact qdisc is never removed: that would take
 * theirs with it. Device indexes are those of the calling thread's network namespace.
 *
 * @param priority filters run from the lowest number; 1 to 65535
 * @param handle number among filters of one priority; not 0
 */
public record TcFilter(int ifindex, Direction direction, int priority, int handle) {
    private static final int HOOK_SIZE = 24;
    private static final int OPTIONS_SIZE = 32;
    private static final int REPLACE = 1;

    /** The side of the device, numbered as libbpf does. */
    public enum Direction { INGRESS, EGRESS }

    public TcFilter {
        if (ifindex <= 0 || priority < 1 || priority > 0xffff || handle == 0) {
            throw new IllegalArgumentException("a filter needs a device, a priority from 1 to 65535 and a handle");
        }
    }

    /** Gives a device the clsact qdisc unless it has it. */
    public static void ensureHook(int ifindex) {
        try (NativeArena arena = new NativeArena()) {
            int result = Native.BPF.bpf_tc_hook_create(hook(arena, ifindex, Direction.INGRESS));
            if (result != -Errno.EEXIST) {
                KernelObjects.check(result, "create clsact", "device " + ifindex);
            }
        }
    }

    /**
     * Attaches a program; the hook must exist.
     *
     * @param replace put it in the place of the program that this filter has, if any; else EEXIST
     */
    public void attach(BpfProgram program, boolean replace) {
        try (NativeArena arena = new NativeArena()) {
            long options = options(arena);
            Native.view(options, OPTIONS_SIZE).putInt(8, program.fd()).putInt(12, replace ? REPLACE : 0);
            int result = Native.BPF.bpf_tc_attach(hook(arena, ifindex, direction), options);
            if (result == -Errno.EINVAL || result == -Errno.ENOENT) {
                throw new BpfException("attach " + program, subject(), -result, "does the device have clsact (ensureHook)?");
            }
            KernelObjects.check(result, "attach " + program, subject());
        }
    }

    /** Removes this filter. @return false when it is not there */
    public boolean detach() {
        int result = call(arena -> Native.BPF.bpf_tc_detach(hook(arena, ifindex, direction), options(arena)));
        if (absent(result)) {
            return false;
        }
        KernelObjects.check(result, "detach", subject());
        return true;
    }

    /** The id of this filter's program; empty when the filter is not there. */
    public OptionalInt programId() {
        try (NativeArena arena = new NativeArena()) {
            long options = options(arena);
            int result = Native.BPF.bpf_tc_query(hook(arena, ifindex, direction), options);
            if (absent(result)) {
                return OptionalInt.empty();
            }
            KernelObjects.check(result, "query", subject());
            return OptionalInt.of(Native.view(options, OPTIONS_SIZE).getInt(16));
        }
    }

    private interface Call {
        int with(NativeArena arena);
    }

    private static int call(Call call) {
        try (NativeArena arena = new NativeArena()) {
            return call.with(arena);
        }
    }

    /** No such filter, or no clsact at all (the kernel answers EINVAL for a parent that does not exist). */
    private static boolean absent(int result) {
        return result == -Errno.ENOENT || result == -Errno.EINVAL;
    }

    private static long hook(NativeArena arena, int ifindex, Direction direction) {
        long hook = arena.allocate(HOOK_SIZE);
        Native.view(hook, HOOK_SIZE).putLong(0, HOOK_SIZE).putInt(8, ifindex).putInt(12, direction == Direction.INGRESS ? 1 : 2);
        return hook;
    }

    private long options(NativeArena arena) {
        long options = arena.allocate(OPTIONS_SIZE);
        Native.view(options, OPTIONS_SIZE).putLong(0, OPTIONS_SIZE).putInt(20, handle).putInt(24, priority);
        return options;
    }

    private String subject() {
        return "filter " + direction.name().toLowerCase(java.util.Locale.ROOT) + " priority " + priority + " handle " + handle + " of device " + ifindex;
    }
}
