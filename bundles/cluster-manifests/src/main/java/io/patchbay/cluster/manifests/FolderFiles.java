package io.patchbay.cluster.manifests;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/** Files that appear whole (written aside, synced, renamed), and the lock of who decides something for the cluster. */
final class FolderFiles {
    /** File locks are per process; within one, threads need a lock of their own. */
    private static final Map<Path, ReentrantLock> THREAD_LOCKS = new ConcurrentHashMap<>();
    private static final AtomicLong TEMPORARY = new AtomicLong();

    private FolderFiles() {
    }

    static void write(Path path, String text) throws IOException {
        write(Map.of(path, () -> text));
    }

    /** Each file appears at once, all of them in the map's order; null removes a file. When anything can't be written, none has changed. */
    static void write(Map<Path, Supplier<String>> texts) throws IOException {
        List<Path> aside = new ArrayList<>();
        Set<Path> directories = new HashSet<>();
        try {
            for (Map.Entry<Path, Supplier<String>> file : texts.entrySet()) {
                if (file.getValue() != null) aside.add(writeAside(file.getKey(), file.getValue().get()));
                directories.add(file.getKey().getParent());
            }
            int next = 0;
            for (Map.Entry<Path, Supplier<String>> file : texts.entrySet()) {
                if (file.getValue() == null) Files.deleteIfExists(file.getKey());
                else Files.move(aside.get(next++), file.getKey(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
        } finally {
            for (Path path : aside) Files.deleteIfExists(path);
        }
        for (Path directory : directories) if (Files.isDirectory(directory)) syncDirectory(directory);
    }

    /** Names that begin with a dot are nobody's manifests. */
    static Path writeAside(Path path, String text) throws IOException {
        Files.createDirectories(path.getParent());
        Path temporary = path.resolveSibling("." + path.getFileName() + "." + ProcessHandle.current().pid() + "." + TEMPORARY.incrementAndGet());
        try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING)) {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) channel.write(bytes);
            channel.force(true);
        }
        return temporary;
    }

    static void syncDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    /** Exclusive among threads and processes; a process that dies lets go of it. */
    static final class Lock implements AutoCloseable {
        private final ReentrantLock threads;
        private final FileChannel channel;

        Lock(Path path) throws IOException {
            threads = THREAD_LOCKS.computeIfAbsent(path, p -> new ReentrantLock());
            threads.lock();
            FileChannel opened = null;
            try {
                Files.createDirectories(path.getParent());
                opened = FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
                opened.lock();
            } catch (IOException | RuntimeException e) {
                if (opened != null) opened.close();
                threads.unlock();
                throw e;
            }
            channel = opened;
        }

        @Override
        public void close() throws IOException {
            try {
                channel.close();
            } finally {
                threads.unlock();
            }
        }
    }
}
