package io.patchbay.health.internal;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Answers {@code GET /hello} on the node's address, as Cilium's health daemon does on the same port. */
final class Responder implements AutoCloseable {
    private static final byte[] ANSWER = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nOK\n".getBytes(StandardCharsets.US_ASCII);
    private static final int TIMEOUT_MILLIS = 1000;
    private static final int BACKLOG = 16;

    private final ServerSocket server;

    Responder(InetAddress address, int port) throws IOException {
        server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(new InetSocketAddress(address, port), BACKLOG);
    }

    int port() {
        return server.getLocalPort();
    }

    /** Until closed. One at a time: probes are few and answered at once; one that says nothing is cut off. */
    void serve() {
        while (!server.isClosed()) {
            try (Socket s = server.accept()) {
                s.setSoTimeout(TIMEOUT_MILLIS);
                if (s.getInputStream().read() >= 0) {
                    s.getOutputStream().write(ANSWER);
                }
            } catch (IOException e) {
                // The prober went away, or this is the end: both are seen by the condition.
                continue;
            }
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
