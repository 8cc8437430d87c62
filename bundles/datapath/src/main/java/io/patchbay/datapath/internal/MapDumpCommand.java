package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code map dump NAME}: the entries of a map with the names of their members. */
@Component
public final class MapDumpCommand implements ShellCommand {
    private final Pipeline pipeline;

    @Activate
    public MapDumpCommand(@Reference Pipeline pipeline) {
        this.pipeline = pipeline;
    }

    @Override
    public String name() {
        return "map dump";
    }

    @Override
    public String summary() {
        return "Entries of a map, decoded";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: map dump NAME [-o json]", "", "  -o json   for tools", "",
                "Members are named as in the C struct; addresses, ports and MACs are shown as such.",
                "Arrays: entries that are all zero are left out. Per-CPU maps: one value per CPU.", "", "Example: map dump endpoints");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? pipeline.maps().stream().map(Pipeline.MapInfo::name).toList() : List.of();
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parse(c.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = o.output("text", "json").equals("json");
        if (o.words().size() != 1) {
            throw new UsageException("map dump takes the name of one map");
        }
        MapHandle map;
        try {
            map = pipeline.map(o.words().get(0));
        } catch (DatapathException e) {
            c.err().println(e.getMessage());
            return 1;
        }
        boolean array = map.type().endsWith("array");
        JsonArrayBuilder all = Json.createArrayBuilder();
        for (Map.Entry<Struct, Struct> e : map.entries().entrySet()) {
            List<Struct> values = map.perCpu() ? map.lookupAll(e.getKey()) : List.of(e.getValue());
            if (array && values.stream().allMatch(MapDumpCommand::isZero)) {
                continue;
            }
            if (json) {
                JsonObjectBuilder b = Json.createObjectBuilder().add("key", Decoded.json(e.getKey()));
                if (map.perCpu()) {
                    JsonArrayBuilder cpus = Json.createArrayBuilder();
                    values.forEach(v -> cpus.add(Decoded.json(v)));
                    b.add("values", cpus);
                } else {
                    b.add("value", Decoded.json(values.get(0)));
                }
                all.add(b);
            } else if (map.perCpu()) {
                c.out().println(Decoded.text(e.getKey()));
                for (int cpu = 0; cpu < values.size(); cpu++) {
                    c.out().println("  cpu " + cpu + ": " + Decoded.text(values.get(cpu)));
                }
            } else {
                c.out().println(Decoded.text(e.getKey()) + " -> " + Decoded.text(values.get(0)));
            }
        }
        if (json) {
            c.out().println(all.build());
        }
        return 0;
    }

    private static boolean isZero(Struct s) {
        for (byte b : s.bytes()) {
            if (b != 0) {
                return false;
            }
        }
        return true;
    }
}
