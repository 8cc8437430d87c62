package io.patchbay.agent.internal;

import io.patchbay.api.cni.CniHandler;
import io.patchbay.api.shell.Commands;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import jdk.net.ExtendedSocketOptions;
import jdk.net.UnixDomainPrincipal;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The agent's Unix socket, {@code agent.sock} in the run directory. Whoever may connect is root on this node: the directory
 * is 0700 before the socket exists, and the kernel's word on the peer is asked on every connection.
 */
@Component(immediate = true, service = AgentSocket.class)
public final class AgentSocket {
    private static final Logger LOG = LoggerFactory.getLogger(AgentSocket.class);
    private static final int MAX_CONNECTIONS = 256;
    private static final int BACKLOG = 256;
    private static final Duration AFTER_FAILURE = Duration.ofMillis(100);

    private final Commands commands;
    private final Path socket;
    private final ServerSocketChannel server;
    private final ExecutorService sessions;

    private volatile CniHandler cni;

    @Activate
    public AgentSocket(BundleContext context, @Reference Commands commands) throws IOException {
        this(commands, Path.of(required(context, "patchbay.run.dir")));
    }

    AgentSocket(Commands commands, Path run) throws IOException {
        this(commands, run, new AtomicInteger());
    }

    private AgentSocket(Commands commands, Path run, AtomicInteger count) throws IOException {
        this(commands, run, new ThreadPoolExecutor(0, MAX_CONNECTIONS, 10, TimeUnit.SECONDS, new SynchronousQueue<>(), r -> {
            Thread t = new Thread(r, "session-" + count.incrementAndGet());
            t.setDaemon(true);
            return t;
        }));
    }

    AgentSocket(Commands commands, Path run, ExecutorService sessions) throws IOException {
        this.commands = commands;
        Files.createDirectories(run);
        Files.setPosixFilePermissions(run, PosixFilePermissions.fromString("rwx------"));
        this.socket = run.resolve("agent.sock");
        // The state directory's lock is held by now, so a socket that is left over belongs to nobody.
        Files.deleteIfExists(socket);
        this.server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        this.sessions = sessions;
        server.bind(UnixDomainSocketAddress.of(socket), BACKLOG);
        Thread accept = new Thread(this::accept, "agent-socket");
        accept.setDaemon(true);
        accept.start();
        LOG.info("listening on {}", socket);
    }

    private static String required(BundleContext context, String property) {
        String value = context.getProperty(property);
        if (value == null) {
            throw new IllegalStateException("the framework property " + property + " is not set: the launcher sets it");
        }
        return value;
    }

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    void setCni(CniHandler handler) {
        cni = handler;
        // Not on the activating thread: a deletion may wait for another component.
        Thread drain = new Thread(() -> {
            try {
                int n = new DeletionQueue(socket.resolveSibling("cni-del")).drain(handler);
                if (n > 0) {
                    LOG.info("{} queued deletions handled", n);
                }
            } catch (IOException | RuntimeException e) {
                LOG.error("queued deletions in {} could not be handled", socket.resolveSibling("cni-del"), e);
            }
        }, "cni-deletions");
        drain.setDaemon(true);
        drain.start();
    }

    void unsetCni(CniHandler handler) {
        if (cni == handler) {
            cni = null;
        }
    }

    /** Goes on whatever happens to one connection: a socket that nobody accepts from takes connections all the same, and its clients wait for good. */
    private void accept() {
        while (server.isOpen()) {
            SocketChannel peer = null;
            try {
                peer = server.accept();
                SocketChannel accepted = peer;
                sessions.execute(() -> serve(accepted));
            } catch (ClosedChannelException e) {
                return;
            } catch (RejectedExecutionException e) {
                LOG.warn("{} connections are open already; one more was refused", MAX_CONNECTIONS);
                refuse(peer);
            } catch (IOException | RuntimeException | Error e) {
                LOG.error("a connection on {} can't be served", socket, e);
                refuse(peer);
                // No descriptor or no thread is to be had: asking again at once would not change that.
                LockSupport.parkNanos(AFTER_FAILURE.toNanos());
            }
        }
    }

    private static void refuse(SocketChannel peer) {
        try {
            if (peer != null) {
                peer.close();
            }
        } catch (IOException e) {
            LOG.debug("a client went away", e);
        }
    }

    private void serve(SocketChannel peer) {
        try (peer) {
            UnixDomainPrincipal who = peer.getOption(ExtendedSocketOptions.SO_PEERCRED);
            if (!"root".equals(who.user().getName())) {
                LOG.warn("user {} asked for a command and was refused: only root may", who.user().getName());
                return;
            }
            new Connection(new Frames(SocketStreams.input(peer), SocketStreams.output(peer)), commands, () -> cni).serve();
        } catch (IOException e) {
            LOG.debug("a client went away", e);
        } catch (RuntimeException | Error e) {
            LOG.error("a session failed", e);
        }
    }

    @Deactivate
    void close() throws IOException {
        server.close();
        sessions.shutdownNow();
        Files.deleteIfExists(socket);
    }
}
