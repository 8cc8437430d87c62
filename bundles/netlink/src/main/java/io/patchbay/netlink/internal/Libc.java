package io.patchbay.netlink.internal;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.annotations.In;
import jnr.ffi.annotations.Out;
import jnr.ffi.types.size_t;
import jnr.ffi.types.ssize_t;

/** The few calls of libc that Java has no word for. Every failing one leaves its reason in {@link #errno()}. */
public interface Libc {

    Libc C = LibraryLoader.create(Libc.class).failImmediately().load("c");

    int CLONE_NEWNET = 0x40000000;
    int O_RDONLY = 0;
    int O_CLOEXEC = 0x80000;
    int O_NONBLOCK = 0x800;
    int POLLIN = 1;
    int AF_INET = 2;
    int AF_INET6 = 10;
    int SOCK_DGRAM_CLOEXEC = 2 | 0x80000;

    int open(@In String path, int flags);

    int close(int fd);

    int setns(int fd, int type);

    int unshare(int flags);

    int socket(int domain, int type, int protocol);

    int setsockopt(int fd, int level, int name, @In byte[] value, int length);

    int getsockopt(int fd, int level, int name, @Out byte[] value, @In @Out int[] length);

    int pipe2(@Out int[] fds, int flags);

    @ssize_t long write(int fd, @In byte[] data, @size_t long length);

    int poll(@In @Out byte[] fds, long count, int timeoutMillis);

    void free(Pointer p);

    String strerror(int errno);

    /** The reason of this thread's last failed call. */
    static int errno() {
        return Runtime.getRuntime(C).getLastError();
    }
}
