package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.bpf.KernelProbe;
import io.patchbay.bpf.MapType;
import io.patchbay.bpf.ProgramType;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.VethEnd;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * Asks the kernel by doing it. Names: {@code tcx}, {@code ringbuf}, {@code helper:redirect_peer} (for tc programs),
 * {@code map:lpm_trie}, {@code batch:hash}, {@code program:cgroup_sock_addr}, {@code qdisc:fq}. Answers are remembered.
 */
final class KernelProbes implements KernelFeatures {
    /** A device of the probe's own (a veth: pods need that kind anyway), down, for as long as it takes to give it a queue. */
    private static final String DEVICE = "pb_probe";

    private final Home home;
    private final Map<String, Probe> known = new ConcurrentSkipListMap<>();

    KernelProbes(Home home) {
        this.home = home;
    }

    @Override
    public Probe probe(String name) {
        return known.computeIfAbsent(name, this::ask);
    }

    @Override
    public Map<String, Probe> probed() {
        return Map.copyOf(known);
    }

    private Probe ask(String name) {
        int colon = name.indexOf(':');
        String what = colon < 0 ? name : name.substring(0, colon);
        String arg = colon < 0 ? "" : name.substring(colon + 1);
        try {
            return switch (what) {
                case "tcx" -> of(KernelProbe.tcx());
                case "ringbuf" -> of(KernelProbe.ringBuffer());
                case "helper" -> of(KernelProbe.helper(ProgramType.SCHED_CLS, arg));
                case "map" -> of(KernelProbe.mapType(MapType.valueOf(arg.toUpperCase(Locale.ROOT))));
                case "batch" -> of(KernelProbe.batches(MapType.valueOf(arg.toUpperCase(Locale.ROOT))));
                case "program" -> of(KernelProbe.programType(ProgramType.valueOf(arg.toUpperCase(Locale.ROOT))));
                case "qdisc" -> qdisc(arg);
                default -> new Probe(false, "there is no probe named '" + what + "'; known: tcx, ringbuf, helper:, map:, batch:, program:, qdisc:");
            };
        } catch (IllegalArgumentException e) {
            return new Probe(false, name + " is not known: " + e.getMessage());
        }
    }

    private static Probe of(KernelProbe.Answer a) {
        return new Probe(a.available(), a.reason());
    }

    private synchronized Probe qdisc(String kind) {
        try (NetlinkSocket s = home.netlink()) {
            s.links().deleteIfExists(DEVICE);
            Link d = s.links().createVeth(VethEnd.named(DEVICE), VethEnd.named(DEVICE + "_"));
            try {
                if (kind.equals("tbf")) {
                    s.qdiscs().addRootTbf(d.index(), new io.patchbay.netlink.Tbf(1_000_000, 65536, 65536));
                } else {
                    s.qdiscs().replaceRoot(d.index(), kind);
                }
                return new Probe(true, "a device was given the queue " + kind);
            } finally {
                s.links().deleteIfExists(DEVICE);
            }
        } catch (NetlinkException e) {
            return new Probe(false, "a device was refused the queue " + kind + ": " + e.getMessage());
        }
    }
}
