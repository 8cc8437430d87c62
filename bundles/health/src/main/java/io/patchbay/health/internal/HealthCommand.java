package io.patchbay.health.internal;

import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.List;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code health}: the last probe of each node; exit status 1 when one failed. */
@Component
public final class HealthCommand implements ShellCommand {
    private final HealthComponent health;

    @Activate
    public HealthCommand(@Reference HealthComponent health) {
        this.health = health;
    }

    @Override
    public String name() {
        return "health";
    }

    @Override
    public String summary() {
        return "Whether the other nodes answer";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: health [-o text|json]", "  Exit status 1 when a node did not answer its last probe.");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        String output = Options.parseOnly(c.arguments(), Set.of(), Set.of("-o|--output")).output("text", "json");
        List<NodeHealth> last = health.last();
        if (last.isEmpty()) {
            c.err().println("patchbay health: no probe has ended yet: ask again in a moment");
            return 1;
        }
        boolean all = last.stream().allMatch(NodeHealth::reachable);
        if (output.equals("json")) {
            c.out().println(json(last));
            return all ? 0 : 1;
        }
        for (NodeHealth n : last) {
            c.out().println(line(n));
        }
        if (!all) {
            c.err().println("patchbay health: a node did not answer; its agent may be away, or the network between the nodes is broken");
        }
        return all ? 0 : 1;
    }

    /** A node's line, here and in {@code status}. */
    static String line(NodeHealth n) {
        return String.format("%-20s %-16s %s", n.node() + (n.local() ? " (localhost)" : ""), n.address() == null ? "-" : n.address().toString(),
                n.reachable() ? "OK, RTT=" + n.rtt().toNanos() / 1000 + "us" : n.problem());
    }

    private static JsonArray json(List<NodeHealth> last) {
        JsonArrayBuilder all = Json.createArrayBuilder();
        for (NodeHealth n : last) {
            JsonObjectBuilder node = Json.createObjectBuilder().add("node", n.node()).add("local", n.local())
                    .add("address", n.address() == null ? "" : n.address().toString()).add("reachable", n.reachable()).add("lastProbed", n.at().toString());
            if (n.reachable()) {
                node.add("rttNanos", n.rtt().toNanos());
            } else {
                node.add("problem", n.problem());
            }
            all.add(node);
        }
        return all.build();
    }
}
