package io.patchbay.ipam.internal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;

/**
 * A file of lines to which lines are appended; each with a checksum. Appending does not make durable, {@link #force} does, for all that
 * was appended before: many callers share one wait for the disk. Thread-safe.
 */
final class AllocationFile implements AutoCloseable {
    private final Path path;
    private FileChannel channel;
    private long written;
    private int lines;
    private final Object forcing = new Object();
    private long forced;

    /**
     * What was read.
     *
     * @param lines   those with a right checksum, in order
     * @param damaged line numbers of the others; a last line without an end is not among them: it was never acknowledged
     */
    record Content(List<String> lines, List<Integer> damaged) {
    }

    AllocationFile(Path path) {
        this.path = path;
    }

    Path path() {
        return path;
    }

    Content read() throws IOException {
        if (!Files.exists(path)) return new Content(List.of(), List.of());
        byte[] bytes = Files.readAllBytes(path);
        List<String> good = new ArrayList<>();
        List<Integer> damaged = new ArrayList<>();
        int start = 0;
        for (int i = 0, number = 1; i < bytes.length; i++) {
            if (bytes[i] != '\n') continue;
            String line = new String(bytes, start, i - start, StandardCharsets.UTF_8);
            start = i + 1;
            int space = line.indexOf(' ');
            if (space > 0 && line.substring(0, space).equals(checksum(line.substring(space + 1)))) good.add(line.substring(space + 1));
            else damaged.add(number);
            number++;
        }
        return new Content(good, damaged);
    }

    private static String checksum(String text) {
        CRC32 crc = new CRC32();
        crc.update(text.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    private static byte[] line(String text) {
        return (checksum(text) + " " + text + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** Replaces the content, durably, in one step. */
    synchronized void rewrite(List<String> content) throws IOException {
        Files.createDirectories(path.getParent());
        Path next = path.resolveSibling(path.getFileName() + ".new");
        try (FileChannel out = FileChannel.open(next, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            for (String text : content) writeFully(out, line(text));
            out.force(true);
        }
        Files.move(next, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        try (FileChannel directory = FileChannel.open(path.getParent(), StandardOpenOption.READ)) {
            directory.force(true);
        }
        FileChannel old = channel;
        channel = FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        if (old != null) old.close();
        lines = content.size();
        synchronized (forcing) {
            forced = written;
        }
    }

    /** @return what {@link #force} takes */
    synchronized long append(String text) throws IOException {
        writeFully(channel, line(text));
        lines++;
        return ++written;
    }

    private static void writeFully(FileChannel out, byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) out.write(buffer);
    }

    /** Lines in the file. */
    synchronized int lines() {
        return lines;
    }

    /** Done when line {@code number} and all before it are on the disk. */
    void force(long number) throws IOException {
        synchronized (forcing) {
            if (forced >= number) return;
            FileChannel now;
            long upTo;
            synchronized (this) {
                now = channel;
                upTo = written;
            }
            now.force(false);
            forced = Math.max(forced, upTo);
        }
    }

    @Override
    public synchronized void close() throws IOException {
        if (channel != null) channel.close();
    }
}
