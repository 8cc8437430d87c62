package io.patchbay.netlink;

import io.patchbay.netlink.internal.Libc;

import java.util.Map;

/** The kernel refused: what was asked, of which object, the errno by name, and the kernel's own words if it gave any. */
public final class NetlinkException extends RuntimeException {

    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int ESRCH = 3;
    public static final int ENOMEM = 12;
    public static final int EEXIST = 17;
    public static final int ENODEV = 19;
    public static final int ENOBUFS = 105;
    public static final int EADDRNOTAVAIL = 99;
    public static final int EOPNOTSUPP = 95;
    public static final int ESTALE = 116;

    private static final long serialVersionUID = 1L;

    private static final Map<Integer, String> NAMES = Map.ofEntries(
            Map.entry(EPERM, "EPERM"), Map.entry(ENOENT, "ENOENT"), Map.entry(ESRCH, "ESRCH"), Map.entry(4, "EINTR"),
            Map.entry(6, "ENXIO"), Map.entry(9, "EBADF"), Map.entry(11, "EAGAIN"), Map.entry(ENOMEM, "ENOMEM"),
            Map.entry(13, "EACCES"), Map.entry(16, "EBUSY"), Map.entry(EEXIST, "EEXIST"), Map.entry(ENODEV, "ENODEV"),
            Map.entry(22, "EINVAL"), Map.entry(23, "ENFILE"), Map.entry(24, "EMFILE"), Map.entry(28, "ENOSPC"),
            Map.entry(34, "ERANGE"), Map.entry(36, "ENAMETOOLONG"), Map.entry(90, "EMSGSIZE"), Map.entry(EOPNOTSUPP, "EOPNOTSUPP"),
            Map.entry(97, "EAFNOSUPPORT"), Map.entry(EADDRNOTAVAIL, "EADDRNOTAVAIL"), Map.entry(100, "ENETDOWN"),
            Map.entry(101, "ENETUNREACH"), Map.entry(ENOBUFS, "ENOBUFS"), Map.entry(113, "EHOSTUNREACH"), Map.entry(ESTALE, "ESTALE"));

    private final String operation;
    private final String object;
    private final int errno;

    /**
     * @param operation   what was asked, as a verb
     * @param object      of what: a device, an address, a route
     * @param errno       positive, or 0 when there is none
     * @param explanation the kernel's words, or null
     */
    public NetlinkException(String operation, String object, int errno, String explanation) {
        super(operation + " " + object + ": " + text(errno, explanation));
        this.operation = operation;
        this.object = object;
        this.errno = errno;
    }

    private static String text(int errno, String explanation) {
        String e = errno == 0 ? "" : name(errno) + " (" + Libc.C.strerror(errno) + ")";
        return explanation == null ? e : e.isEmpty() ? explanation : e + ": " + explanation;
    }

    private static String name(int errno) {
        return NAMES.getOrDefault(errno, "errno " + errno);
    }

    public String operation() {
        return operation;
    }

    public String object() {
        return object;
    }

    /** Positive; 0 when the failure was not the kernel's. */
    public int errno() {
        return errno;
    }

    /** {@code ENODEV}; {@code errno 123} for those without a name here; empty for 0. */
    public String errnoName() {
        return errno == 0 ? "" : name(errno);
    }

    /** Whether the object is not there: device, address, route, neighbour or qdisc. */
    public boolean isNotFound() {
        return errno == ENOENT || errno == ESRCH || errno == ENODEV || errno == EADDRNOTAVAIL;
    }

    /** Whether the object is there already. */
    public boolean isExists() {
        return errno == EEXIST;
    }
}
