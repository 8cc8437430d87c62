package io.patchbay.node.internal;

import io.patchbay.api.cluster.ClusterTables;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code node list}: the nodes that this one knows. */
@Component(service = ShellCommand.class)
public final class NodeListCommand implements ShellCommand {
    private final ClusterTables tables;
    private final String own;

    @Activate
    public NodeListCommand(@Reference ClusterTables tables, BundleContext context) {
        this.tables = tables;
        this.own = NodeComponent.nodeName(context);
    }

    @Override
    public String name() {
        return "node list";
    }

    @Override
    public String summary() {
        return "Nodes of the cluster, their addresses and pod CIDRs";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: node list [-o json]", "", "Source is \"local\" for this node, \"custom-resource\" for those that the cluster told of.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        List<Node> nodes = tables.nodes().snapshot().rows().stream().sorted(Comparator.comparing(Node::name)).toList();
        if (options.output("text", "json").equals("json")) {
            JsonArrayBuilder all = Json.createArrayBuilder();
            for (Node node : nodes) {
                JsonObjectBuilder o = Json.createObjectBuilder().add("name", node.name()).add("source", source(node));
                JsonArrayBuilder addresses = Json.createArrayBuilder();
                node.internalIps().forEach(a -> addresses.add(a.toString()));
                JsonArrayBuilder cidrs = Json.createArrayBuilder();
                node.podCidrs().forEach(p -> cidrs.add(p.toString()));
                all.add(o.add("addresses", addresses).add("podCIDRs", cidrs));
            }
            context.out().println(all.build());
            return 0;
        }
        TextTable table = new TextTable("Name", "IPv4 Address", "Endpoint CIDR", "IPv6 Address", "Endpoint CIDR", "Source");
        for (Node n : nodes) table.row(n.name(), address(n, true), cidr(n, true), address(n, false), cidr(n, false), source(n));
        table.print(context.out());
        return 0;
    }

    private String source(Node node) {
        return node.name().equals(own) ? "local" : "custom-resource";
    }

    private static String address(Node node, boolean v4) {
        return node.internalIps().stream().filter(a -> a.isV4() == v4).findFirst().map(IpAddress::toString).orElse("");
    }

    private static String cidr(Node node, boolean v4) {
        return node.podCidrs().stream().filter(p -> p.address().isV4() == v4).findFirst().map(Prefix::toString).orElse("");
    }
}
