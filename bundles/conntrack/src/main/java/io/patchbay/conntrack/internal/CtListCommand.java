package io.patchbay.conntrack.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code bpf ct list}: the connections that the kernel holds. */
@Component(service = ShellCommand.class)
public final class CtListCommand implements ShellCommand {
    private final FeatureRuntime runtime;

    @Activate
    public CtListCommand(@Reference(target = "(patchbay.feature=conntrack)") FeatureRuntime runtime) {
        this.runtime = runtime;
    }

    @Override
    public String name() {
        return "bpf ct list";
    }

    @Override
    public String summary() {
        return "Connections that the kernel tracks";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: bpf ct list [global] [-d] [-o json]", "", "Entries past their expiry, which are waiting to be collected, are not shown.",
                "OUT: a pod of this node began the connection. Times are seconds of the kernel's monotonic clock.",
                "OwnPort: another connection had the tuple, so this one's initiator, which uses that port, was given the one shown.",
                "  -d, --time-diff   also how long each entry still lives");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? List.of("global") : List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of("-d|--time-diff"), Set.of("-o|--output"));
        if (options.words().size() > 1 || options.words().size() == 1 && !options.words().get(0).equals("global")) {
            throw new UsageException("'" + String.join(" ", options.words()) + "' is not known; only 'global' may follow");
        }
        boolean json = options.output("text", "json").equals("json");
        long now = System.nanoTime();
        List<Connection> all = Stream.of("ct4", "ct6").map(runtime::map).flatMap(CtListCommand::connections).filter(c -> !c.expired(now))
                .sorted(Comparator.comparing(Connection::tuple)).toList();
        if (json) {
            JsonArrayBuilder array = Json.createArrayBuilder();
            for (Connection c : all) array.add(object(c, now));
            context.out().println(array.build());
        } else {
            for (Connection c : all) context.out().println(c.line(now, options.has("--time-diff")));
        }
        return 0;
    }

    private static Stream<Connection> connections(MapHandle map) {
        return map.entries().entrySet().stream().map(e -> Connection.of(e.getKey(), e.getValue()));
    }

    private static JsonObjectBuilder object(Connection c, long now) {
        JsonObjectBuilder o = Json.createObjectBuilder().add("protocol", c.protocol()).add("direction", c.out() ? "OUT" : "IN")
                .add("local", c.local().toString()).add("localPort", c.localPort()).add("remote", c.remote().toString()).add("remotePort", c.remotePort())
                .add("remainingSeconds", (c.expires() - now) / 1_000_000_000L).add("replied", c.replied()).add("txPackets", c.txPackets())
                .add("txBytes", c.txBytes()).add("rxPackets", c.rxPackets()).add("rxBytes", c.rxBytes()).add("txClosing", c.txClosing())
                .add("rxClosing", c.rxClosing()).add("seenNonSyn", c.seenNonSyn()).add("sourceIdentity", c.identity());
        if (c.ownPort() != 0) o.add("ownPort", c.ownPort());
        if (c.svcAddress() != null) o.add("serviceAddress", c.svcAddress().toString()).add("servicePort", c.svcPort()).add("serviceId", c.svcId());
        return o;
    }
}
