package io.patchbay.policy.internal;

import io.patchbay.api.cluster.policy.Peer;
import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.cluster.policy.PolicyRule;
import io.patchbay.api.cluster.policy.PortMatch;
import io.patchbay.api.cluster.policy.RuleElement;
import io.patchbay.api.cluster.policy.SourcePosition;
import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelFilter;
import io.patchbay.api.labels.LabelSelector;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import io.patchbay.bpf.Rcu;
import io.patchbay.policy.internal.compile.PeerMember;
import io.patchbay.policy.internal.compile.PolicyEngine;
import io.patchbay.policy.internal.compile.TableDelta;
import io.patchbay.policy.internal.kernel.KernelTables;
import io.patchbay.policy.internal.model.PolicyOptions;
import io.patchbay.policy.internal.model.SubjectClass;
import io.patchbay.policy.internal.table.Cookies;
import io.patchbay.policy.internal.table.PolicyMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;

/**
 * Figures of the compiler, printed: a full computation, one policy, one identity, the latter two until they are in force in the kernel. Arguments:
 * identities, policies, endpoints (10000 1000 100). Run in the module's directory, as root.
 * Every endpoint is a class of its own; each policy selects a tenth of one namespace' pods and names peers by label, namespace and prefix.
 */
public final class CompilerBench {
    private CompilerBench() {
    }

    public static void main(String[] args) {
        int identities = args.length > 0 ? Integer.parseInt(args[0]) : 10_000;
        int policies = args.length > 1 ? Integer.parseInt(args[1]) : 1_000;
        int endpoints = args.length > 2 ? Integer.parseInt(args[2]) : 100;
        int namespaces = 50;
        Random random = new Random(1);
        List<PeerMember> members = new ArrayList<>();
        members.add(PeerMember.identity(1, LabelSet.of(Label.reserved("host"))));
        members.add(PeerMember.cidr(2, LabelSet.of(Label.reserved("world")), Prefix.parse("0.0.0.0/0")));
        members.add(PeerMember.identity(6, LabelSet.of(Label.reserved("remote-node"))));
        for (int i = 0; i < identities; i++) members.add(identity(256 + i, i, namespaces));
        List<PolicyObject> objects = new ArrayList<>();
        for (int i = 0; i < policies; i++) objects.add(policy(i, namespaces, random));
        Map<Integer, SubjectClass> classes = new TreeMap<>();
        for (int i = 0; i < endpoints; i++) classes.put(i + 1, new SubjectClass(members.get(3 + i * (identities / endpoints + 1) % identities).labels(), false, Map.of()));

        try (Programs programs = new Programs()) {
            for (int round = 0; round < 5; round++) round(round, identities, policies, namespaces, random, members, objects, classes, programs.tables(false));
        }
    }

