package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.util.List;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code map list}: every pinned map of the node. */
@Component
public final class MapListCommand implements ShellCommand {
    private final Pipeline pipeline;

    @Activate
    public MapListCommand(@Reference Pipeline pipeline) {
        this.pipeline = pipeline;
    }

    @Override
    public String name() {
        return "map list";
    }

    @Override
    public String summary() {
        return "Every pinned map of this node, with its owner";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: map list [-o json]", "", "  -o json   for tools", "", "Entries of per-CPU maps are counted once. See also: map dump NAME");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options o = Options.parseOnly(c.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = o.output("text", "json").equals("json");
        JsonArrayBuilder all = Json.createArrayBuilder();
        Columns table = new Columns().row("Name", "Owner", "Schema", "Type", "Key", "Value", "Entries", "Max entries", "ID");
        for (Pipeline.MapInfo m : pipeline.maps()) {
            int entries = CatalogMap.hasData(io.patchbay.bpf.MapType.valueOf(m.type().toUpperCase(java.util.Locale.ROOT))) ? pipeline.map(m.name()).count() : 0;
            table.row(m.name(), m.owner(), m.schema(), m.type(), m.keySize(), m.valueSize(), entries, m.maxEntries(), m.id());
            all.add(Json.createObjectBuilder().add("name", m.name()).add("owner", m.owner()).add("schema", m.schema()).add("type", m.type())
                    .add("key-size", m.keySize()).add("value-size", m.valueSize()).add("entries", entries).add("max-entries", m.maxEntries()).add("id", m.id()));
        }
        if (json) {
            c.out().println(all.build());
        } else {
            table.print(c.out(), "", false);
        }
        return 0;
    }
}
