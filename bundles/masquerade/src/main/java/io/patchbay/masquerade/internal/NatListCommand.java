package io.patchbay.masquerade.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.net.Protocol;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code bpf nat list}: the mappings that the kernel holds. */
@Component(service = ShellCommand.class)
public final class NatListCommand implements ShellCommand {
    private static final long SECOND = 1_000_000_000L;

    private final FeatureRuntime runtime;

    @Activate
    public NatListCommand(@Reference(target = "(patchbay.feature=masquerade)") FeatureRuntime runtime) {
        this.runtime = runtime;
    }

    @Override
    public String name() {
        return "bpf nat list";
    }

    @Override
    public String summary() {
        return "Masqueraded connections that the kernel holds";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: bpf nat list [-o json]", "", "Two lines a mapping: what the pod sends, and what comes back.");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options options = Options.parseOnly(context.arguments(), Set.of(), Set.of("-o|--output"));
        boolean json = options.output("text", "json").equals("json");
        long now = System.nanoTime();
        List<Mappings.Mapping> all = new ArrayList<>(new Mappings(runtime::map, true, System::nanoTime).list());
        all.addAll(new Mappings(runtime::map, false, System::nanoTime).list());
        JsonArrayBuilder array = Json.createArrayBuilder();
        all.stream().sorted(Comparator.comparing(Mappings.Mapping::pod).thenComparing(Mappings.Mapping::remote)).forEach(m -> {
            String protocol = Protocol.text(m.protocol());
            long age = (now - m.created()) / SECOND;
            if (json) {
                array.add(Json.createObjectBuilder().add("protocol", protocol).add("pod", m.pod()).add("node", m.node()).add("remote", m.remote())
                        .add("ageSeconds", age).add("remainingSeconds", (m.expires() - now) / SECOND));
                return;
            }
            context.out().println(protocol + " OUT " + m.pod() + " -> " + m.remote() + " XLATE_SRC " + m.node() + " Created=" + age + "sec ago NeedsCT=0");
            context.out().println(protocol + " IN " + m.remote() + " -> " + m.node() + " XLATE_DST " + m.pod() + " Created=" + age + "sec ago NeedsCT=0");
        });
        if (json) context.out().println(array.build());
        return 0;
    }
}
