package io.patchbay.shell.internal;

import java.time.Duration;
import java.time.Instant;

/** How long ago, as Go prints durations rounded to seconds: {@code 5s ago}, {@code 1h2m3s ago}, {@code never}. */
final class Ago {
    private Ago() {
    }

    static String text(Instant t) {
        if (t == null) {
            return "never";
        }
        Duration d = Duration.between(t, Instant.now());
        long s = Math.max(0, d.toSeconds());
        return (s >= 3600 ? s / 3600 + "h" : "") + (s >= 60 ? s / 60 % 60 + "m" : "") + s % 60 + "s ago";
    }
}
