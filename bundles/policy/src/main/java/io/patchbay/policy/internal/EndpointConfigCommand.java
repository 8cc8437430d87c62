package io.patchbay.policy.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import jakarta.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code endpoint config}: audit mode of one endpoint, as {@code cilium endpoint config}. */
@Component(service = ShellCommand.class)
public final class EndpointConfigCommand implements ShellCommand {
    private static final String AUDIT = "PolicyAuditMode";
    private static final long WAIT_SECONDS = 10;

    private final Endpoints endpoints;

    @Activate
    public EndpointConfigCommand(@Reference Endpoints endpoints) {
        this.endpoints = endpoints;
    }

    @Override
    public String name() {
        return "endpoint config";
    }

    @Override
    public String summary() {
        return "Shows or sets the options of an endpoint: its audit mode";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: endpoint config ID|NAMESPACE/POD|host [" + AUDIT + "=Enabled|Disabled] [-o json]", "",
                AUDIT + ": what policy would drop passes, and the flow says AUDIT. It stays over restarts of the agent, until it is set again here or the",
                "node's policy-audit-mode changes. Example: endpoint config default/web-1 " + AUDIT + "=Enabled");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() > 1 ? List.of(AUDIT + "=Enabled", AUDIT + "=Disabled") : all().stream().map(Endpoint::name).toList();
    }

    private List<Endpoint> all() {
        List<Endpoint> all = new ArrayList<>(endpoints.list());
        endpoints.host().ifPresent(all::add);
        return all;
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        if (options.words().isEmpty() || options.words().size() > 2) throw new UsageException("the number or the namespace/name of one endpoint, and at most one option");
        String word = options.words().get(0);
        Optional<Endpoint> found = all().stream().filter(e -> word.equals(Integer.toString(e.id())) || word.equals(e.name())).findFirst();
        if (found.isEmpty()) {
            context.err().println("endpoint config: there is no endpoint " + word + " on this node; see endpoint list");
            return 1;
        }
        int id = found.get().id();
        if (options.words().size() == 2) {
            boolean on = setting(options.words().get(1));
            endpoints.setFlags(id, on ? PolicyFeature.AUDIT : 0, on ? 0 : PolicyFeature.AUDIT).get(WAIT_SECONDS, TimeUnit.SECONDS);
            if (!json) context.out().println("Endpoint " + id + " configuration updated successfully");
            else print(context, id, on, true);
            return 0;
        }
        print(context, id, (found.get().flags() & PolicyFeature.AUDIT) == PolicyFeature.AUDIT, json);
        return 0;
    }

    private static boolean setting(String text) throws UsageException {
        String[] parts = text.split("=", 2);
        if (!parts[0].equals(AUDIT)) throw new UsageException("'" + parts[0] + "' is no option of an endpoint here; there is " + AUDIT);
        return switch (parts.length == 2 ? parts[1].toLowerCase(Locale.ROOT) : "") {
            case "enabled", "enable", "true", "on" -> true;
            case "disabled", "disable", "false", "off" -> false;
            default -> throw new UsageException("'" + text + "': write " + AUDIT + "=Enabled or " + AUDIT + "=Disabled");
        };
    }

    private static void print(ShellContext context, int id, boolean audit, boolean json) {
        String value = audit ? "Enabled" : "Disabled";
        if (json) context.out().println(Json.createObjectBuilder().add("id", id).add("options", Json.createObjectBuilder().add(AUDIT, value)).build());
        else context.out().println(String.format(Locale.ROOT, "%-24s : %s", AUDIT, value));
    }
}
