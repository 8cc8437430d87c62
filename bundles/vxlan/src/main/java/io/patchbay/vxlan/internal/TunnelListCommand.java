package io.patchbay.vxlan.internal;

import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code bpf tunnel list}: the nodes whose tunnel packets are accepted, as the kernel has them. */
@Component(service = ShellCommand.class)
public final class TunnelListCommand implements ShellCommand {
    private final FeatureRuntime runtime;

    @Activate
    public TunnelListCommand(@Reference(target = "(patchbay.feature=vxlan)") FeatureRuntime runtime) {
        this.runtime = runtime;
    }

    @Override
    public String name() {
        return "bpf tunnel list";
    }

    @Override
    public String summary() {
        return "Pod CIDRs and the nodes behind the tunnel that have them";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: bpf tunnel list", "", "Only these nodes' tunnel packets are accepted, and only about pods of their own CIDRs.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options.parseOnly(context.arguments(), Set.of(), Set.of());
        Map<String, String> rows = new TreeMap<>();
        for (Map.Entry<Struct, Struct> e : runtime.map("tunnel_nodes").entries().entrySet()) {
            String node = TunnelNode.KEY.decode(e.getKey()).toString();
            for (Prefix cidr : TunnelNode.VALUE.decode(e.getValue()).cidrs()) rows.put(cidr + " " + node, cidr + "\t" + node);
        }
        TextTable table = new TextTable("TUNNEL", "VALUE");
        rows.values().forEach(r -> table.row(r.split("\t")));
        table.print(context.out());
        return 0;
    }
}
