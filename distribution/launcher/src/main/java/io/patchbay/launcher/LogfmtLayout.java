package io.patchbay.launcher;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.CoreConstants;
import ch.qos.logback.core.LayoutBase;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.slf4j.event.KeyValuePair;

/** One event a line: {@code time=… level=info logger=…Reconcilers thread=… msg="…" key=value}; a stack trace follows on lines of its own. */
final class LogfmtLayout extends LayoutBase<ILoggingEvent> {
    @Override
    public String doLayout(ILoggingEvent event) {
        StringBuilder s = new StringBuilder(160);
        s.append("time=").append(Instant.ofEpochMilli(event.getTimeStamp()).truncatedTo(ChronoUnit.MILLIS));
        s.append(" level=").append(event.getLevel().toString().toLowerCase(java.util.Locale.ROOT));
        value(s.append(" logger="), shortened(event.getLoggerName()));
        value(s.append(" thread="), event.getThreadName());
        quoted(s.append(" msg="), event.getFormattedMessage());
        if (event.getKeyValuePairs() != null) {
            for (KeyValuePair p : event.getKeyValuePairs()) {
                value(s.append(' ').append(p.key).append('='), String.valueOf(p.value));
            }
        }
        s.append('\n');
        if (event.getThrowableProxy() != null) {
            s.append(ThrowableProxyUtil.asString(event.getThrowableProxy())).append(CoreConstants.LINE_SEPARATOR);
        }
        return s.toString();
    }

    /** Our packages say more with their bundle's name in front than with four words that are always the same. */
    private static String shortened(String logger) {
        return logger.startsWith("io.patchbay.") ? logger.substring("io.patchbay.".length()).replace(".internal.", ".") : logger;
    }

    private static void value(StringBuilder s, String v) {
        boolean plain = !v.isEmpty();
        for (int i = 0; i < v.length() && plain; i++) {
            char c = v.charAt(i);
            plain = c > ' ' && c != '"' && c != '=';
        }
        if (plain) {
            s.append(v);
        } else {
            quoted(s, v);
        }
    }

    private static void quoted(StringBuilder s, String v) {
        s.append('"');
        for (int i = 0; i < v.length(); i++) {
            char c = v.charAt(i);
            switch (c) {
                case '"' -> s.append("\\\"");
                case '\\' -> s.append("\\\\");
                case '\n' -> s.append("\\n");
                case '\r' -> s.append("\\r");
                default -> {
                    // Control characters of a foreign message must not reach the terminal of who reads the log.
                    if (c < ' ') {
                        s.append(String.format("\\u%04x", (int) c));
                    } else {
                        s.append(c);
                    }
                }
            }
        }
        s.append('"');
    }
}
