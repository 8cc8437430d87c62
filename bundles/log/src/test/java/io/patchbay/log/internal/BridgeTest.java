package io.patchbay.log.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Proxy;
import org.junit.jupiter.api.Test;
import org.osgi.service.log.LogEntry;
import org.osgi.service.log.LogLevel;
import org.slf4j.event.Level;

class BridgeTest {
    @Test
    void errorsOfComponentsStayErrors() {
        assertEquals(Level.ERROR, Bridge.level(entry("org.apache.felix.scr", LogLevel.ERROR, "The activate method has thrown an exception")));
    }

    @Test
    void serviceEventsAreForDebugging() {
        assertEquals(Level.DEBUG, Bridge.level(entry("Events.Service", LogLevel.INFO, "ServiceEvent REGISTERED")));
        assertEquals(Level.DEBUG, Bridge.level(entry("Events.Bundle", LogLevel.INFO, "BundleEvent STARTED")));
    }

    @Test
    void entryWithoutBundleIsShown() {
        Bridge.show(entry("a", LogLevel.INFO, "text {} with braces"));
    }

    private static LogEntry entry(String logger, LogLevel level, String message) {
        return (LogEntry) Proxy.newProxyInstance(BridgeTest.class.getClassLoader(), new Class<?>[] {LogEntry.class}, (p, m, a) -> switch (m.getName()) {
            case "getLoggerName" -> logger;
            case "getLogLevel" -> level;
            case "getMessage" -> message;
            default -> null;
        });
    }
}
