package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Pipeline.MapInfo;
import io.patchbay.bpf.BpfMap;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;

/** The pinned maps of the node by name. Handles stay valid while the maps behind them change. Thread-safe. */
final class MapCatalog implements AutoCloseable {
    /** Between a map's name and the epoch that it waits for; not found in C names, and bpffs allows no dots. */
    private static final String WAITING = "-e";

    private final Path pins;
    private final Map<String, CatalogMap> maps = new ConcurrentSkipListMap<>();
    private volatile Map<String, GenerationRecord.MapOwner> owners = Map.of();

    MapCatalog(Path pins) {
        this.pins = pins;
        for (String name : Core.list(pins)) {
            if (!name.contains(WAITING)) {
                maps.put(name, new CatalogMap(name, BpfMap.fromPin(pins.resolve(name))));
            }
        }
    }

    Path pin(String name) {
        return pins.resolve(name);
    }

    Path waitingPin(String name, long epoch) {
        return pins.resolve(name + WAITING + epoch);
    }

    /** Maps that were made for a generation and have not taken over their name yet: name to epoch. */
    static List<Map.Entry<String, Long>> waiting(Path pins) {
        List<Map.Entry<String, Long>> found = new ArrayList<>();
        for (String n : Core.list(pins)) {
            int at = n.lastIndexOf(WAITING);
            if (at > 0 && n.substring(at + WAITING.length()).matches("\\d+")) {
                found.add(Map.entry(n.substring(0, at), Long.parseLong(n.substring(at + WAITING.length()))));
            }
        }
        return found;
    }

    Optional<CatalogMap> find(String name) {
        return Optional.ofNullable(maps.get(name));
    }

    /** @throws DatapathException naming the known maps */
    CatalogMap get(String name) {
        return find(name).orElseThrow(() -> new DatapathException("there is no map " + name + "; known: " + String.join(", ", maps.keySet())));
    }

    void add(CatalogMap map) {
        maps.put(map.name(), map);
    }

    void remove(String name) {
        CatalogMap m = maps.remove(name);
        if (m != null) {
            m.close();
        }
    }

    void owners(Map<String, GenerationRecord.MapOwner> now) {
        owners = now;
    }

    List<MapInfo> list() {
        List<MapInfo> all = new ArrayList<>();
        maps.forEach((name, m) -> {
            GenerationRecord.MapOwner o = owners.getOrDefault(name, new GenerationRecord.MapOwner(CoreObjects.CORE, "", "", false));
            var s = m.spec();
            all.add(new MapInfo(name, o.feature(), o.schema(), s.type().name().toLowerCase(Locale.ROOT), s.keySize(), s.valueSize(), s.maxEntries(), m.id()));
        });
        return all;
    }

    boolean isPinned(String name) {
        return Files.exists(pin(name));
    }

    @Override
    public void close() {
        maps.values().forEach(CatalogMap::close);
        maps.clear();
    }
}
