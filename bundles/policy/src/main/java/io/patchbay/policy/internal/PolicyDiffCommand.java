package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.identity.Identities;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.policy.internal.control.PolicyControl.InForce;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.evaluator.PolicyDiff;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code policy diff}: what would change if a file were applied. Nothing is applied. */
@Component(service = ShellCommand.class)
public final class PolicyDiffCommand implements ShellCommand {
    private final PolicyFeature policy;
    private final Identities identities;

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
        return "Which connections would change verdict if a file of policies were applied";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: policy diff FILE --conn SRC,DST,PORT [--conn ...]", "",
                "FILE holds policies in YAML (absolute path on the node; - for standard input). Those of the same name replace the ones in force.",
                "SRC and DST as for policy trace, but no label lists; PORT as 80/TCP. Exit status 0 whether or not something changes.",
                "The connections are those that you name: the flow ring is not asked.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parse(context.arguments(), Set.of(), Set.of("--conn"));
        if (options.words().size() != 1) throw new UsageException("one FILE is needed");
        if (options.values("--conn").isEmpty()) throw new UsageException("no --conn: name the connections to judge, as a/web,b/db,5432/TCP");
        InForce now = policy.inForce();
        Map<PolicyObject.Key, PolicyObject> after = new TreeMap<>();
        now.policies().forEach(p -> after.put(p.key(), p));
        Map<String, CidrGroup> groups = new TreeMap<>();
        now.groups().forEach(g -> groups.put(g.name(), g));
        String file = options.words().get(0);
        try {
            byte[] text = file.equals("-") ? context.in().readAllBytes() : Files.readAllBytes(Path.of(file));
            for (Decoded d : ClusterDecoder.standard().decode(file, text)) {
                if (d.row() instanceof PolicyObject p) after.put(p.key(), p);
                else if (d.row() instanceof CidrGroup g) groups.put(g.name(), g);
            }
        } catch (DecodeException e) {
            context.err().println(e.getMessage());
            return 1;
        } catch (IOException e) {
            context.err().println("policy diff: " + file + " can't be read: " + e.getMessage());
            return 1;
        }
        Ends ends = new Ends(policy.cluster(), identities::labels);
        List<Connection> connections = new ArrayList<>();
        for (String conn : options.values("--conn")) {
            String[] parts = conn.split(",");
            if (parts.length != 3) throw new UsageException("'" + conn + "' is no connection; write a/web,b/db,5432/TCP");
            IpAddress to = ends.address(parts[1], null);
            connections.add(Ends.connection(ends.address(parts[0], to.isV4()), to, parts[2]));
        }
        List<PolicyDiff.Changed> changed = PolicyDiff.of(new Evaluator(policy.options(), now.policies(), now.groups(), ends.cluster()),
                new Evaluator(policy.options(), List.copyOf(after.values()), List.copyOf(groups.values()), ends.cluster()), connections);
        changed.forEach(c -> context.out().print(c.render()));
        context.out().println(changed.size() + " of " + connections.size() + " connections would change");
        return 0;
    }
}
