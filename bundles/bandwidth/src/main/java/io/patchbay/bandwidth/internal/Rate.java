package io.patchbay.bandwidth.internal;

import io.patchbay.netlink.Tbf;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A bandwidth as a pod's annotation gives it: a Kubernetes quantity of bits per second, {@code 10M}. Bounds and their reason are those of
 * Kubernetes' bandwidth plugin: below 1k and above 1P somebody mistook the unit.
 *
 * @param bits per second
 */
record Rate(long bits) {
    private static final Pattern QUANTITY = Pattern.compile("(\\d+\\.?\\d*|\\.\\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\\d{1,3}))?");
    private static final Map<String, Integer> TENS = Map.of("n", -9, "u", -6, "m", -3, "k", 3, "M", 6, "G", 9, "T", 12, "P", 15, "E", 18);
    private static final String TWOS = "KMGTPE";
    private static final BigDecimal LEAST = BigDecimal.valueOf(1000);
    private static final BigDecimal MOST = BigDecimal.valueOf(1_000_000_000_000_000L);

    /** Bytes that go at once; measured to carry 95 % of the rate in TCP with 64 KiB at 100 Mbit/s, more at rates that empty it in 4 ms. */
    private static final int BURST = 64 * 1024;
    private static final int BURSTS_PER_SECOND = 250;
    /** What waits longer is dropped. */
    private static final int LATENCY_MS = 20;

    /**
     * @param annotation its name, for the message
     * @throws IllegalArgumentException naming annotation, value and what is wrong with it
     */
    static Rate parse(String annotation, String text) {
        String what = "annotation " + annotation + ": '" + text + "' ";
        Matcher m = QUANTITY.matcher(text);
        if (!m.matches()) throw new IllegalArgumentException(what + "is no quantity of bits per second; write 10M or 1G");
        BigDecimal number = new BigDecimal(m.group(1).endsWith(".") ? m.group(1) + "0" : m.group(1));
        String suffix = m.group(2);
        if (m.group(3) != null) {
            number = number.scaleByPowerOfTen(Integer.parseInt(m.group(3)));
        } else if (suffix != null && suffix.endsWith("i")) {
            number = number.multiply(new BigDecimal(BigInteger.TWO.pow(10 * (TWOS.indexOf(suffix.charAt(0)) + 1))));
        } else if (suffix != null) {
            number = number.scaleByPowerOfTen(TENS.get(suffix));
        }
        if (number.compareTo(LEAST) < 0) throw new IllegalArgumentException(what + "is unreasonably small: less than 1k bits per second");
        if (number.compareTo(MOST) > 0) throw new IllegalArgumentException(what + "is unreasonably large: more than 1P bits per second");
        return new Rate(number.setScale(0, RoundingMode.UP).longValueExact());
    }

    long bytesPerSecond() {
        return Math.max(1, bits / 8);
    }

    /** The token bucket that keeps this rate. */
    Tbf bucket() {
        long rate = bytesPerSecond();
        int burst = (int) Math.min(Integer.MAX_VALUE / 4, Math.max(BURST, rate / BURSTS_PER_SECOND));
        return new Tbf(rate, burst, (int) Math.min(Integer.MAX_VALUE / 2, burst + rate * LATENCY_MS / 1000));
    }

    /** Short where that is exact: {@code 10M}, {@code 1500k}, {@code 1234567}. */
    @Override
    public String toString() {
        String[] units = {"", "k", "M", "G", "T", "P"};
        long b = bits;
        int u = 0;
        while (u < units.length - 1 && b % 1000 == 0) {
            b /= 1000;
            u++;
        }
        return b + units[u];
    }
}