    private static void round(int round, int identities, int policies, int namespaces, Random random, List<PeerMember> members, List<PolicyObject> objects,
            Map<Integer, SubjectClass> classes, KernelTables kernel) {
        System.gc();
        long before = used();
        long t0 = System.nanoTime();
        PolicyEngine engine = new PolicyEngine(PolicyOptions.DEFAULTS, new Cookies());
        engine.addMembers(members);
        List<PeerMember> prefixes = new ArrayList<>();
        for (Prefix p : engine.demandAfter(PolicyEngine.Change.policies(objects)).prefixes()) {
            if (p.length() > 0) prefixes.add(PeerMember.cidr((1 << 24) + 1 + prefixes.size(), IdentityLabels.ofPrefix(p.toString(), false), p));
        }
        engine.addMembers(prefixes);
        engine.apply(new PolicyEngine.Change(objects, List.of(), List.of(), List.of()));
        Map<Integer, PolicyMap> maps = new TreeMap<>();
        long entries = 0;
        long tables = 0;
        for (Map.Entry<Integer, SubjectClass> e : classes.entrySet()) {
            PolicyMap map = engine.addClass(e.getKey(), e.getValue());
            maps.put(e.getKey(), map);
            entries += map.size();
            tables += map.memory();
        }
        long full = System.nanoTime() - t0;
        System.gc();
        long memory = used() - before;

        long t3 = System.nanoTime();
        List<Integer> retired = kernel.install(maps, List.of());
        long written = System.nanoTime() - t3;
        quiet(kernel, retired);

        long t1 = System.nanoTime();
        Map<Integer, PolicyMap> rebuilt = engine.apply(PolicyEngine.Change.policies(List.of(policy(policies + round, namespaces, random))));
        long one = System.nanoTime() - t1;
        retired = kernel.install(rebuilt, List.of());
        long oneInForce = System.nanoTime() - t1;
        quiet(kernel, retired);

        long[] adds = new long[1000];
        long[] inForce = new long[1000];
        long touched = 0;
        for (int i = 0; i < adds.length; i++) {
            long t2 = System.nanoTime();
            TableDelta delta = engine.addMembers(List.of(identity(256 + identities + i, identities + i, namespaces)));
            adds[i] = System.nanoTime() - t2;
            kernel.add(delta);
            inForce[i] = System.nanoTime() - t2;
            touched += delta.add().size();
        }
        Arrays.sort(adds);
        Arrays.sort(inForce);
        quiet(kernel, kernel.install(Map.of(), classes.keySet()));
        System.out.printf("full %d ms, %d entries (tables %d MB, all %d MB), written in %d ms; one policy %d us, in force %d us (%d tables anew); "
                + "one identity p50 %d us p99 %d us max %d us, in the kernel p50 %d us p99 %d us max %d us (%.1f classes); %s%n", full / 1_000_000, entries, tables >> 20,
                memory >> 20, written / 1_000_000, one / 1000, oneInForce / 1000, rebuilt.size(), adds[500] / 1000, adds[990] / 1000, adds[999] / 1000, inForce[500] / 1000,
                inForce[990] / 1000, inForce[999] / 1000, touched / 1000.0, engine.describe());
    }

    private static void quiet(KernelTables kernel, List<Integer> retired) {
        long flips = kernel.flips();
        Rcu.grace();
        kernel.quiet(flips);
        kernel.discard(retired);
    }

    private static long used() {
        Runtime r = Runtime.getRuntime();
        return r.totalMemory() - r.freeMemory();
    }

    private static PeerMember identity(int number, int i, int namespaces) {
        String namespace = "ns" + i % namespaces;
        return PeerMember.identity(number, IdentityLabels.ofPod(namespace, "sa" + i % 7, Map.of("app", "app" + i / namespaces % 20, "pod", "p" + i,
                "tier", i % 2 == 0 ? "front" : "back"), Map.of("kubernetes.io/metadata.name", namespace, "team", "t" + i % 5), "default",
                LabelFilter.defaults()));
    }

    private static PolicyObject policy(int i, int namespaces, Random random) {
        List<Peer> labels = List.of(new Peer.Endpoints(LabelSelector.of(Map.of("app", "app" + random.nextInt(20)))),
                new Peer.Endpoints(LabelSelector.of(Map.of("k8s:" + IdentityLabels.NAMESPACE, "ns" + random.nextInt(namespaces), "tier", "front"))));
        List<Peer> prefixes = List.of(new Peer.Cidr(Prefix.parse("10." + random.nextInt(100) + ".0.0/16"), List.of()));
        List<PortMatch> ports = List.of(PortMatch.number(PortMatch.Protocol.TCP, 8000 + random.nextInt(100)),
                PortMatch.range(PortMatch.Protocol.UDP, 1000, 1010));
        PolicyRule rule = new PolicyRule(PolicyRule.SubjectKind.ENDPOINTS, LabelSelector.of(Map.of("app", "app" + random.nextInt(20))),
                Optional.of(List.of(new RuleElement(Optional.of(labels), Optional.of(ports), Optional.empty()))),
                Optional.of(List.of(new RuleElement(Optional.of(prefixes), Optional.empty(), Optional.empty()),
                        new RuleElement(Optional.of(labels), Optional.of(ports), Optional.empty()))),
                Optional.empty(), Optional.empty(), Map.of(), Optional.empty(), List.of(), "", "");
        return new PolicyObject(PolicyKind.CILIUM_NETWORK_POLICY, "ns" + i % namespaces, "p" + i, "", SourcePosition.UNKNOWN, List.of(rule));
    }
}
