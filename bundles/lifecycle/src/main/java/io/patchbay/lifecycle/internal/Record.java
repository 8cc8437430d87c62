package io.patchbay.lifecycle.internal;

import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonException;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What this node is to be: the truth that bundle states and generations follow. Immutable.
 *
 * @param change   number of the last accepted change
 * @param features by name, sorted
 */
record Record(long change, Map<String, Entry> features) {
    /** Earlier versions that {@code feature rollback} can return to. */
    static final int EARLIER = 3;

    enum Desired { ENABLED, DISABLED, DRAINING }

    record Earlier(String version, String digest) {
    }

    /**
     * @param digest  of the jar in the store
     * @param earlier newest first
     * @param epoch   that the version was accepted with
     */
    record Entry(Desired desired, String version, String digest, List<Earlier> earlier, long epoch) {
        Entry desired(Desired now) {
            return new Entry(now, version, digest, earlier, epoch);
        }

        Entry epoch(long now) {
            return new Entry(desired, version, digest, earlier, now);
        }

        /** Another version takes over; the present one becomes the newest of the earlier. */
        Entry replacedBy(String newVersion, String newDigest) {
            List<Earlier> before = new ArrayList<>();
            before.add(new Earlier(version, digest));
            earlier.stream().filter(e -> !e.digest().equals(newDigest) && !e.digest().equals(digest)).forEach(before::add);
            return new Entry(desired, newVersion, newDigest, List.copyOf(before.subList(0, Math.min(EARLIER, before.size()))), epoch);
        }

        /** Back to the newest earlier version, which is forgotten as such. */
        Entry rolledBack() {
            Earlier to = earlier.get(0);
            return new Entry(desired, to.version(), to.digest(), earlier.subList(1, earlier.size()), epoch);
        }
    }

    Record {
        features = java.util.Collections.unmodifiableMap(new TreeMap<>(features));
    }

    Record with(String name, Entry entry) {
        Map<String, Entry> changed = new TreeMap<>(features);
        changed.put(name, entry);
        return new Record(change, changed);
    }

    JsonObject toJson() {
        JsonObjectBuilder all = Texts.JSON.createObjectBuilder();
        features.forEach((name, e) -> {
            JsonArrayBuilder earlier = Texts.JSON.createArrayBuilder();
            e.earlier.forEach(x -> earlier.add(Texts.JSON.createObjectBuilder().add("version", x.version).add("digest", x.digest)));
            all.add(name, Texts.JSON.createObjectBuilder().add("desired", e.desired.name().toLowerCase(Locale.ROOT)).add("version", e.version)
                    .add("digest", e.digest).add("earlier", earlier).add("epoch", e.epoch));
        });
        return Texts.JSON.createObjectBuilder().add("format", 1).add("change", change).add("features", all).build();
    }

    /** @throws JsonException when this is no record, saying where */
    static Record of(JsonObject o) {
        try {
            if (o.getInt("format") != 1) {
                throw new JsonException("format " + o.getInt("format") + " is of a later Patchbay");
            }
            Map<String, Entry> all = new TreeMap<>();
            JsonObject features = o.getJsonObject("features");
            for (String name : features.keySet()) {
                JsonObject f = features.getJsonObject(name);
                List<Earlier> earlier = f.getJsonArray("earlier").getValuesAs(v -> new Earlier(v.asJsonObject().getString("version"), v.asJsonObject().getString("digest")));
                all.put(name, new Entry(Desired.valueOf(f.getString("desired").toUpperCase(Locale.ROOT)), f.getString("version"), f.getString("digest"),
                        List.copyOf(earlier), f.getJsonNumber("epoch").longValueExact()));
            }
            return new Record(o.getJsonNumber("change").longValueExact(), all);
        } catch (NullPointerException | ClassCastException | IllegalArgumentException | ArithmeticException e) {
            throw new JsonException("a field is missing or of the wrong kind: " + e.getMessage(), e);
        }
    }
}
