package io.patchbay.policy.internal;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.bpf.BpfFs;
import io.patchbay.bpf.BpfMap;
import io.patchbay.bpf.BpfProgram;
import io.patchbay.bpf.Rcu;
import io.patchbay.datapath.internal.Node;
import io.patchbay.policy.internal.kernel.KernelTables;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A real generation with the stages of all features of the standard distribution, attached to nothing: packets enter by test runs of its preambles. */
final class WholeNode implements AutoCloseable {
    private static final List<String> FEATURES = List.of("node", "identity", "endpoint", "conntrack", "policy", "routing", "service-lb", "masquerade",
            "bandwidth", "vxlan");
    private static final int SLOTS = 4;

    private final Path pins;
    private final Path state;
    private final Node node;
    private final Map<String, BpfProgram> preambles = new LinkedHashMap<>();
    private final Map<String, BpfMap> counters = new LinkedHashMap<>();

    WholeNode(String name) {
        pins = BpfFs.ensureMounted().resolve("patchbay").resolve("pbt-" + name);
        BpfFs.removeTree(pins);
        try {
            state = Files.createTempDirectory("pbt-" + name);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        node = Node.open(pins, state);
        node.pipeline().prepare(new GenerationSpec(FEATURES.stream().map(WholeNode::part).toList(), 1, "all features", false)).commit();
    }

    private static GenerationSpec.Part part(String feature) {
        Path file = Path.of("..", feature, "src", "main", "resources", "META-INF", "patchbay", "feature.json");
        JsonObject d;
        try (InputStream in = Files.newInputStream(file)) {
            d = Json.createReader(in).readObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Path objects = Programs.compile(feature);
        Map<String, Path> files = new LinkedHashMap<>();
        List<Stage> stages = d.getJsonArray("stages").getValuesAs(JsonObject.class).stream()
                .map(s -> new Stage(s.getString("object"), s.getString("program"), hook(s.getString("hook")), s.getInt("order"))).toList();
        List<FeatureDescriptor.OwnedMap> maps = d.getJsonArray("maps").getValuesAs(JsonObject.class).stream()
                .map(m -> new FeatureDescriptor.OwnedMap(m.getString("name"), m.getString("object"), m.getString("schema"),
                        FeatureDescriptor.Migration.valueOf(m.getString("migration").toUpperCase()), m.getInt("maxEntries", 0))).toList();
        List<FeatureDescriptor.UsedMap> uses = d.getJsonArray("uses").getValuesAs(JsonObject.class).stream()
                .map(m -> new FeatureDescriptor.UsedMap(m.getString("name"), m.getString("schema"))).toList();
        Stream.concat(stages.stream().map(Stage::object), maps.stream().map(FeatureDescriptor.OwnedMap::object)).distinct()
                .forEach(o -> files.put(o, objects.resolve(Path.of(o).getFileName())));
        List<String> requires = d.getJsonArray("requires").getValuesAs(JsonString.class).stream().map(JsonString::getString).toList();
        return new GenerationSpec.Part(new FeatureDescriptor(d.getString("name"), d.getString("version"), "", d.getString("datapathAbi"), stages, maps, uses,
                List.of(), FeatureDescriptor.Disable.INSTANT, requires, List.of(), false), "test", files, false);
    }

    private static Hook hook(String text) {
        return Stream.of(Hook.values()).filter(h -> h.text().equals(text)).findFirst().orElseThrow();
    }

    MapHandle map(String name) {
        return node.pipeline().map(name);
    }

    KernelTables tables(boolean sctp) {
        return new KernelTables(map("policy"), map("policy_sets"), map("policy_dirs"), map("policy_known"), map("policy_select"), map("policy_sealed"), Rcu::grace, sctp);
    }

    /** What is attached at a device of this hook. */
    BpfProgram preamble(String program) {
        return preambles.computeIfAbsent(program, p -> BpfProgram.fromPin(pins.resolve("core").resolve(p)));
    }

    /** A counter of the ledger for a hook, all slots and CPUs. @param codes 256 where it counts by verdict, else 1 */
    long[] counts(String map, Hook hook, int codes) {
        BpfMap m = counters.computeIfAbsent(map, n -> BpfMap.fromPin(pins.resolve("maps").resolve(n)));
        long[] counts = new long[codes];
        for (int i = 0; i < SLOTS * codes; i++) {
            ByteBuffer v = m.lookup(hook.number() * SLOTS * codes + i);
            for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) counts[i % codes] += v.getLong(cpu * m.slotSize());
        }
        return counts;
    }

    @Override
    public void close() {
        preambles.values().forEach(BpfProgram::close);
        counters.values().forEach(BpfMap::close);
        node.close();
        BpfFs.removeTree(pins);
        try (Stream<Path> all = Files.walk(state)) {
            for (Path p : all.sorted(Comparator.reverseOrder()).toList()) Files.delete(p);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
