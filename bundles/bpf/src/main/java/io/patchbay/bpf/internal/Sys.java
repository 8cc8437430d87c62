package io.patchbay.bpf.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Reference;
import java.nio.file.Files;
import java.nio.file.Path;

/** bpf(2) and the few other system calls, with errors as negative numbers. */
public final class Sys {
    public static final int MAP_CREATE = 0;
    public static final int MAP_LOOKUP = 1;
    public static final int MAP_UPDATE = 2;
    public static final int MAP_DELETE = 3;
    public static final int MAP_NEXT_KEY = 4;
    public static final int PROG_LOAD = 5;
    public static final int OBJ_PIN = 6;
    public static final int OBJ_GET = 7;
    public static final int PROG_TEST_RUN = 10;
    public static final int PROG_NEXT_ID = 11;
    public static final int MAP_NEXT_ID = 12;
    public static final int PROG_FD_BY_ID = 13;
    public static final int MAP_FD_BY_ID = 14;
    public static final int OBJ_INFO = 15;
    public static final int PROG_QUERY = 16;
    public static final int BTF_LOAD = 18;
    public static final int BTF_FD_BY_ID = 19;
    public static final int BTF_NEXT_ID = 23;
    public static final int MAP_FREEZE = 22;
    public static final int MAP_LOOKUP_BATCH = 24;
    public static final int MAP_UPDATE_BATCH = 26;
    public static final int MAP_DELETE_BATCH = 27;
    public static final int LINK_CREATE = 28;
    public static final int LINK_UPDATE = 29;
    public static final int LINK_FD_BY_ID = 30;
    public static final int LINK_NEXT_ID = 31;
    public static final int LINK_DETACH = 34;

    private static final boolean ARM = "aarch64".equals(System.getProperty("os.arch"));
    private static final long NR_BPF = ARM ? 280 : 321;
    private static final long NR_MEMBARRIER = ARM ? 283 : 324;
    private static final int F_DUPFD_CLOEXEC = 1030;

    private static final class Cpus {
        static final int POSSIBLE = readPossible();

        private static int readPossible() {
            try {
                String text = Files.readString(Path.of("/sys/devices/system/cpu/possible")).trim();
                int highest = 0;
                for (String range : text.split(",")) {
                    highest = Math.max(highest, Integer.parseInt(range.substring(range.indexOf('-') + 1)));
                }
                return highest + 1;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private Sys() { }

    /** @return the result, or the negated errno */
    public static long bpf(int command, Scratch scratch) {
        for (int attempt = 0;; attempt++) {
            long result = Native.C.syscall(NR_BPF, command, scratch.attr(), Scratch.ATTR);
            int errno = result < 0 ? Native.errno() : 0;
            Reference.reachabilityFence(scratch);
            if (result >= 0) {
                return result;
            }
            // A signal interrupts a long verification or test run; nothing has happened then.
            if (errno != Errno.EAGAIN && errno != Errno.EINTR || attempt == 10) {
                return -errno;
            }
        }
    }

    /** Returns when every program run that began before the call has ended (MEMBARRIER_CMD_GLOBAL waits for an RCU grace period). */
    public static int membarrierGlobal() {
        return Native.C.syscall(NR_MEMBARRIER, 1, 0, 0) < 0 ? -Native.errno() : 0;
    }

    /** A second descriptor of the same object, closed on exec. */
    public static int duplicate(int descriptor) {
        int result = Native.C.fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
        return result < 0 ? -Native.errno() : result;
    }

    public static void close(int descriptor) {
        Native.C.close(descriptor);
    }

    /** The number of per-CPU slots of a value: possible CPUs, not those online. */
    public static int possibleCpus() {
        return Cpus.POSSIBLE;
    }
}
