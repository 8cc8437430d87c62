package io.patchbay.lifecycle.internal;

import jakarta.json.JsonException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The files in the state directory: {@code features.json}, {@code journal/N.json}. */
final class StateFiles {
    private static final Logger LOG = LoggerFactory.getLogger(StateFiles.class);
    private static final int KEPT = 50;

    /** How far a change has come; in this order. */
    enum Step { PREPARED, VERIFIED, BUNDLES_UPDATED, READY, SWITCHED, ACCEPTED, UNDONE }

    /**
     * @param fromEpoch of the generation in charge when it began
     * @param after     the record once it is accepted
     */
    record Entry(long number, String title, Step step, long fromEpoch, Record after, String note) {
    }

    private final Path record;
    private final Path journal;

    StateFiles(Path directory) throws IOException {
        record = directory.resolve("features.json");
        journal = Files.createDirectories(directory.resolve("journal"));
    }

    /** Empty when there is none, or none that can be read: that one is kept beside, under a name that the log tells. */
    Optional<Record> read() throws IOException {
        if (!Files.exists(record)) {
            return Optional.empty();
        }
        try {
            return Optional.of(Record.of(Texts.parse(Files.readAllBytes(record))));
        } catch (JsonException e) {
            setAside(record, e, "It is built again from the distribution and from what the kernel runs; compare it with 'feature list'");
            return Optional.empty();
        }
    }

    void write(Record r) throws IOException {
        Texts.write(record, Texts.pretty(r.toJson()).getBytes(StandardCharsets.UTF_8));
    }

    void write(Entry e) throws IOException {
        Texts.write(journal.resolve(e.number + ".json"), Texts.pretty(Texts.JSON.createObjectBuilder().add("change", e.number).add("title", e.title)
                .add("step", e.step.name().toLowerCase(java.util.Locale.ROOT)).add("fromEpoch", e.fromEpoch).add("note", e.note)
                .add("after", e.after.toJson()).build()).getBytes(StandardCharsets.UTF_8));
    }

    /** The newest entry; those too old to matter are deleted. */
    Optional<Entry> newest() throws IOException {
        TreeMap<Long, Path> all = new TreeMap<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(journal, "*.json")) {
            for (Path p : files) {
                String name = p.getFileName().toString().replace(".json", "");
                if (name.matches("[0-9]{1,18}")) {
                    all.put(Long.parseLong(name), p);
                }
            }
        }
        while (all.size() > KEPT) {
            Files.delete(all.pollFirstEntry().getValue());
        }
        while (!all.isEmpty()) {
            Path newest = all.pollLastEntry().getValue();
            try {
                var o = Texts.parse(Files.readAllBytes(newest));
                return Optional.of(new Entry(o.getJsonNumber("change").longValueExact(), o.getString("title"),
                        Step.valueOf(o.getString("step").toUpperCase(java.util.Locale.ROOT)), o.getJsonNumber("fromEpoch").longValueExact(),
                        Record.of(o.getJsonObject("after")), o.getString("note")));
            } catch (JsonException | NullPointerException | ClassCastException | IllegalArgumentException e) {
                setAside(newest, e, "Whether the change it belongs to is complete is decided by the generation in the kernel");
            }
        }
        return Optional.empty();
    }

    private static void setAside(Path file, Exception e, String consequence) throws IOException {
        Path kept = file.resolveSibling(file.getFileName() + ".corrupt");
        Files.move(file, kept, StandardCopyOption.REPLACE_EXISTING);
        LOG.error("{} is damaged: {}. It is kept as {}. {}", file, e.getMessage(), kept, consequence);
    }

    /** The journal's entry of a change at its next step. @return it */
    Entry note(Entry e, Step step, String text) throws IOException {
        Entry noted = new Entry(e.number(), e.title(), step, e.fromEpoch(), e.after(), text);
        write(noted);
        return noted;
    }
}
