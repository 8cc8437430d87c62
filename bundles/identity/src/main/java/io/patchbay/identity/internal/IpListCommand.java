package io.patchbay.identity.internal;

import io.patchbay.api.identity.Identities;
import io.patchbay.api.identity.Ipcache;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code ip list}: the kernel's ipcache. */
@Component(service = ShellCommand.class)
public final class IpListCommand implements ShellCommand {
    private final Ipcache ipcache;
    private final Identities identities;

    @Activate
    public IpListCommand(@Reference Ipcache ipcache, @Reference Identities identities) {
        this.ipcache = ipcache;
        this.identities = identities;
    }

    @Override
    public String name() {
        return "ip list";
    }

    @Override
    public String summary() {
        return "Addresses and their identities, as the kernel has them";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: ip list [-n] [-v] [-o json]", "", "  -n, --numeric   identities as numbers", "  -v, --verbose   also the node behind the tunnel");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of("-n|--numeric", "-v|--verbose"), Set.of("-o|--output"));
        Map<Prefix, Ipcache.Entry> entries = ipcache.entries();
        if (options.output("text", "json").equals("json")) {
            JsonArrayBuilder list = Json.createArrayBuilder();
            entries.forEach((p, e) -> list.add(Json.createObjectBuilder().add("ip", p.toString()).add("identity", e.identity())
                    .add("tunnel", e.tunnel() == null ? "" : e.tunnel().toString()).add("source", source(e)).add("owner", e.owner())));
            context.out().println(list.build());
            return 0;
        }
        boolean verbose = options.has("--verbose");
        TextTable table = verbose ? new TextTable("IP", "IDENTITY", "SOURCE", "HOST", "ENCRYPT_KEY") : new TextTable("IP", "IDENTITY", "SOURCE");
        entries.forEach((p, e) -> {
            List<String> names = options.has("--numeric") ? List.of() : identities.labels(e.identity()).map(IpListCommand::names).orElse(List.of());
            String first = names.isEmpty() ? Integer.toString(e.identity()) : names.get(0);
            if (verbose) table.row(p.toString(), first, source(e), e.tunnel() == null ? "" : e.tunnel().toString(), "0");
            else table.row(p.toString(), first, source(e));
            names.stream().skip(1).forEach(n -> table.row("", n));
        });
        table.print(context.out());
        return 0;
    }

    private static List<String> names(LabelSet labels) {
        return labels.labels().stream().map(Object::toString).toList();
    }

    private static String source(Ipcache.Entry e) {
        return e.source().name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
