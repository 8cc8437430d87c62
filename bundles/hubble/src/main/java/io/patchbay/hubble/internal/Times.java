package io.patchbay.hubble.internal;

import io.patchbay.api.shell.UsageException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Points in time as the hubble CLI takes them: how long ago (Go's durations), RFC 3339, or a day. And durations as Go prints them. */
final class Times {
    private static final Pattern PART = Pattern.compile("(\\d+(?:\\.\\d*)?|\\.\\d+)(ns|us|µs|ms|s|m|h)");

    private Times() {
    }

    /** @throws UsageException saying which forms there are */
    static Instant parse(String option, String text, Instant now) throws UsageException {
        Duration ago = duration(text);
        try {
            if (ago != null) return now.minus(ago);
            return text.length() == 10 ? LocalDate.parse(text).atStartOfDay().toInstant(ZoneOffset.UTC)
                    : OffsetDateTime.parse(text, DateTimeFormatter.ISO_OFFSET_DATE_TIME).toInstant();
        } catch (DateTimeException | ArithmeticException e) {
            throw new UsageException(option + " " + text + " is no time: give how long ago (30s, 5m, 1h30m), 2006-01-02T15:04:05Z or 2006-01-02");
        }
    }

    /** Null when it is none. */
    private static Duration duration(String text) {
        Matcher m = PART.matcher(text);
        int at = 0;
        double nanos = 0;
        while (at < text.length() && m.find(at) && m.start() == at) {
            nanos += Double.parseDouble(m.group(1)) * switch (m.group(2)) {
                case "ns" -> 1;
                case "us", "µs" -> 1e3;
                case "ms" -> 1e6;
                case "s" -> 1e9;
                case "m" -> 60e9;
                default -> 3600e9;
            };
            at = m.end();
        }
        return at == 0 || at < text.length() || nanos > Long.MAX_VALUE ? null : Duration.ofNanos((long) nanos);
    }

    /** {@code 1h2m3s}; whole seconds. */
    static String text(Duration d) {
        long s = d.toSeconds();
        return (s >= 3600 ? s / 3600 + "h" : "") + (s >= 60 ? s / 60 % 60 + "m" : "") + s % 60 + "s";
    }
}
