package io.patchbay.datapath.internal;

import io.patchbay.netlink.NamespaceThread;
import io.patchbay.netlink.NetlinkSocket;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The network namespace whose devices the datapath is attached to: the agent's own, or a named one where a program
 * (a test) manages a node from outside.
 */
final class Home {
    private final Optional<Path> netns;

    Home(Optional<Path> netns) {
        this.netns = netns;
    }

    /** Runs where device numbers mean that namespace's devices. */
    <T> T call(Supplier<T> work) {
        if (netns.isEmpty()) {
            return work.get();
        }
        try {
            return NamespaceThread.call(netns.get(), work::get);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("in " + netns.get(), e);
        }
    }

    NetlinkSocket netlink() {
        return netns.map(NetlinkSocket::open).orElseGet(NetlinkSocket::open);
    }

    Optional<Path> netns() {
        return netns;
    }
}
