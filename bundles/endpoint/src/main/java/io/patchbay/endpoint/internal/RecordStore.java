package io.patchbay.endpoint.internal;

import jakarta.json.Json;
import jakarta.json.JsonReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One file an endpoint, {@code <id>.json}; durable when a method returns. Different endpoints may be written at once. */
final class RecordStore {
    private static final Logger LOG = LoggerFactory.getLogger(RecordStore.class);

    private final Path directory;

    RecordStore(Path directory) throws IOException {
        this.directory = Files.createDirectories(directory);
    }

    /** What can't be read is set aside, loudly: the kernel knows the rest. */
    List<EndpointRecord> load() throws IOException {
        List<EndpointRecord> records = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.json")) {
            for (Path file : files) {
                try (InputStream in = Files.newInputStream(file); JsonReader reader = Json.createReader(in)) {
                    EndpointRecord r = EndpointRecord.parse(reader.readObject());
                    if (!file.getFileName().toString().equals(r.id() + ".json")) throw new IOException("it is about endpoint " + r.id());
                    records.add(r);
                } catch (IOException | RuntimeException e) {
                    Path aside = file.resolveSibling(file.getFileName() + ".damaged");
                    Files.move(file, aside, StandardCopyOption.REPLACE_EXISTING);
                    LOG.error("The record {} can't be read ({}) and is kept as {}: its pod keeps working with what the kernel knows", file,
                            e.toString(), aside);
                }
            }
        }
        return records;
    }

    /**
     * Whole after a kill of the agent. Not waited for until it is on the disk: a power cut takes the pod and its devices as well, and a record
     * damaged by it is set aside.
     */
    void save(EndpointRecord record) throws IOException {
        Path file = directory.resolve(record.id() + ".json");
        Path next = directory.resolve(record.id() + ".new");
        try (FileChannel out = FileChannel.open(next, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            ByteBuffer bytes = ByteBuffer.wrap(record.json().getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) out.write(bytes);
        }
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Not waited for: a record that comes back after a crash is of a pod without a device, and goes again. */
    void delete(int id) throws IOException {
        Files.deleteIfExists(directory.resolve(id + ".json"));
    }
}
