package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import io.patchbay.api.shell.UsageException;
import io.patchbay.policy.internal.kernel.KernelTables.Dir;
import io.patchbay.policy.internal.table.PolicyEntry;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code bpf policy get}: an endpoint's table as the kernel has it. */
@Component(service = ShellCommand.class)
public final class BpfPolicyGetCommand implements ShellCommand {
    private final PolicyFeature policy;
    private final Endpoints endpoints;
    private final Identities identities;

    @Activate
    public BpfPolicyGetCommand(@Reference PolicyFeature policy, @Reference Endpoints endpoints, @Reference Identities identities) {
        this.policy = policy;
        this.endpoints = endpoints;
        this.identities = identities;
    }

    @Override
    public String name() {
        return "bpf policy get";
    }

    @Override
    public String summary() {
        return "Policy table of an endpoint, from the kernel";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: bpf policy get ENDPOINT-ID|NAMESPACE/POD|host [-n] [-o json]", "       bpf policy get --all [-n] [-o json]", "",
                "-n, --numeric   numbers of identities instead of their labels",
                "The kernel counts no bytes and packets per entry: the columns are there and empty. COOKIE is the number that events carry.");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? all().stream().map(Endpoint::name).sorted().toList() : List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of("--all", "-n|--numeric"), Set.of("-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        List<Endpoint> wanted = new ArrayList<>();
        if (options.has("--all")) {
            wanted.addAll(all());
            wanted.sort(Comparator.comparingInt(Endpoint::id));
        } else {
            if (options.words().size() != 1) throw new UsageException("one endpoint, or --all");
            String word = options.words().get(0);
            Optional<Endpoint> found = all().stream().filter(e -> word.equals(Integer.toString(e.id())) || word.equals(e.name())).findFirst();
            if (found.isEmpty()) {
                context.err().println("bpf policy get: there is no endpoint " + word + " on this node; see endpoint list");
                return 1;
            }
            wanted.add(found.get());
        }
        Map<Integer, List<PolicyEntry>> tables = tables();
        JsonArrayBuilder all = Json.createArrayBuilder();
        for (Endpoint e : wanted) {
            Optional<Dir> dir = policy.dir(e.policyId());
            List<PolicyEntry> entries = dir.map(d -> tables.getOrDefault(d.table(), List.of())).orElse(List.of());
            if (json) {
                JsonArrayBuilder list = Json.createArrayBuilder();
                entries.forEach(x -> list.add(Json.createObjectBuilder().add("policy", x.deny() ? "Deny" : "Allow").add("direction", direction(x))
                        .add("identity", Integer.toUnsignedLong(x.peer())).add("port", port(x)).add("prefix", prefix(x)).add("cookie", x.cookie())));
                all.add(Json.createObjectBuilder().add("endpoint", e.id()).add("name", e.name()).add("policyId", e.policyId())
                        .add("table", dir.map(Dir::table).orElse(0)).add("ingressEnforced", dir.map(d -> d.ingress().closed()).orElse(false))
                        .add("egressEnforced", dir.map(d -> d.egress().closed()).orElse(false)).add("entries", list));
                continue;
            }
            if (options.has("--all")) {
                context.out().println("Endpoint ID: " + e.id());
                context.out().println("Path: policy class " + e.policyId() + ", table " + dir.map(d -> Integer.toString(d.table())).orElse("none") + "\n");
            }
            print(context, e, dir, entries, options.has("--numeric"));
            if (options.has("--all")) context.out().println();
        }
        if (json) context.out().println(PolicyGetCommand.pretty(all.build()));
        return 0;
    }

    /** Pods, and the node itself. */
    private List<Endpoint> all() {
        List<Endpoint> all = new ArrayList<>(endpoints.list());
        endpoints.host().ifPresent(all::add);
        return all;
    }

    private Map<Integer, List<PolicyEntry>> tables() {
        Map<Integer, List<PolicyEntry>> tables = policy.reader().tables();
        tables.values().forEach(l -> l.sort(Comparator.comparing(PolicyEntry::direction).thenComparing(e -> !e.deny())
                .thenComparing(PolicyEntry::peer, Integer::compareUnsigned).thenComparingInt(PolicyEntry::protocol).thenComparingInt(PolicyEntry::port)));
        return tables;
    }

    private void print(ShellContext context, Endpoint endpoint, Optional<Dir> dir, List<PolicyEntry> entries, boolean numeric) {
        if (dir.isEmpty() && endpoint.isHost()) {
            context.out().println("Policy stats empty. The host firewall is off (enable-host-firewall): nothing is asked about the node itself.");
            return;
        }
        if (dir.isEmpty()) {
            context.out().println("Policy stats empty. The endpoint has no policy class yet: it neither sends nor receives.");
            return;
        }
        TextTable table = new TextTable("POLICY", "DIRECTION", numeric ? "IDENTITY" : "LABELS(source:key[=value])", "PORT/PROTO", "PROXY PORT", "AUTH TYPE",
                "BYTES", "PACKETS", "PREFIX", "COOKIE");
        // an open direction is what an entry for everything means in Cilium's table
        if (!dir.get().ingress().closed()) table.row("Allow", "Ingress", numeric ? "0" : "ANY", "ANY", "NONE", "disabled", "-", "-", "0", "0");
        rows(table, entries, Direction.INGRESS, numeric);
        if (!dir.get().egress().closed()) table.row("Allow", "Egress", numeric ? "0" : "ANY", "ANY", "NONE", "disabled", "-", "-", "0", "0");
        rows(table, entries, Direction.EGRESS, numeric);
        table.print(context.out());
    }

    private void rows(TextTable table, List<PolicyEntry> entries, Direction direction, boolean numeric) {
        for (PolicyEntry e : entries) {
            if (e.direction() != direction) continue;
            List<String> peer = numeric ? List.of(Integer.toUnsignedString(e.peer())) : labels(e.peer());
            table.row(e.deny() ? "Deny" : "Allow", direction(e), peer.get(0), port(e), "NONE", "disabled", "-", "-", Integer.toString(prefix(e)),
                    Integer.toString(e.cookie()));
            for (int i = 1; i < peer.size(); i++) table.row("", "", peer.get(i));
        }
    }

    private List<String> labels(int peer) {
        if (peer == 0) return List.of("ANY");
        List<String> texts = new ArrayList<>();
        identities.labels(peer).ifPresent(l -> l.forEach(x -> texts.add(x.toString())));
        return texts.isEmpty() ? List.of((peer >>> 24 == 3 ? "peer class " : "unknown ") + Integer.toUnsignedString(peer)) : texts;
    }

    private static String direction(PolicyEntry e) {
        return e.direction() == Direction.INGRESS ? "Ingress" : "Egress";
    }

    private static String port(PolicyEntry e) {
        if (e.protocol() == 0) return "ANY";
        String protocol = Protocol.text(e.protocol());
        if (e.portBits() == 0) return "ANY/" + protocol;
        return e.portBits() == 16 ? e.port() + "/" + protocol : e.port() + "-" + (e.port() | 0xffff >>> e.portBits()) + "/" + protocol;
    }

    /** Cilium's length of the key's match: 8 bits of protocol, then those of the port. */
    private static int prefix(PolicyEntry e) {
        return e.protocol() == 0 ? 0 : 8 + e.portBits();
    }
}
