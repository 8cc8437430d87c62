package io.patchbay.bpf.internal;

/**
 * The C library, as jnr-ffi binds it. Every argument is a machine word: syscall(2) takes them so, and a wider argument than the callee
 * reads is harmless. jnr saves errno after each call, per thread.
 */
public interface LibC {
    long syscall(long number, long first, long second, long third);

    long syscall(long number, long first, long second, long third, long fourth, long fifth);

    long mmap(long address, long length, long protection, long flags, long descriptor, long offset);

    int munmap(long address, long length);

    int close(int descriptor);

    int open(String path, int flags, int mode);

    int fcntl(int descriptor, int command, long argument);

    int mount(String source, String target, String type, long flags, String data);

    int setns(int descriptor, int type);

    int unshare(int flags);

    int if_nametoindex(String name);
}
