package io.patchbay.cluster.manifests;

import java.io.IOException;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Calls back when something in a folder changed, and every ten seconds in case an event got lost. One thread, which {@link #close} ends; it sleeps
 * in inotify.
 */
public final class FolderWatch implements AutoCloseable {
    /** What to do on a change. */
    public interface Action {
        /** @throws Exception is logged; the next change, or the next rescan, tries again */
        void run() throws Exception;
    }

    private static final Logger LOG = LoggerFactory.getLogger(FolderWatch.class);
    private static final long RESCAN_SECONDS = 10;
    /** Writers tend to touch several files; wait this long for the next event, but not more often than this many times. */
    private static final long QUIET_MILLIS = 2;
    private static final int MAX_QUIET_WAITS = 10;

    private final ManifestsFolder folder;
    private final Action action;
    private final Map<Path, WatchKey> keys = new HashMap<>();
    private final Thread thread;
    private volatile boolean closed;
    private volatile WatchService watch;

    /** Starts; the action is called at once, on the watch's thread, and from then on after changes. */
    public FolderWatch(ManifestsFolder folder, String threadName, Action action) {
        this.folder = folder;
        this.action = action;
        thread = new Thread(this::run, threadName);
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        while (!closed) {
            try (WatchService service = FileSystems.getDefault().newWatchService()) {
                watch = service;
                keys.clear();
                loop(service);
            } catch (ClosedWatchServiceException e) {
                return;
            } catch (IOException | RuntimeException e) {
                if (closed) return;
                LOG.error("Watching {} failed; trying again in {} s", folder.root(), RESCAN_SECONDS, e);
                synchronized (this) {
                    try {
                        if (!closed) wait(RESCAN_SECONDS * 1000);
                    } catch (InterruptedException x) {
                        return;
                    }
                }
            }
        }
    }

    private void loop(WatchService service) throws IOException {
        while (!closed) {
            // before reading, so that a change during the reading is an event; a folder removed and made anew gets a new key
            folder.create();
            for (Path directory : folder.directories()) {
                WatchKey old = keys.get(directory);
                if (old != null && old.isValid()) continue;
                keys.put(directory, directory.register(service, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_MODIFY,
                        StandardWatchEventKinds.ENTRY_DELETE));
            }
            try {
                action.run();
            } catch (Exception e) {
                if (closed) return;
                LOG.error("Reading {} failed; trying again at the next change or in {} s", folder.root(), RESCAN_SECONDS, e);
            }
            await(service);
        }
    }

    /** Returns after a visible change and a moment of quiet, or when the rescan is due. */
    private void await(WatchService service) {
        try {
            long due = System.nanoTime() + TimeUnit.SECONDS.toNanos(RESCAN_SECONDS);
            boolean changed = false;
            int waits = 0;
            while (true) {
                long left = changed ? TimeUnit.MILLISECONDS.toNanos(QUIET_MILLIS) : due - System.nanoTime();
                if (left <= 0 || waits > MAX_QUIET_WAITS) return;
                WatchKey key = service.poll(left, TimeUnit.NANOSECONDS);
                if (key == null) return;
                for (WatchEvent<?> event : key.pollEvents()) {
                    // our own and others' files in the making begin with a dot
                    boolean hidden = event.context() instanceof Path name && name.toString().startsWith(".");
                    if (!hidden) changed = true;
                }
                key.reset();
                if (changed) waits++;
            }
        } catch (InterruptedException e) {
            closed = true;
        }
    }

    /** Ends the thread; a call of the action that is under way finishes first, unless it is this thread's own. */
    @Override
    public void close() {
        closed = true;
        synchronized (this) {
            notifyAll();
        }
        WatchService service = watch;
        if (service != null) {
            try {
                service.close();
            } catch (IOException e) {
                LOG.warn("Closing the watch of {} failed", folder.root(), e);
            }
        }
        if (Thread.currentThread() == thread) return;
        try {
            thread.join(5000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
