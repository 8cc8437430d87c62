package io.patchbay.metrics.internal;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;

/** {@code GET /metrics} over HTTP, by the JDK's server. */
final class MetricsServer implements AutoCloseable {
    private static final int BACKLOG = 16;

    private final HttpServer server;

    /** @param text what to answer, computed for each request on {@code executor} */
    MetricsServer(InetSocketAddress address, Executor executor, Callable<byte[]> text) throws IOException {
        server = HttpServer.create(address, BACKLOG);
        server.setExecutor(executor);
        server.createContext("/", x -> answer(x, text));
        server.start();
    }

    int port() {
        return server.getAddress().getPort();
    }

    private static void answer(HttpExchange x, Callable<byte[]> text) throws IOException {
        try (x) {
            boolean head = x.getRequestMethod().equals("HEAD");
            if (!x.getRequestURI().getPath().equals("/metrics")) {
                x.sendResponseHeaders(404, -1);
            } else if (!head && !x.getRequestMethod().equals("GET")) {
                x.getResponseHeaders().set("Allow", "GET, HEAD");
                x.sendResponseHeaders(405, -1);
            } else {
                byte[] body = text.call();
                x.getResponseHeaders().set("Content-Type", PrometheusText.CONTENT_TYPE);
                x.sendResponseHeaders(200, head ? -1 : body.length);
                if (!head) x.getResponseBody().write(body);
            }
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(e);
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
