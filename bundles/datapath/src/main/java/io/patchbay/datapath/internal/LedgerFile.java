package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Ledger;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The ledgers of past changes, a file each, named by the epoch they led to. Used under the owner's lock. */
final class LedgerFile {
    private static final int KEPT = 200;
    private final Path directory;
    private final List<Ledger> all = new ArrayList<>();

    LedgerFile(Path directory) {
        this.directory = directory;
        for (long epoch : epochs()) {
            Durable.read(file(epoch), LedgerFile::of, "what that change cost is not known any more").ifPresent(all::add);
        }
    }

    private Path file(long epoch) {
        return directory.resolve(epoch + ".json");
    }

    private List<Long> epochs() {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(f -> f.getFileName().toString()).filter(n -> n.matches("\\d+\\.json")).map(n -> Long.parseLong(n.substring(0, n.length() - 5)))
                    .sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(directory.toString(), e);
        }
    }

    synchronized void add(Ledger ledger) {
        Durable.write(file(ledger.toEpoch()), toJson(ledger));
        all.add(ledger);
        while (all.size() > KEPT) {
            try {
                Files.deleteIfExists(file(all.remove(0).toEpoch()));
            } catch (IOException e) {
                throw new UncheckedIOException(directory.toString(), e);
            }
        }
    }

    synchronized List<Ledger> list() {
        return List.copyOf(all);
    }

    static JsonObject toJson(Ledger l) {
        JsonArrayBuilder rows = Durable.JSON.createArrayBuilder();
        l.rows().forEach(r -> rows.add(Durable.JSON.createObjectBuilder().add("hook", r.hook().text()).add("in", r.in()).add("inSegments", r.inSegments())
                .add("byOld", r.byOld()).add("byNew", r.byNew()).add("lost", r.lost()).add("hole", r.hole()).add("unprocessed", r.unprocessed())
                .add("mixed", r.mixed()).add("deviceDrops", r.deviceDrops())));
        return Durable.JSON.createObjectBuilder().add("change", l.change()).add("title", l.title()).add("fromEpoch", l.fromEpoch()).add("toEpoch", l.toEpoch())
                .add("at", l.at().toString()).add("switchNanos", l.switchNanos()).add("acceptedNanos", l.acceptedNanos()).add("rows", rows)
                .add("carried", Durable.JSON.createArrayBuilder(l.carried())).add("outcome", l.outcome()).build();
    }

    private static Ledger of(JsonObject j) {
        List<Ledger.Row> rows = j.getJsonArray("rows").stream().map(v -> {
            JsonObject r = v.asJsonObject();
            return new Ledger.Row(Hook.ofText(r.getString("hook")), number(r, "in"), number(r, "inSegments"), number(r, "byOld"), number(r, "byNew"),
                    number(r, "lost"), number(r, "hole"), number(r, "unprocessed"), number(r, "mixed"), number(r, "deviceDrops"));
        }).toList();
        return new Ledger(number(j, "change"), j.getString("title"), number(j, "fromEpoch"), number(j, "toEpoch"), Instant.parse(j.getString("at")),
                number(j, "switchNanos"), number(j, "acceptedNanos"), rows, j.getJsonArray("carried").stream().map(v -> ((JsonString) v).getString()).toList(),
                j.getString("outcome"));
    }

    private static long number(JsonObject o, String name) {
        return o.getJsonNumber(name).longValue();
    }
}
