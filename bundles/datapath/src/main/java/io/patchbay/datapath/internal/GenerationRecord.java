package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Pipeline.FeatureVersion;
import io.patchbay.api.datapath.Pipeline.Generation;
import io.patchbay.api.datapath.Pipeline.StageInfo;
import jakarta.json.JsonArray;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What is written down of a generation before the switch to it; the kernel's epoch decides which record is in force.
 *
 * @param owners      map name to who owns it; maps of features that have left stay for one more generation
 * @param baseline    the slot's counters when the generation took it over
 * @param unprocessed guard counters when the last window was closed
 * @param copied      maps whose entries came, or are still coming, from a map of another layout
 */
record GenerationRecord(Generation generation, Map<String, MapOwner> owners, Counters.Reading baseline, Map<Hook, Long> unprocessed, Set<String> copied) {
    /**
     * @param digest of the object whose BTF defines the map; a copy is kept beside the record
     * @param absent whether no feature of this generation owns it any more
     */
    record MapOwner(String feature, String schema, String digest, boolean absent) {
    }

    GenerationRecord withUnprocessed(Map<Hook, Long> now) {
        return new GenerationRecord(generation, owners, baseline, now, copied);
    }

    JsonObject toJson() {
        JsonArrayBuilder features = Durable.JSON.createArrayBuilder();
        generation.features().forEach(f -> features.add(Durable.JSON.createObjectBuilder().add("name", f.name()).add("version", f.version()).add("digest", f.digest())));
        JsonArrayBuilder stages = Durable.JSON.createArrayBuilder();
        generation.stages().forEach(s -> stages.add(Durable.JSON.createObjectBuilder().add("hook", s.hook().text()).add("order", s.order()).add("feature", s.feature())
                .add("program", s.program()).add("index", s.index()).add("programId", s.programId())));
        JsonObjectBuilder maps = Durable.JSON.createObjectBuilder();
        owners.forEach((n, o) -> maps.add(n, Durable.JSON.createObjectBuilder().add("owner", o.feature()).add("schema", o.schema()).add("digest", o.digest())
                .add("absent", o.absent())));
        JsonObjectBuilder guards = Durable.JSON.createObjectBuilder();
        unprocessed.forEach((h, n) -> guards.add(h.text(), n));
        return Durable.JSON.createObjectBuilder().add("epoch", generation.epoch()).add("features", features).add("stages", stages).add("maps", maps)
                .add("baseline", baseline.toJson()).add("unprocessed", guards).add("copied", Durable.JSON.createArrayBuilder(copied))
                .build();
    }

    static GenerationRecord of(JsonObject json) {
        List<FeatureVersion> features = objects(json.getJsonArray("features")).stream()
                .map(f -> new FeatureVersion(f.getString("name"), f.getString("version"), f.getString("digest"))).toList();
        List<StageInfo> stages = objects(json.getJsonArray("stages")).stream().map(s -> new StageInfo(Hook.ofText(s.getString("hook")), s.getInt("order"),
                s.getString("feature"), s.getString("program"), s.getInt("index"), s.getInt("programId"))).toList();
        Map<String, MapOwner> owners = new LinkedHashMap<>();
        json.getJsonObject("maps").forEach((n, v) -> {
            JsonObject o = v.asJsonObject();
            owners.put(n, new MapOwner(o.getString("owner"), o.getString("schema"), o.getString("digest"), o.getBoolean("absent")));
        });
        Map<Hook, Long> guards = new EnumMap<>(Hook.class);
        json.getJsonObject("unprocessed").keySet().forEach(h -> guards.put(Hook.ofText(h), json.getJsonObject("unprocessed").getJsonNumber(h).longValue()));
        return new GenerationRecord(new Generation(json.getJsonNumber("epoch").longValue(), features, stages), owners,
                Counters.Reading.of(json.getJsonObject("baseline")), guards, texts(json, "copied"));
    }

    private static Set<String> texts(JsonObject json, String name) {
        Set<String> all = new LinkedHashSet<>();
        if (json.containsKey(name)) {
            json.getJsonArray(name).forEach(v -> all.add(((JsonString) v).getString()));
        }
        return all;
    }

    private static List<JsonObject> objects(JsonArray a) {
        return a.stream().map(JsonValue::asJsonObject).toList();
    }
}
