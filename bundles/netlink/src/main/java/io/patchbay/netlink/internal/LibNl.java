package io.patchbay.netlink.internal;

import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.annotations.In;
import jnr.ffi.annotations.Out;
import jnr.ffi.byref.PointerByReference;
import jnr.ffi.types.size_t;

/** libnl-3: sockets, sending and receiving. Results below zero are {@code -NLE_*}, not errno. */
public interface LibNl {

    LibNl NL = LibraryLoader.create(LibNl.class).failImmediately().load("libnl-3.so.200");

    int NLE_INTR = 2;
    int NLE_AGAIN = 4;
    /** What libnl makes of ENOBUFS: the kernel had more to say than the socket could hold. */
    int NLE_NOMEM = 5;

    Pointer nl_socket_alloc();

    void nl_socket_free(Pointer socket);

    int nl_connect(Pointer socket, int protocol);

    int nl_socket_get_fd(Pointer socket);

    int nl_socket_set_buffer_size(Pointer socket, int rx, int tx);

    int nl_socket_add_membership(Pointer socket, int group);

    int nl_sendto(Pointer socket, @In byte[] message, @size_t long length);

    int nl_recv(Pointer socket, Pointer peer, @Out PointerByReference buffer, Pointer credentials);

    String nl_geterror(int error);
}
