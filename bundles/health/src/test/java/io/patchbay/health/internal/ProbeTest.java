package io.patchbay.health.internal;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ProbeTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    @Test
    void aRunningResponderIsReachableAndAClosedOneIsNot() throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        int port;
        try (Responder responder = new Responder(loopback, 0)) {
            port = responder.port();
            Thread t = new Thread(responder::serve);
            t.start();
            assertTrue(Prober.probe(loopback, port, TIMEOUT).toNanos() > 0);
            assertTrue(Prober.probe(loopback, port, TIMEOUT).toNanos() > 0);
        }
        // The kernel closes a listening socket once the thread that waits on it has woken up; the test's time limit ends this.
        IOException refused = null;
        while (refused == null) {
            try {
                Prober.probe(loopback, port, TIMEOUT);
            } catch (IOException e) {
                refused = e;
            }
        }
        assertNotNull(refused.getMessage());
    }

    @Test
    void aSilentClientDoesNotStopTheNext() throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (Responder responder = new Responder(loopback, 0)) {
            new Thread(responder::serve).start();
            try (Socket silent = new Socket(loopback, responder.port())) {
                assertTrue(silent.isConnected());
                assertTrue(Prober.probe(loopback, responder.port(), TIMEOUT).toNanos() > 0);
            }
        }
    }
}
