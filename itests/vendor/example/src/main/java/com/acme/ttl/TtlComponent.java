package com.acme.ttl;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.shell.Options;
import io.patchbay.api.shell.ShellCommand;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.status.StatusRow;
import io.patchbay.api.status.StatusSource;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** Fills the limit from the configuration, and shows what the stage has counted. */
@Component(service = {ShellCommand.class, StatusSource.class}, immediate = true)
public final class TtlComponent implements ShellCommand, StatusSource {
    private final MapHandle seen;
    private final int minTtl;

    @Activate
    public TtlComponent(@Reference(target = "(patchbay.feature=acme-ttl)") FeatureRuntime runtime) {
        seen = runtime.map("acme_ttl_seen");
        minTtl = Integer.parseInt(runtime.config().get("min-ttl"));
        MapHandle limit = runtime.map("acme_ttl_limit");
        limit.put(new Struct(limit.key()), new Struct(limit.value()).set("min_ttl", minTtl));
        runtime.ready();
    }

    private Map<Long, Struct> byTtl() {
        Map<Long, Struct> all = new TreeMap<>();
        seen.forEach((key, value) -> all.put(key.get("ttl"), value));
        return all;
    }

    @Override
    public String name() {
        return "acme ttl list";
    }

    @Override
    public String summary() {
        return "Packets that pods have sent, by TTL";
    }

    @Override
    public List<String> help() {
        return List.of("Usage: acme ttl list");
    }

    @Override
    public int run(ShellContext context) throws Exception {
        Options.parse(context.arguments(), Set.of(), Set.of());
        byTtl().forEach((ttl, v) -> context.out().println("ttl " + ttl + ": " + v.get("packets") + " packets, " + v.get("refused") + " refused"));
        return 0;
    }

    @Override
    public List<StatusRow> rows(boolean verbose) {
        long refused = byTtl().values().stream().mapToLong(v -> v.get("refused")).sum();
        return List.of(StatusRow.of(500, "Acme TTL", "at least " + minTtl, refused + " refused"));
    }
}
