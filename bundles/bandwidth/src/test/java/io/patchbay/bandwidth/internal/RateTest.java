package io.patchbay.bandwidth.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RateTest {
    @ParameterizedTest
    @CsvSource({"10M, 10000000, 10M", "1k, 1000, 1k", "1Ki, 1024, 1024", "1.5M, 1500000, 1500k", "1000000, 1000000, 1M", "1e6, 1000000, 1M", "2E6, 2000000, 2M",
        "1Gi, 1073741824, 1073741824", "1P, 1000000000000000, 1P", "1000000m, 1000, 1k", "1234.5, 1235, 1235", ".5M, 500000, 500k", "5.M, 5000000, 5M"})
    void quantities(String text, long bits, String shown) {
        Rate r = Rate.parse(Limits.EGRESS, text);
        assertEquals(bits, r.bits());
        assertEquals(shown, r.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "10Mbit", "10MB", "-1M", "M", "1,5M", " 10M", "0x10", "1e", "1eM", "999", "0", "2P", "1E", "1e99", "10m", "١M"})
    void refusedWithAnnotationAndValue(String text) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Rate.parse(Limits.EGRESS, text));
        assertTrue(e.getMessage().startsWith("annotation kubernetes.io/egress-bandwidth: '" + text + "' is "), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"1k, 125, 65536", "100M, 12500000, 65536", "10G, 1250000000, 5000000"})
    void buckets(String text, long rate, int burst) {
        assertEquals(rate, Rate.parse(Limits.EGRESS, text).bucket().rate());
        assertEquals(burst, Rate.parse(Limits.EGRESS, text).bucket().burst());
    }
}
