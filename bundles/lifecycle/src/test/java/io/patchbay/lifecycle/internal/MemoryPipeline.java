package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Ledger;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.feature.FeatureDescriptor.OwnedMap;
import java.lang.reflect.Proxy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Generations in memory; outlives the engines of one test, as the kernel outlives agents. */
final class MemoryPipeline implements Pipeline {
    Generation current;
    List<GenerationSpec> committed = new ArrayList<>();
    /** Feature version that the verifier refuses. */
    String refused = "";
    /** Of the next switch. */
    long loseNext;
    int open;

    @Override
    public Optional<Generation> current() {
        return Optional.ofNullable(current);
    }

    @Override
    public Prepared prepare(GenerationSpec spec) {
        for (GenerationSpec.Part p : spec.parts()) {
            if (refused.equals(p.descriptor().name() + " " + p.descriptor().version())) {
                throw new DatapathException("feature " + p.descriptor().name() + ", program x: R1 invalid mem access 'scalar'");
            }
        }
        long from = current == null ? 0 : current.epoch();
        open++;
        return new Prepared() {
            @Override
            public long epoch() {
                return from + 1;
            }

            @Override
            public MapHandle map(String name) {
                throw new DatapathException("prepared " + name);
            }

            @Override
            public Ledger commit() {
                open--;
                current = new Generation(from + 1, spec.parts().stream()
                        .map(p -> new FeatureVersion(p.descriptor().name(), p.descriptor().version(), p.digest())).toList(), List.of());
                committed.add(spec);
                long lost = loseNext;
                loseNext = 0;
                return new Ledger(spec.change(), spec.title(), from, from + 1, Instant.EPOCH, 1000, 2000,
                        List.of(new Ledger.Row(Hook.POD_EGRESS, 10, 10, 5, 5, lost, 0, 0, 0, 0)), List.of(), "accepted");
            }

            @Override
            public void discard() {
                open--;
            }
        };
    }

    /** Of entries, by map. */
    final Map<String, Integer> counts = new HashMap<>();

    /** Name, size and count of a map whose size a generation was given; nothing else of it. */
    @Override
    public MapHandle map(String name) {
        int size = committed.isEmpty() ? 0 : committed.get(committed.size() - 1).parts().stream().flatMap(p -> p.descriptor().maps().stream())
                .filter(m -> m.name().equals(name)).mapToInt(OwnedMap::maxEntries).findFirst().orElse(0);
        if (size == 0) {
            throw new DatapathException("in charge " + name);
        }
        return (MapHandle) Proxy.newProxyInstance(MapHandle.class.getClassLoader(), new Class<?>[] {MapHandle.class}, (proxy, method, args) -> switch (method.getName()) {
            case "name" -> name;
            case "type" -> "HASH";
            case "maxEntries" -> size;
            case "count" -> counts.getOrDefault(name, 0);
            default -> throw new UnsupportedOperationException(method.getName());
        });
    }

    @Override
    public List<MapInfo> maps() {
        return List.of();
    }

    @Override
    public List<Ledger> ledgers() {
        return List.of();
    }
}
