package io.patchbay.servicelb.internal;

import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.TextTable;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code bpf lb list}: the service maps slot by slot. */
@Component(service = ShellCommand.class)
public final class BpfLbListCommand implements ShellCommand {
    private final FeatureRuntime runtime;

    @Activate
    public BpfLbListCommand(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime) {
        this.runtime = runtime;
    }

    @Override
    public String name() {
        return "bpf lb list";
    }

    @Override
    public String summary() {
        return "The service maps of the datapath, slot by slot";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: bpf lb list", "", "Slot 0 is the frontend itself, with its type and flags; the others are backends: (frontend ID) (slot).");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options.parseOnly(context.arguments(), Set.of(), Set.of());
        LbSnapshot all = LbSnapshot.read(runtime::map);
        TextTable.print(context.out(), to -> table(all, to));
        return 0;
    }

    static void table(LbSnapshot all, Consumer<String[]> to) {
        to.accept(new String[] {"SERVICE ADDRESS", "BACKEND ADDRESS (REVNAT_ID) (SLOT)"});
        all.forEach(row -> {
            String id = " (" + row.service().id() + ") (";
            FrontendKind kind = FrontendKind.of(row.service().kind());
            StringBuilder flags = new StringBuilder(kind.text());
            if ((row.service().flags() & LbValue.FLAG_EXTERNAL_LOCAL) != 0) flags.append(", Local");
            if ((row.service().flags() & LbValue.FLAG_SOURCE_RANGES) != 0) flags.append(", check source-range");
            if (row.service().algorithm() == LbValue.MAGLEV) flags.append(", maglev ").append(row.service().table());
            if ((row.service().flags() & LbValue.FLAG_INTERNAL_LOCAL) != 0) flags.append(", InternalLocal");
            if (row.service().affinitySeconds() > 0) flags.append(", sessionAffinity");
            if (kind == FrontendKind.CLUSTER_IP) flags.append(", non-routable");
            to.accept(new String[] {row.frontend() + " (0)", (row.frontend().address().isV4() ? "0.0.0.0:0" : "[::]:0") + id + "0) [" + flags + "]"});
            int slot = 0;
            for (LbSnapshot.Slot s : row.slots()) {
                slot++;
                to.accept(new String[] {row.frontend() + " (" + slot + ")",
                    (s.backend() == null ? "backend " + s.number() + " missing" : s.backend().address()) + id + slot + ")"});
            }
        });
    }
}
