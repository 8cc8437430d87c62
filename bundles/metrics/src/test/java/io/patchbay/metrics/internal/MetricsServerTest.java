package io.patchbay.metrics.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.metrics.Metric;
import java.io.IOException;
import java.net.BindException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MetricsServerTest {
    private static final List<Metric> METRICS = List.of(Metric.gauge("cilium_endpoint", "Endpoints", 3),
            Metric.counter("cilium_drop_count_total", "Drops \\ and\nlines", List.of(new Metric.Sample(Map.of("reason", "Policy \"denied\"", "direction", "INGRESS"), 7))));

    private static HttpURLConnection call(int port, String path, String method) throws IOException {
        HttpURLConnection c = (HttpURLConnection) URI.create("http://127.0.0.1:" + port + path).toURL().openConnection();
        c.setRequestMethod(method);
        return c;
    }

    @Test
    void theTextIsWhatACollectorReads() throws Exception {
        try (MetricsServer server = new MetricsServer(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), Runnable::run, () -> PrometheusText.of(METRICS))) {
            HttpURLConnection get = call(server.port(), "/metrics", "GET");
            assertEquals(200, get.getResponseCode());
            assertTrue(get.getContentType().startsWith("text/plain; version=0.0.4"), get.getContentType());
            assertEquals("""
                    # HELP cilium_drop_count_total Drops \\\\ and\\nlines
                    # TYPE cilium_drop_count_total counter
                    cilium_drop_count_total{direction="INGRESS",reason="Policy \\"denied\\""} 7.0
                    # HELP cilium_endpoint Endpoints
                    # TYPE cilium_endpoint gauge
                    cilium_endpoint 3.0
                    """, new String(get.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
            assertEquals(404, call(server.port(), "/metrics/more", "GET").getResponseCode());
            assertEquals(405, call(server.port(), "/metrics", "DELETE").getResponseCode());
            assertEquals(200, call(server.port(), "/metrics", "HEAD").getResponseCode());
            assertThrows(BindException.class, () -> new MetricsServer(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()), Runnable::run, () -> new byte[0]));
        }
    }

    @Test
    void addressesAreThoseOfTheOption() throws Exception {
        assertEquals(9962, MetricsComponent.socket(":9962").getPort());
        assertTrue(MetricsComponent.socket(":9962").getAddress().isAnyLocalAddress());
        assertEquals(new InetSocketAddress("10.0.0.1", 80), MetricsComponent.socket("10.0.0.1:80"));
        assertEquals(new InetSocketAddress("::1", 80), MetricsComponent.socket("[::1]:80"));
    }
}
