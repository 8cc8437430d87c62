package io.patchbay.datapath.internal;

import jakarta.json.Json;
import jakarta.json.JsonBuilderFactory;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import jakarta.json.JsonReaderFactory;
import jakarta.json.JsonWriter;
import jakarta.json.JsonWriterFactory;
import jakarta.json.stream.JsonGenerator;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Records on disk that a kill at any instant leaves either as they were or as they are meant to be. */
final class Durable {
    private static final Logger LOG = LoggerFactory.getLogger(Durable.class);
    /** {@code Json}'s own methods look for the provider again each time, which costs more than a small object. */
    static final JsonBuilderFactory JSON = Json.createBuilderFactory(Map.of());
    private static final JsonWriterFactory PRETTY = Json.createWriterFactory(Map.of(JsonGenerator.PRETTY_PRINTING, true));
    private static final JsonReaderFactory READERS = Json.createReaderFactory(Map.of());

    private Durable() {
    }

    /** Writes beside, syncs, renames, syncs the directory. */
    static void write(Path file, JsonObject json) {
        StringWriter text = new StringWriter();
        try (JsonWriter w = PRETTY.createWriter(text)) {
            w.write(json);
        }
        write(file, text.toString(), true);
    }

    /**
     * Writes beside and renames, without waiting for the disk: whole after a kill of the agent, not after a power cut. For what is about things
     * in the kernel, which a power cut takes as well.
     */
    static void writeUnsynced(Path file, JsonObject json) {
        write(file, json.toString(), false);
    }

    private static void write(Path file, String text, boolean sync) {
        Path beside = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.createDirectories(file.getParent());
            try (FileChannel c = FileChannel.open(beside, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
                ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
                while (bytes.hasRemaining()) {
                    c.write(bytes);
                }
                if (sync) {
                    c.force(true);
                }
            }
            Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            if (sync) {
                try (FileChannel d = FileChannel.open(file.getParent(), StandardOpenOption.READ)) {
                    d.force(true);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("can't write " + file, e);
        }
    }

    /**
     * What a record says; empty when there is none, or when it can't be understood: then it is set aside, and who reads it does as if it had never been.
     *
     * @param parse       the record's own reading; whatever it throws says that the record is damaged
     * @param consequence for the log, what is done without it
     */
    static <T> Optional<T> read(Path file, Function<JsonObject, T> parse, String consequence) {
        String text;
        try {
            text = Files.readString(file);
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (CharacterCodingException e) {
            return damaged(file, e, consequence);
        } catch (IOException e) {
            throw new UncheckedIOException("can't read " + file, e);
        }
        try (JsonReader r = READERS.createReader(new StringReader(text))) {
            return Optional.of(parse.apply(r.readObject()));
        } catch (RuntimeException e) {
            return damaged(file, e, consequence);
        }
    }

    private static <T> Optional<T> damaged(Path file, Exception reason, String consequence) {
        Path aside = file.resolveSibling(file.getFileName() + ".corrupt");
        try {
            Files.move(file, aside, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(file + " is damaged (" + reason + ") and can't be set aside", e);
        }
        LOG.error("{} is damaged: {}. It is kept as {}; {}", file, reason.toString(), aside, consequence);
        return Optional.empty();
    }
}
