package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.GenerationSpec;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.net.IpAddress;
import io.patchbay.bpf.BpfMap;
import io.patchbay.datapath.testkit.Compiled;
import io.patchbay.datapath.testkit.Lab;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Specifications of generations of test features. */
final class Generation {
    private Generation() {
    }

    static FeatureDescriptor feature(String name, List<Stage> stages, List<FeatureDescriptor.OwnedMap> maps) {
        return new FeatureDescriptor(name, "1.0.0", "a test's", "[1.0,2)", stages, maps, List.of(), List.of(), FeatureDescriptor.Disable.INSTANT, List.of(),
                List.of(), false);
    }

    static GenerationSpec.Part part(FeatureDescriptor d, Path... objects) {
        Map<String, Path> files = new LinkedHashMap<>();
        List<String> names = new ArrayList<>();
        d.stages().forEach(s -> names.add(s.object()));
        d.maps().forEach(m -> names.add(m.object()));
        names.stream().distinct().forEach(n -> files.put(n, objects[files.size()]));
        return new GenerationSpec.Part(d, "test", files, false);
    }

    static GenerationSpec.Part forwarder(FeatureDescriptor.Migration migration, String... defines) {
        return part(feature("forward",
                List.of(new Stage("bpf/forward.o", "forward_pod_egress", Hook.POD_EGRESS, 800), new Stage("bpf/forward.o", "forward_pod_ingress", Hook.POD_INGRESS, 700)),
                List.of(new FeatureDescriptor.OwnedMap("forward_table", "bpf/forward.o", "1.0", migration, 0),
                        new FeatureDescriptor.OwnedMap("forward_seen", "bpf/forward.o", "1.0", migration, 0))),
                Compiled.object("forward", defines));
    }

    static GenerationSpec.Part marked() {
        return part(feature("marked", List.of(new Stage("bpf/marked.o", "marked_pod_egress", Hook.POD_EGRESS, 600)), List.of()), Compiled.object("marked"));
    }

    static GenerationSpec spec(GenerationSpec.Part... parts) {
        return new GenerationSpec(List.of(parts), 1, "test", false);
    }

    /** The forwarder in a variant, behind the other stage. */
    static GenerationSpec spec(String... markers) {
        return spec(marked(), forwarder(FeatureDescriptor.Migration.COPY, "FORWARD_MARKER=" + markers[0]));
    }

    static Struct address(MapHandle table, String ip) {
        return new Struct(table.key()).set("", IpAddress.parse(ip));
    }

    static void fill(MapHandle table, Lab.Pod... pods) {
        for (Lab.Pod p : pods) {
            table.put(address(table, p.address()), new Struct(table.value()).set("ifindex", p.ifindex()).set("mac", Lab.macBytes(p.mac()))
                    .set("host_mac", Lab.macBytes(p.hostMac())));
        }
    }

    /** Sum of a counter's skbs over all CPUs. */
    static long sum(BpfMap map, int index) {
        ByteBuffer v = map.lookup(index);
        long n = 0;
        for (int cpu = 0; cpu < BpfMap.possibleCpus(); cpu++) {
            n += v.getLong(cpu * map.slotSize());
        }
        return n;
    }
}
