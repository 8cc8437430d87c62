package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.flow.Flow;
import io.patchbay.api.flow.FlowSource;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import io.patchbay.api.shell.UsageException;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.policy.internal.control.PolicyControl.InForce;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.evaluator.PolicyDiff;
import io.patchbay.policy.internal.evaluator.TraceResult;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** {@code policy diff}: what would change if a file were applied. Nothing is applied. */
@Component(service = ShellCommand.class)
public final class PolicyDiffCommand implements ShellCommand {
    private final PolicyFeature policy;
    private final Identities identities;
    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    volatile FlowSource flows;

    @Activate
    public PolicyDiffCommand(@Reference PolicyFeature policy, @Reference Identities identities) {
        this.policy = policy;
        this.identities = identities;
    }

    @Override
    public String name() {
        return "policy diff";
    }

    @Override
    public String summary() {
        return "Which flows would change verdict if a file of policies were applied";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: policy diff FILE [--conn SRC,DST,PORT]... [-o json]", "",
                "FILE holds policies and CIDR groups in YAML (on the agent's machine; - for standard input). Those of the same kind, namespace and",
                "name replace the ones in force, others are added; nothing is applied.",
                "Judged are the connections in hubble's flow ring of this node, each once, by the cluster as it is now: NOW under the rules in force,",
                "THEN with the file, and the rule that decides. With --conn, those that you name: SRC and DST as for policy trace, but no label lists;",
                "PORT as 80/TCP. Exit status 0 whether or not something changes.");
    }

    /** The policies and groups that a file makes of those in force. */
    private record Applied(List<PolicyObject> policies, List<CidrGroup> groups) {
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("--conn", "-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        if (options.words().size() != 1) throw new UsageException("one FILE is needed");
        FlowSource source = flows;
        if (options.values("--conn").isEmpty() && source == null) {
            context.err().println("policy diff: the feature hubble is not running on this node, so there are no flows to judge;"
                    + " `feature enable hubble`, or name connections with --conn");
            return 1;
        }
        InForce now = policy.inForce();
        Applied then;
        try {
            then = apply(options.words().get(0), context, now);
        } catch (DecodeException e) {
            context.err().println(e.getMessage());
            return 1;
        } catch (NoSuchFileException e) {
            context.err().println("policy diff: there is no file " + e.getFile());
            return 1;
        } catch (IOException e) {
            context.err().println("policy diff: " + options.words().get(0) + " can't be read: " + e.getMessage());
            return 1;
        }
        Ends ends = new Ends(policy.cluster(), identities::labels);
        Map<Connection, Optional<Flow>> connections = new LinkedHashMap<>();
        Optional<FlowConnections> seen = Optional.empty();
        if (options.values("--conn").isEmpty()) {
            seen = Optional.of(new FlowConnections(ends.cluster()).read(source));
            seen.get().newest().forEach((c, f) -> connections.put(c, Optional.of(f)));
        } else {
            for (String conn : options.values("--conn")) connections.put(connection(ends, conn), Optional.empty());
        }
        List<PolicyDiff.Changed> changed = PolicyDiff.of(new Evaluator(policy.options(), now.policies(), now.groups(), ends.cluster()),
                new Evaluator(policy.options(), then.policies(), then.groups(), ends.cluster()), connections.keySet());
        Map<IpAddress, String> names = new HashMap<>();
        for (Cluster.Node node : ends.cluster().nodes()) node.addresses().forEach(a -> names.put(a, node.name()));
        for (Cluster.Pod pod : ends.cluster().pods()) pod.addresses().forEach(a -> names.put(a, pod.name()));
        if (json) json(context, changed, connections, names, seen);
        else text(context, changed, connections, names, seen);
        return 0;
    }

    private static Applied apply(String file, ShellContext context, InForce now) throws IOException, DecodeException, UsageException {
        byte[] text = file.equals("-") ? context.in().readAllBytes()
                : Files.readAllBytes(Path.of(context.environment().getOrDefault("PWD", "/")).resolve(file)); // what the client was called from
        Map<PolicyObject.Key, PolicyObject> policies = new TreeMap<>();
        now.policies().forEach(p -> policies.put(p.key(), p));
        Map<String, CidrGroup> groups = new TreeMap<>();
        now.groups().forEach(g -> groups.put(g.name(), g));
        int found = 0;
        for (Decoded d : ClusterDecoder.standard().decode(file, text)) {
            if (d.row() instanceof PolicyObject p) policies.put(p.key(), p);
            else if (d.row() instanceof CidrGroup g) groups.put(g.name(), g);
            else continue;
            found++;
        }
        if (found == 0) throw new UsageException(file + " has no policy and no CIDR group");
        return new Applied(List.copyOf(policies.values()), List.copyOf(groups.values()));
    }

    private static Connection connection(Ends ends, String conn) throws UsageException {
        String[] parts = conn.split(",");
        if (parts.length != 3) throw new UsageException("'" + conn + "' is no connection; write a/web,b/db,5432/TCP");
        IpAddress to = ends.address(parts[1], null);
        return Ends.connection(ends.address(parts[0], to.isV4()), to, parts[2]);
    }

    private static String verdict(TraceResult r) {
        return r.allowed() ? "ALLOWED" : "DENIED";
    }

    /** What decides THEN; where that is no rule, why. */
    private static String decides(TraceResult r) {
        String text = r.summary();
        int at = text.indexOf('(');
        return text.substring(at + 1, text.length() - 1);
    }

    private static String destination(Connection c, Map<IpAddress, String> names) {
        return name(c.destination(), names) + (c.isIcmp() ? "" : ":" + c.port());
    }

    private static String name(IpAddress address, Map<IpAddress, String> names) {
        return names.getOrDefault(address, address.toString());
    }

    private static String protocol(Connection c) {
        return Protocol.text(c.protocol()) + (c.isIcmp() ? " type " + c.icmpType() : "");
    }

    private static void text(ShellContext context, List<PolicyDiff.Changed> changed, Map<Connection, Optional<Flow>> connections,
            Map<IpAddress, String> names, Optional<FlowConnections> seen) {
        if (!changed.isEmpty()) {
            TextTable table = new TextTable("LAST SEEN", "SOURCE", "DESTINATION", "PROTOCOL", "NOW", "THEN", "DECIDED BY");
            for (PolicyDiff.Changed c : changed) {
                Connection connection = c.before().connection();
                Optional<Flow> flow = connections.get(connection);
                table.row(flow.map(f -> f.time().toString()).orElse("-"), name(connection.source(), names), destination(connection, names),
                        protocol(connection),
                        verdict(c.before()), verdict(c.after()), decides(c.after()));
            }
            table.print(context.out());
            context.out().println();
        }
        context.out().println(changed.size() + " of " + connections.size() + " connections would change"
                + seen.map(s -> "; judged from " + s.flows() + " flows" + (s.strangers() == 0 ? "" : ", " + s.strangers()
                + " of which were left out: a pod of theirs has gone or changed since")).orElse(""));
    }

    private static void json(ShellContext context, List<PolicyDiff.Changed> changed, Map<Connection, Optional<Flow>> connections,
            Map<IpAddress, String> names, Optional<FlowConnections> seen) {
        JsonArrayBuilder rows = Json.createArrayBuilder();
        for (PolicyDiff.Changed c : changed) {
            Connection connection = c.before().connection();
            Optional<Flow> flow = connections.get(connection);
            JsonObjectBuilder row = Json.createObjectBuilder().add("source", name(connection.source(), names)).add("sourceAddress", connection.source().toString())
                    .add("destination", name(connection.destination(), names))
                    .add("destinationAddress", connection.destination().toString()).add("protocol", Protocol.text(connection.protocol()));
            if (connection.isIcmp()) row.add("icmpType", connection.icmpType());
            else row.add("port", connection.port());
            flow.ifPresent(f -> row.add("lastSeen", f.time().toString()).add("uuid", f.uuid().toString()));
            rows.add(row.add("now", json(c.before())).add("then", json(c.after())));
        }
        JsonObjectBuilder all = Json.createObjectBuilder().add("changed", rows).add("connections", connections.size());
        seen.ifPresent(s -> all.add("flows", s.flows()).add("leftOut", s.strangers()));
        context.out().println(PolicyGetCommand.pretty(all.build()));
    }

    private static JsonObjectBuilder json(TraceResult r) {
        return Json.createObjectBuilder().add("allowed", r.allowed()).add("reason", r.reason()).add("decidedBy", decides(r));
    }
}
