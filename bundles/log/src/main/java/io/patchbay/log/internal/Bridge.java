package io.patchbay.log.internal;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.ServiceReference;
import org.osgi.service.log.LogEntry;
import org.osgi.service.log.LogListener;
import org.osgi.service.log.LogReaderService;
import org.osgi.util.tracker.ServiceTracker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * Hands what bundles tell the OSGi log to slf4j. Without it the errors of SCR, an activation that threw for one, are seen by
 * nobody. What was logged before it started is handed on first.
 */
public final class Bridge implements BundleActivator {
    private ServiceTracker<LogReaderService, LogReaderService> tracker;
    private final LogListener listener = Bridge::show;

    @Override
    public void start(BundleContext context) {
        tracker = new ServiceTracker<>(context, LogReaderService.class, null) {
            @Override
            public LogReaderService addingService(ServiceReference<LogReaderService> reference) {
                LogReaderService reader = super.addingService(reference);
                List<LogEntry> before = new ArrayList<>(Collections.list(reader.getLog()));
                reader.addLogListener(listener);
                Collections.reverse(before);
                before.forEach(Bridge::show);
                return reader;
            }

            @Override
            public void removedService(ServiceReference<LogReaderService> reference, LogReaderService reader) {
                reader.removeLogListener(listener);
                super.removedService(reference, reader);
            }
        };
        tracker.open();
    }

    @Override
    public void stop(BundleContext context) {
        tracker.close();
    }

    static void show(LogEntry entry) {
        String bundle = entry.getBundle() == null ? "osgi" : String.valueOf(entry.getBundle().getSymbolicName());
        Logger log = LoggerFactory.getLogger(bundle);
        LoggingEventBuilder event = log.atLevel(level(entry));
        if (entry.getException() != null) {
            event = event.setCause(entry.getException());
        }
        event.log("{}", entry.getMessage());
    }

    /** Service and bundle events are logged at INFO by the log service; thousands of lines that tell an operator nothing. */
    static Level level(LogEntry entry) {
        String logger = String.valueOf(entry.getLoggerName());
        boolean event = logger.startsWith("Events.");
        return switch (entry.getLogLevel()) {
            case AUDIT, ERROR -> event && !isError(entry) ? Level.DEBUG : Level.ERROR;
            case WARN -> Level.WARN;
            case INFO -> event ? Level.DEBUG : Level.INFO;
            case DEBUG -> Level.DEBUG;
            case TRACE -> Level.TRACE;
        };
    }

    private static boolean isError(LogEntry entry) {
        return entry.getException() != null || !entry.getMessage().startsWith(BundleEvent.class.getSimpleName())
                && !entry.getMessage().startsWith(FrameworkEvent.class.getSimpleName());
    }
}
