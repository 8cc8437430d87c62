package io.patchbay.netlink;

import io.patchbay.netlink.internal.Libc;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** Runs code inside a network namespace, on a thread that is thrown away afterwards: no pooled thread ever changes namespace. */
public final class NamespaceThread {

    private NamespaceThread() {
    }

    /**
     * Calls {@code work} in the namespace that {@code path} names (such as {@code /run/netns/NAME} or {@code /proc/PID/ns/net})
     * and waits for it.
     *
     * @throws NetlinkException when there is no such namespace or it can't be entered
     * @throws Exception        what the work threw
     */
    public static <T> T call(Path path, Callable<T> work) throws Exception {
        try (NetNs ns = NetNs.open(path)) {
            return call(ns, work);
        }
    }

    /** As {@link #call(Path, Callable)}, in an open namespace. */
    public static <T> T call(NetNs ns, Callable<T> work) throws Exception {
        return run("netns " + ns, () -> {
            if (Libc.C.setns(ns.fd(), Libc.CLONE_NEWNET) != 0) {
                throw new NetlinkException("enter", ns.toString(), Libc.errno(), null);
            }
            return work.call();
        });
    }

    /** Calls {@code work} in a new namespace, which goes with the thread unless the work has opened it. */
    static <T> T apart(Callable<T> work) throws Exception {
        return run("netns new", () -> {
            if (Libc.C.unshare(Libc.CLONE_NEWNET) != 0) {
                throw new NetlinkException("create", "network namespace", Libc.errno(), null);
            }
            return work.call();
        });
    }

    private static <T> T run(String name, Callable<T> inside) throws Exception {
        FutureTask<T> task = new FutureTask<>(inside);
        Thread t = new Thread(task, name);
        t.setDaemon(true);
        t.start();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return task.get();
                } catch (InterruptedException e) {
                    interrupted = true; // the work holds kernel state half made if it is left; it is short
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof Exception x) {
                        throw x;
                    }
                    throw (Error) e.getCause();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
