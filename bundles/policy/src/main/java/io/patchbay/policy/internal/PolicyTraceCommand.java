package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Direction;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import io.patchbay.policy.internal.control.PolicyControl.InForce;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.evaluator.TraceResult;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code policy trace}: which rule decides about a connection, by the evaluator, which knows nothing of the kernel's tables. */
@Component(service = ShellCommand.class)
public final class PolicyTraceCommand implements ShellCommand {
    private final PolicyFeature policy;
    private final Identities identities;

    @Activate
    public PolicyTraceCommand(@Reference PolicyFeature policy, @Reference Identities identities) {
        this.policy = policy;
        this.identities = identities;
    }

    @Override
    public String name() {
        return "policy trace";
    }

    @Override
    public String summary() {
        return "Which rule of which policy decides about a connection, and why";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: policy trace --src END --dst END [--dport 80/TCP]... [-o json]", "",
                "END is a pod (namespace/name), a node, an address, an identity's number, or a label list (k8s:app=web,...).",
                "The destination is the one after service translation. --dport: 80/TCP, 53/UDP, icmp/8; TCP if no protocol is given, 80/TCP by default.",
                "Judged by the rules in force on this node; a note says if an endpoint of this node is in audit mode, where what is denied passes.",
                "Exit status 0 if all are allowed, 1 if one is denied.");
    }

    @Override
    public List<String> complete(List<String> words) {
        String before = words.size() < 2 ? "" : words.get(words.size() - 2);
        return before.equals("--src") || before.equals("--dst") ? Ends.names(policy.cluster()) : List.of();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("--src", "--dst", "--dport", "-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        String src = options.value("--src").orElseThrow(() -> new UsageException("--src is missing"));
        String dst = options.value("--dst").orElseThrow(() -> new UsageException("--dst is missing"));
        if (!options.words().isEmpty()) throw new UsageException("'" + options.words().get(0) + "' was not expected");
        Ends ends = new Ends(policy.cluster(), identities::labels);
        IpAddress to = ends.address(dst, null);
        IpAddress from = ends.address(src, to.isV4());
        List<String> ports = options.values("--dport").isEmpty() ? List.of("80/TCP") : options.values("--dport");
        List<Connection> connections = new ArrayList<>();
        for (String port : ports) connections.add(Ends.connection(from, to, port));
        InForce now = policy.inForce();
        Evaluator evaluator = new Evaluator(policy.options(), now.policies(), now.groups(), ends.cluster());
        boolean allowed = true;
        JsonArrayBuilder all = Json.createArrayBuilder();
        if (!json) ends.notes().forEach(n -> context.out().println("Note: " + n));
        for (Connection c : connections) {
            TraceResult result = evaluator.evaluate(c);
            allowed &= result.allowed();
            if (json) {
                all.add(json(result));
                continue;
            }
            context.out().println(result.render());
            for (TraceResult.Side side : List.of(result.source(), result.target()).stream().flatMap(Optional::stream).toList()) {
                if (audits(c, side)) context.out().println("Note: " + side.subject() + " is in audit mode: " + side.direction().text() + " passes all the same\n");
            }
        }
        if (json) context.out().println(PolicyGetCommand.pretty(all.build()));
        return allowed ? 0 : 1;
    }

    /** Whether what this side denies passes on this node. */
    private boolean audits(Connection c, TraceResult.Side side) {
        return !side.allowed() && policy.audits(side.direction() == Direction.INGRESS ? c.destination() : c.source(), side.direction());
    }

    private JsonObjectBuilder json(TraceResult r) {
        JsonObjectBuilder o = Json.createObjectBuilder().add("connection", r.connection().toString()).add("allowed", r.allowed()).add("reason", r.reason())
                .add("skip", r.skip());
        r.source().ifPresent(s -> o.add("egress", json(s).add("audit", audits(r.connection(), s))));
        r.target().ifPresent(s -> o.add("ingress", json(s).add("audit", audits(r.connection(), s))));
        return o;
    }

    private static JsonObjectBuilder json(TraceResult.Side s) {
        JsonArrayBuilder matches = Json.createArrayBuilder();
        s.matches().forEach(m -> matches.add(m.toString()));
        JsonArrayBuilder selecting = Json.createArrayBuilder();
        s.selecting().forEach(x -> selecting.add(Json.createObjectBuilder().add("object", x.object()).add("rule", x.rule()).add("closes", x.closes())));
        return Json.createObjectBuilder().add("subject", s.subject()).add("peer", s.peer()).add("closed", s.closed()).add("allowed", s.allowed())
                .add("deciding", s.deciding().map(Object::toString).orElse("")).add("matches", matches).add("selecting", selecting);
    }
}
