package io.patchbay.health.internal;

import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
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
        return List.of("Usage: health", "  Exit status 1 when a node did not answer its last probe.");
    }

    @Override
    public int run(ShellContext c) throws Exception {
        Options.parseOnly(c.arguments(), Set.of(), Set.of());
        List<NodeHealth> last = health.last();
        if (last.isEmpty()) {
            c.err().println("patchbay health: no probe has ended yet: ask again in a moment");
            return 1;
        }
        boolean all = true;
        for (NodeHealth n : last) {
            all &= n.reachable();
            c.out().printf("%-20s %-16s %s%n", n.node() + (n.local() ? " (localhost)" : ""), n.address() == null ? "-" : n.address().toString(),
                    n.reachable() ? "OK, RTT=" + n.rtt().toNanos() / 1000 + "us" : n.problem());
        }
        if (!all) {
            c.err().println("patchbay health: a node did not answer; its agent may be away, or the network between the nodes is broken");
        }
        return all ? 0 : 1;
    }
}
