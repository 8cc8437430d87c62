package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.PolicyEnforcement;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import jakarta.json.Json;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** {@code endpoint get}. */
@Component(service = ShellCommand.class)
public final class EndpointGetCommand implements ShellCommand {
    private final EndpointComponent endpoints;
    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    volatile PolicyEnforcement enforcement;

    @Activate
    public EndpointGetCommand(@Reference EndpointComponent endpoints) {
        this.endpoints = endpoints;
    }

    @Override
    public String name() {
        return "endpoint get";
    }

    @Override
    public String summary() {
        return "One endpoint with everything known of it, as JSON";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: endpoint get ID|NAMESPACE/POD|host [-o json]", "", "Example: endpoint get default/web-1");
    }

    @Override
    public List<String> complete(List<String> words) {
        return words.size() == 1 ? endpoints.listWithHost().stream().map(Endpoint::name).toList() : List.of();
    }

    /** By number or name. */
    static Optional<Endpoint> find(EndpointComponent endpoints, List<String> words) throws UsageException {
        if (words.size() != 1) throw new UsageException("the number or the namespace/name of one endpoint is needed");
        String word = words.get(0);
        return endpoints.listWithHost().stream().filter(e -> word.equals(Integer.toString(e.id())) || word.equals(e.name())).findFirst();
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("-o|--output"));
        options.output("json");
        Optional<Endpoint> found = find(endpoints, options.words());
        if (found.isEmpty()) {
            context.err().println("there is no endpoint " + options.words().get(0) + " on this node; `endpoint list` shows those there are");
            return 1;
        }
        MapEntry kernel = endpoints.kernelEntries().get(found.get().id());
        PolicyEnforcement p = enforcement;
        context.out().println(Json.createArrayBuilder().add(EndpointJson.of(found.get(), kernel,
                kernel == null || p == null ? Optional.empty() : p.of(kernel.policyId()))).build());
        return 0;
    }
}
