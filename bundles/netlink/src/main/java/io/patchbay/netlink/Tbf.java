package io.patchbay.netlink;

/**
 * Settings of a token bucket filter.
 *
 * @param rate  bytes per second
 * @param burst bytes that may go at once; at least the device's MTU plus its header
 * @param limit bytes that may wait
 */
public record Tbf(long rate, int burst, int limit) {

    public Tbf {
        if (rate <= 0 || burst <= 0 || limit <= 0) {
            throw new IllegalArgumentException("rate, burst and limit of a token bucket are positive");
        }
    }
}
