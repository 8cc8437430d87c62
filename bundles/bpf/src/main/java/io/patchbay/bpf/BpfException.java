package io.patchbay.bpf;

import io.patchbay.bpf.internal.Errno;

/** The kernel refused an operation. The message says which, on what, with which error, and what to do where that is known. */
public class BpfException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final String operation;
    private final String subject;
    private final int errno;

    /**
     * @param operation such as {@code update}
     * @param subject such as {@code map ct4}
     * @param errno as in errno(3), positive; 0 when the refusal is not the kernel's
     * @param advice what to do, or what it means
     */
    public BpfException(String operation, String subject, int errno, String advice) {
        super(operation + " of " + subject + (errno == 0 ? "" : ": " + Errno.name(errno)) + (advice.isEmpty() ? "" : ": " + advice));
        this.operation = operation;
        this.subject = subject;
        this.errno = errno;
    }

    public BpfException(String operation, String subject, int errno) {
        this(operation, subject, errno, advice(operation, errno));
    }

    public final String operation() {
        return operation;
    }

    public final String subject() {
        return subject;
    }

    /** The errno, or 0. */
    public final int errno() {
        return errno;
    }

    /** The errno's name, such as {@code E2BIG}. */
    public final String errnoName() {
        return Errno.name(errno);
    }

    private static String advice(String operation, int errno) {
        return switch (errno) {
            case Errno.EPERM, Errno.EACCES -> "needs root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON); a frozen or read-only map refuses writes";
            case Errno.E2BIG -> operation.contains("update") ? "the map is full, or the index lies outside the array: raise its max_entries" : "too big for the kernel";
            case Errno.ENOMEM -> "out of memory, or of locked memory: raise RLIMIT_MEMLOCK";
            case Errno.EEXIST -> "it exists already";
            case Errno.ENOENT -> "it does not exist";
            case Errno.EINVAL -> "the kernel does not accept these arguments, or is too old for them";
            case Errno.ENODEV -> "no such device in this network namespace";
            case Errno.ENOTSUPP, Errno.EOPNOTSUPP -> "the kernel does not support it here";
            case Errno.EBADF -> "the descriptor is of another kind, or closed";
            case 24 -> "too many open files: raise RLIMIT_NOFILE";
            default -> "";
        };
    }
}
