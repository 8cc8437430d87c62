package io.patchbay.health.internal;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** One probe of one node: connect, ask, read the status line. */
final class Prober {
    private static final byte[] QUESTION = "GET /hello HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

    private Prober() {
    }

    /** @return round-trip time of connect, question and answer; @throws IOException saying why there was none */
    static Duration probe(InetAddress address, int port, Duration timeout) throws IOException {
        long begin = System.nanoTime();
        try (Socket s = new Socket()) {
            s.connect(new InetSocketAddress(address, port), (int) timeout.toMillis());
            s.setSoTimeout((int) timeout.toMillis());
            s.getOutputStream().write(QUESTION);
            String status = new String(s.getInputStream().readNBytes("HTTP/1.0 200".length()), StandardCharsets.US_ASCII);
            if (!status.endsWith(" 200")) {
                throw new IOException("answered '" + status + "'");
            }
        }
        return Duration.ofNanos(System.nanoTime() - begin);
    }
}
