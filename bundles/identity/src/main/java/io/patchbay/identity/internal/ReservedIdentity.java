package io.patchbay.identity.internal;

import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Numbers that mean the same everywhere; Cilium's. */
final class ReservedIdentity {
    static final int HOST = 1;
    static final int WORLD = 2;
    static final int REMOTE_NODE = 6;
    static final int KUBE_APISERVER = 7;
    static final int WORLD_IPV4 = 9;
    static final int WORLD_IPV6 = 10;

    private static final Map<Integer, LabelSet> ALL = new TreeMap<>();

    static {
        put(HOST, "host");
        put(WORLD, "world");
        put(3, "unmanaged");
        put(4, "health");
        put(5, "init");
        put(REMOTE_NODE, "remote-node");
        put(KUBE_APISERVER, "kube-apiserver", "remote-node");
        put(8, "ingress");
        put(WORLD_IPV4, "world-ipv4");
        put(WORLD_IPV6, "world-ipv6");
    }

    /** What an identity stands for besides, when the API server answers at its addresses. */
    static LabelSet withApiServer(LabelSet labels) {
        return LabelSet.of(Stream.concat(labels.labels().stream(), Stream.of(Label.reserved("kube-apiserver"))).toList());
    }

    private ReservedIdentity() {
    }

    private static void put(int number, String... names) {
        ALL.put(number, LabelSet.of(java.util.Arrays.stream(names).map(Label::reserved).toArray(Label[]::new)));
    }

    static Map<Integer, LabelSet> all() {
        return Collections.unmodifiableMap(ALL);
    }
}
