package io.patchbay.servicelb.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.ObjectKey;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class HealthChecksTest {
    private static final ObjectKey WEB = new ObjectKey("shop", "web");

    private static int free() throws IOException {
        try (ServerSocket s = new ServerSocket(0)) {
            return s.getLocalPort();
        }
    }

    /** The answer; "" when nobody listens. */
    private static String ask(int port) {
        try (Socket s = new Socket(InetAddress.getLoopbackAddress(), port)) {
            s.getOutputStream().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            return new String(s.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            return "";
        }
    }

    private static void await(String start, int port) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!(start.isEmpty() ? ask(port).isEmpty() : ask(port).startsWith(start)) && System.nanoTime() < end) TimeUnit.MILLISECONDS.sleep(5);
        assertTrue(start.isEmpty() ? ask(port).isEmpty() : ask(port).startsWith(start));
    }

    @Test
    void thePortSaysHowManyEndpointsAreHereAndGoesWithTheService() throws Exception {
        int port = free();
        try (HealthChecks checks = HealthChecks.open()) {
            Thread serving = new Thread(checks::serve);
            serving.start();
            checks.set(WEB, port, 2);
            await("HTTP/1.1 200 OK", port);
            String[] answer = ask(port).split("\r\n\r\n");
            assertTrue(answer[0].contains("X-Load-Balancing-Endpoint-Weight: 2") && answer[0].contains("Content-Type: application/json"), answer[0]);
            assertEquals("{\"service\":{\"namespace\":\"shop\",\"name\":\"web\"},\"localEndpoints\":2,\"serviceProxyHealthy\":true}", answer[1]);
            checks.set(WEB, port, 0);
            await("HTTP/1.1 503 Service Unavailable", port);
            int other = free();
            checks.set(WEB, other, 1);
            await("HTTP/1.1 200 OK", other);
            await("", port);
            checks.set(WEB, 0, 0);
            await("", other);
            checks.close();
            serving.join(TimeUnit.SECONDS.toMillis(10));
            assertEquals(Thread.State.TERMINATED, serving.getState());
        }
    }
}
