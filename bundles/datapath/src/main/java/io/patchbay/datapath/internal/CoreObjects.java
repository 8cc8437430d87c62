package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Stage;
import io.patchbay.bpf.MapSpec;
import io.patchbay.bpf.ObjectSpec;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The objects of this bundle: preambles, and the core's own stages. */
final class CoreObjects {
    /** Feature name of the core's stages in plans, errors and {@code datapath show}. */
    static final String CORE = "datapath";
    static final String CHAIN = "pb_chain";
    static final List<String> PREAMBLES = List.of("preamble", "sock");
    private static final List<String> STAGES = List.of("parse", "end", "sock_default");
    private static final Map<Hook, String> PACKET = new LinkedHashMap<>();

    static {
        for (Hook h : Hook.values()) {
            if (!h.isSocket()) {
                PACKET.put(h, h.text().replace('-', '_'));
            }
        }
    }

    private final Map<String, ObjectSpec> specs = new LinkedHashMap<>();
    private final Map<String, String> digests = new LinkedHashMap<>();
    private final Map<String, MapSpec> maps = new LinkedHashMap<>();

    CoreObjects() {
        for (String name : concat(PREAMBLES, STAGES)) {
            byte[] bytes = read("/bpf/" + name + ".o");
            ObjectSpec spec = ObjectSpec.parse(bytes);
            specs.put(name, spec);
            digests.put(name, digest(bytes));
            spec.maps().forEach(maps::putIfAbsent);
        }
    }

    private static List<String> concat(List<String> a, List<String> b) {
        List<String> all = new ArrayList<>(a);
        all.addAll(b);
        return all;
    }

    private static byte[] read(String resource) {
        try (InputStream in = CoreObjects.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("the datapath bundle lacks " + resource);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(resource, e);
        }
    }

    static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    ObjectSpec spec(String name) {
        return specs.get(name);
    }

    Map<String, ObjectSpec> all() {
        return specs;
    }

    String digest(String name) {
        return digests.get(name);
    }

    /** All pinned maps that the core makes; the chain is each generation's own. */
    Map<String, MapSpec> maps() {
        Map<String, MapSpec> m = new LinkedHashMap<>(maps);
        m.remove(CHAIN);
        return m;
    }

    MapSpec chain() {
        return maps.get(CHAIN);
    }

    /** What a feature may own although the core makes it: the core's programs read it. */
    Set<String> shared() {
        return maps().keySet().stream().filter(n -> !n.startsWith("pb_") && !n.equals("fragments")).collect(java.util.stream.Collectors.toUnmodifiableSet());
    }

    /** The core's stages; at a socket hook only where no feature has one. */
    List<Plan.Owned> stages(Set<Hook> taken) {
        List<Plan.Owned> all = new ArrayList<>();
        PACKET.forEach((hook, name) -> {
            all.add(new Plan.Owned(CORE, new Stage("parse", "parse_" + name, hook, Plan.PARSE)));
            all.add(new Plan.Owned(CORE, new Stage("end", "end_" + name, hook, Plan.END)));
        });
        for (Hook h : Hook.values()) {
            if (h.isSocket() && !taken.contains(h)) {
                all.add(new Plan.Owned(CORE, new Stage("sock_default", "default_" + h.text(), h, 0)));
            }
        }
        return all;
    }
}
