package io.patchbay.servicelb.internal;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonBuilderFactory;
import jakarta.json.JsonObjectBuilder;
import java.io.PrintStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code service list}: the services that the datapath serves, read from the kernel's maps. */
@Component(service = ShellCommand.class)
public final class ServiceListCommand implements ShellCommand {
    /** One for all: each call of {@code Json} looks for its provider anew. */
    private static final JsonBuilderFactory JSON = Json.createBuilderFactory(Map.of());

    private final FeatureRuntime runtime;
    private final Services services;

    @Activate
    public ServiceListCommand(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime, @Reference Services services) {
        this.runtime = runtime;
        this.services = services;
    }

    @Override
    public String name() {
        return "service list";
    }

    @Override
    public String summary() {
        return "Services and their backends, from the kernel's maps";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: service list [-o json]", "", "One row for each frontend, sorted by ID, with its backends and their states.",
                "Only active backends get new connections, terminating ones when there is no other.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        LbSnapshot all = LbSnapshot.read(runtime::map);
        if (json) json(all, services::owner, context.out());
        else TextTable.print(context.out(), to -> table(all, to));
        return 0;
    }

    static void table(LbSnapshot all, Consumer<String[]> to) {
        to.accept(new String[] {"ID", "Frontend", "Service Type", "Backend"});
        all.forEach(row -> {
            String id = Integer.toString(row.service().id());
            String kind = FrontendKind.of(row.service().kind()).text();
            if (row.slots().isEmpty()) to.accept(new String[] {id, row.frontend().toString(), kind, ""});
            int n = 0;
            for (LbSnapshot.Slot slot : row.slots()) {
                String backend = ++n + " => " + (slot.backend() == null ? "backend " + slot.number() + " (missing)"
                        : slot.backend().address() + " (" + slot.backend().state().text() + ")");
                to.accept(n == 1 ? new String[] {id, row.frontend().toString(), kind, backend} : new String[] {"", "", "", backend});
            }
        });
    }

    /** Cilium's model of {@code service list -o json}. */
    static void json(LbSnapshot all, Function<Frontend, Optional<ObjectKey>> owner, PrintStream out) {
        String[] before = {"["};
        all.forEach(row -> {
            JsonArrayBuilder backends = JSON.createArrayBuilder();
            for (LbSnapshot.Slot slot : row.slots()) {
                if (slot.backend() == null) continue;
                BackendAddress a = slot.backend().address();
                backends.add(JSON.createObjectBuilder().add("ip", a.address().toString()).add("port", a.port()).add("protocol", a.protocol().name())
                        .add("state", slot.backend().state().text()));
            }
            Frontend f = row.frontend();
            boolean externalLocal = (row.service().flags() & LbValue.FLAG_EXTERNAL_LOCAL) != 0;
            boolean internalLocal = (row.service().flags() & LbValue.FLAG_INTERNAL_LOCAL) != 0;
            JsonObjectBuilder flags = JSON.createObjectBuilder().add("type", FrontendKind.of(row.service().kind()).text())
                    .add("extTrafficPolicy", externalLocal ? "Local" : "Cluster").add("intTrafficPolicy", internalLocal ? "Local" : "Cluster");
            owner.apply(f).ifPresent(s -> flags.add("name", s.name()).add("namespace", s.namespace()));
            if (row.service().affinitySeconds() > 0) flags.add("sessionAffinityTimeoutSeconds", row.service().affinitySeconds());
            JsonObjectBuilder realized = JSON.createObjectBuilder().add("id", row.service().id())
                    .add("frontend-address", JSON.createObjectBuilder().add("ip", f.address().toString()).add("port", f.port())
                            .add("protocol", f.protocol().name()).add("scope", f.inside() ? "internal" : "external"))
                    .add("backend-addresses", backends).add("flags", flags);
            var spec = realized.build();
            out.print(before[0] + JSON.createObjectBuilder().add("spec", spec).add("status", JSON.createObjectBuilder().add("realized", spec)).build());
            before[0] = ",";
        });
        out.println(before[0].equals("[") ? "[]" : "]");
    }
}
