package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.ObjectKey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers a load balancer's question whether this node has an endpoint of a service ({@code healthCheckNodePort}), as kube-proxy does: 200
 * or 503 and how many. {@link #serve} is one thread for all ports; the others' methods may be called by any thread.
 */
final class HealthChecks implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HealthChecks.class);
    private static final int REQUEST = 4096;
    private static final long PATIENCE_NS = 5_000_000_000L;
    private static final long LOOK_MILLIS = 1000;

    private record Check(ObjectKey service, int port, int endpoints) {
    }

    /** A connection that has asked nothing yet. */
    private record Asking(ObjectKey service, long since) {
    }

    private final Selector selector;
    /** Guarded by itself. */
    private final Map<ObjectKey, Check> wanted = new HashMap<>();
    /** The serving thread's. */
    private final Map<ObjectKey, ServerSocketChannel> open = new HashMap<>();
    private final Map<ObjectKey, Integer> refused = new HashMap<>();

    private HealthChecks(Selector selector) {
        this.selector = selector;
    }

    static HealthChecks open() {
        try {
            return new HealthChecks(Selector.open());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param port 0: the service wants none */
    void set(ObjectKey service, int port, int endpoints) {
        synchronized (wanted) {
            if (port == 0 && wanted.isEmpty()) return;
            Check check = new Check(service, port, endpoints);
            Check before = port == 0 ? wanted.remove(service) : wanted.put(service, check);
            if (before != null && before.equals(check) || before == null && port == 0) return;
        }
        selector.wakeup();
    }

    /** Until closed. */
    void serve() {
        try {
            // The scope ends this thread by an interrupt; a selector would return at once for ever after it.
            while (selector.isOpen() && !Thread.currentThread().isInterrupted()) {
                listen();
                selector.select(this::ready, LOOK_MILLIS);
                long now = System.nanoTime();
                for (SelectionKey k : selector.keys()) {
                    if (k.isValid() && k.attachment() instanceof Asking a && now - a.since > PATIENCE_NS) k.channel().close();
                }
            }
        } catch (IOException e) {
            LOG.error("Health checks of services are not answered any more", e);
        } catch (java.nio.channels.ClosedSelectorException e) {
            LOG.debug("Health checks end");
        } finally {
            open.values().forEach(HealthChecks::close);
        }
    }

    private void listen() {
        Map<ObjectKey, Check> now;
        synchronized (wanted) {
            now = Map.copyOf(wanted);
        }
        for (Iterator<Map.Entry<ObjectKey, ServerSocketChannel>> i = open.entrySet().iterator(); i.hasNext();) {
            Map.Entry<ObjectKey, ServerSocketChannel> e = i.next();
            Check c = now.get(e.getKey());
            if (c != null && e.getValue().socket().getLocalPort() == c.port) continue;
            close(e.getValue());
            i.remove();
        }
        refused.keySet().retainAll(now.keySet());
        for (Check c : now.values()) {
            if (open.containsKey(c.service)) continue;
            ServerSocketChannel server = null;
            try {
                server = ServerSocketChannel.open();
                server.bind(new InetSocketAddress(c.port));
                server.configureBlocking(false).register(selector, SelectionKey.OP_ACCEPT, c.service);
                open.put(c.service, server);
                refused.remove(c.service);
            } catch (IOException e) {
                close(server);
                // It is tried again with every look.
                if (!Integer.valueOf(c.port).equals(refused.put(c.service, c.port))) {
                    LOG.warn("The health check port {} of {} can't be listened at: {}", c.port, c.service, e.getMessage());
                }
            }
        }
    }

    private void ready(SelectionKey k) {
        try {
            if (k.isAcceptable()) {
                SocketChannel s = ((ServerSocketChannel) k.channel()).accept();
                if (s != null) s.configureBlocking(false).register(selector, SelectionKey.OP_READ, new Asking((ObjectKey) k.attachment(), System.nanoTime()));
            } else {
                answer((SocketChannel) k.channel(), ((Asking) k.attachment()).service);
            }
        } catch (IOException | java.nio.channels.CancelledKeyException e) {
            // Whoever asked went away.
            LOG.debug("A health check was not answered", e);
            close(k.channel());
        }
    }

    private void answer(SocketChannel s, ObjectKey service) throws IOException {
        try (s) {
            if (s.read(ByteBuffer.allocate(REQUEST)) < 0) return;
            Check c;
            synchronized (wanted) {
                c = wanted.get(service);
            }
            if (c != null) s.write(ByteBuffer.wrap(text(c.service, c.endpoints).getBytes(StandardCharsets.US_ASCII)));
        }
    }

    static String text(ObjectKey service, int endpoints) {
        String body = "{\"service\":{\"namespace\":\"" + service.namespace() + "\",\"name\":\"" + service.name() + "\"},\"localEndpoints\":" + endpoints
                + ",\"serviceProxyHealthy\":true}";
        return "HTTP/1.1 " + (endpoints > 0 ? "200 OK" : "503 Service Unavailable") + "\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
                + "X-Load-Balancing-Endpoint-Weight: " + endpoints + "\r\nContent-Length: " + body.length() + "\r\nConnection: close\r\n\r\n" + body;
    }

    private static void close(AutoCloseable c) {
        try {
            if (c != null) c.close();
        } catch (Exception e) {
            LOG.debug("A health check's socket did not close", e);
        }
    }

    @Override
    public void close() {
        close(selector);
    }
}
