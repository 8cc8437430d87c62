package io.patchbay.servicelb.internal;

/**
 * Whether a backend gets connections, the most willing first; numbers are those of {@code enum lb_state} in bpf/service-lb/lb.h, texts
 * Cilium's. Only ACTIVE ones get new connections while there are any.
 */
enum BackendState {
    ACTIVE(0, "active"), TERMINATING(1, "terminating"), QUARANTINED(2, "quarantined"), TERMINATING_NOT_SERVING(4, "terminating-not-serving"),
    MAINTENANCE(3, "maintenance");

    private final int number;
    private final String text;

    BackendState(int number, String text) {
        this.number = number;
        this.text = text;
    }

    /** Whether it goes on with what it has. */
    boolean serves() {
        return this == ACTIVE || this == TERMINATING;
    }

    int number() {
        return number;
    }

    String text() {
        return text;
    }

    /** @throws IllegalArgumentException for a number that is none of these */
    static BackendState of(long number) {
        for (BackendState s : values()) {
            if (s.number == number) return s;
        }
        throw new IllegalArgumentException("no state of a backend has the number " + number);
    }
}
