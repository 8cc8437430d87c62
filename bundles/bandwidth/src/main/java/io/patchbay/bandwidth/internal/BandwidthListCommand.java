package io.patchbay.bandwidth.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code bpf bandwidth list}: the limits of this node's pods. */
@Component(service = ShellCommand.class)
public final class BandwidthListCommand implements ShellCommand {
    private final Endpoints endpoints;

    @Activate
    public BandwidthListCommand(@Reference Endpoints endpoints) {
        this.endpoints = endpoints;
    }

    @Override
    public String name() {
        return "bpf bandwidth list";
    }

    @Override
    public String summary() {
        return "Bandwidth limits of this node's pods";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: bpf bandwidth list", "", "Set by the annotations " + Limits.EGRESS + " and " + Limits.INGRESS + ", in bits per second.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options.parseOnly(context.arguments(), Set.of(), Set.of());
        TextTable table = new TextTable("IDENTITY", "DIRECTION", "BANDWIDTH (BitsPerSec)", "POD");
        for (Endpoint e : endpoints.list().stream().sorted(Comparator.comparingInt(Endpoint::id)).toList()) {
            Limits limits;
            try {
                limits = Limits.of(e);
            } catch (IllegalArgumentException wrong) {
                context.err().println(e.name() + ": " + wrong.getMessage());
                continue;
            }
            if (limits.egress() != null) table.row(Integer.toString(e.id()), "Egress", limits.egress().toString(), e.name());
            if (limits.ingress() != null) table.row(Integer.toString(e.id()), "Ingress", limits.ingress().toString(), e.name());
        }
        table.print(context.out());
        return 0;
    }
}
