package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.PolicyEnforcement;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** {@code endpoint list}. */
@Component(service = ShellCommand.class)
public final class EndpointListCommand implements ShellCommand {
    private static final int AUDIT_IN = 4; // enum pb_ep_flags
    private static final int AUDIT_OUT = 8;

    private final EndpointComponent endpoints;
    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    volatile PolicyEnforcement enforcement;

    @Activate
    public EndpointListCommand(@Reference EndpointComponent endpoints) {
        this.endpoints = endpoints;
    }

    @Override
    public String name() {
        return "endpoint list";
    }

    @Override
    public String summary() {
        return "Pods of this node and the node itself, with identity and policy as the kernel has them";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: endpoint list [-o json]");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        Map<Integer, MapEntry> kernel = endpoints.kernelEntries();
        if (options.output("text", "json").equals("json")) {
            JsonArrayBuilder list = Json.createArrayBuilder();
            for (Endpoint e : endpoints.listWithHost()) list.add(EndpointJson.of(e, kernel.get(e.id()), enforced(kernel.get(e.id()))));
            context.out().println(list.build());
            return 0;
        }
        TextTable table = new TextTable("ENDPOINT", "POLICY (ingress)", "POLICY (egress)", "IDENTITY", "LABELS (source:key[=value])", "IPv6", "IPv4", "STATUS");
        table.row("", "ENFORCEMENT", "ENFORCEMENT");
        for (Endpoint e : endpoints.listWithHost()) {
            MapEntry k = kernel.get(e.id());
            List<String> labels = e.labels().labels().stream().map(Object::toString).toList();
            String identity = k == null || k.identity() == 0 ? "<no label id>" : Integer.toString(k.identity());
            Optional<PolicyEnforcement.Directions> d = enforced(k);
            table.row(Integer.toString(e.id()), text(k, AUDIT_IN, d.map(PolicyEnforcement.Directions::ingress)),
                    text(k, AUDIT_OUT, d.map(PolicyEnforcement.Directions::egress)), identity, labels.isEmpty() ? "no labels" : labels.get(0),
                    e.isHost() ? "" : EndpointJson.address(e, false), e.isHost() ? "" : EndpointJson.address(e, true), e.state().text());
            labels.stream().skip(1).forEach(l -> table.row("", "", "", "", l));
        }
        table.print(context.out());
        return 0;
    }

    private Optional<PolicyEnforcement.Directions> enforced(MapEntry k) {
        PolicyEnforcement p = enforcement;
        return k == null || p == null ? Optional.empty() : p.of(k.policyId());
    }

    /** Without a class nothing passes, if policy is there at all; but at the node itself it is not asked then. */
    private String text(MapEntry k, int audit, Optional<Boolean> enforced) {
        if (k != null && k.isHost() && k.policyId() == 0) return "Disabled";
        if (k == null || enforced.isEmpty()) return enforcement == null ? "Disabled" : "Unknown";
        if (!enforced.get()) return "Disabled";
        return (k.flags() & audit) != 0 ? "Disabled (Audit)" : "Enabled";
    }
}
