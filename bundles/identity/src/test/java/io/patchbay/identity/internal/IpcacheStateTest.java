package io.patchbay.identity.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.identity.Ipcache.Entry;
import io.patchbay.api.identity.Ipcache.Source;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class IpcacheStateTest {
    private final IpcacheState state = new IpcacheState();
    private final Prefix pod = Prefix.parse("10.0.1.5/32");
    private final IpAddress node = IpAddress.parse("192.168.0.2");

    @Test
    void theLastSourceWinsAndGoingBackIsPossible() {
        state.put(pod, new Entry(1000, node, Source.CUSTOM_RESOURCE, "a/b"));
        state.put(pod, new Entry(2000, null, Source.LOCAL, "a/b"));
        assertEquals(new KernelEntry(2000, KernelEntry.LOCAL, null, 0), state.kernel(pod).orElseThrow());
        state.remove(pod, Source.LOCAL);
        assertEquals(new KernelEntry(1000, KernelEntry.TUNNEL, node, 0), state.kernel(pod).orElseThrow());
        state.remove(pod, Source.CUSTOM_RESOURCE);
        assertEquals(Optional.empty(), state.kernel(pod));
        assertEquals(Set.of(pod), state.changed());
        assertTrue(state.changed().isEmpty());
    }

    @Test
    void podCidrsLendTheirTunnelToWhatLiesWithin() {
        Prefix cidr = Prefix.parse("10.0.1.0/24");
        Prefix half = Prefix.parse("10.0.1.0/25");
        state.put(half, new Entry(16777217, null, Source.GENERATED, ""));
        state.changed();
        state.tunnel(cidr, node);
        assertEquals(Set.of(cidr, half), state.changed());
        assertEquals(new KernelEntry(2, KernelEntry.TUNNEL, node, 0), state.kernel(cidr).orElseThrow());
        assertEquals(new KernelEntry(16777217, KernelEntry.TUNNEL, node, 0), state.kernel(half).orElseThrow());
        assertEquals(16777217, state.lookup(IpAddress.parse("10.0.1.7")).orElseThrow().identity());
        assertEquals(2, state.lookup(IpAddress.parse("10.0.1.200")).orElseThrow().identity());
        assertFalse(state.lookup(IpAddress.parse("10.0.2.1")).isPresent());
    }

    @Test
    void inDualStackTheWorldHasItsTwoEntriesAndPodCidrsAreOfTheirFamily() {
        IpcacheState dual = new IpcacheState();
        dual.dualStack(true);
        Prefix four = Prefix.parse("0.0.0.0/0");
        Prefix six = Prefix.parse("::/0");
        Prefix cidr = Prefix.parse("fd00:10:244:1::/64");
        dual.tunnel(cidr, node);
        assertEquals(Set.of(four, six, cidr), dual.changed());
        assertEquals(new KernelEntry(9, 0, null, 0), dual.kernel(four).orElseThrow());
        assertEquals(new KernelEntry(10, 0, null, 0), dual.kernel(six).orElseThrow());
        assertEquals(new KernelEntry(10, KernelEntry.TUNNEL, node, 0), dual.kernel(cidr).orElseThrow());
        assertEquals(9, dual.lookup(IpAddress.parse("1.2.3.4")).orElseThrow().identity());
        assertEquals(10, dual.lookup(IpAddress.parse("2001:db8::1")).orElseThrow().identity());
        assertEquals(new Entry(10, node, Source.GENERATED, ""), dual.lookup(IpAddress.parse("fd00:10:244:1::77")).orElseThrow());
        dual.dualStack(false);
        assertEquals(Set.of(four, six, cidr), dual.changed());
        assertEquals(Optional.empty(), dual.kernel(six));
        assertEquals(2, dual.kernel(cidr).orElseThrow().identity());
    }

    @Test
    void classesStayWithTheAddress() {
        state.classify(pod.address(), 50331649);
        state.put(pod, new Entry(1000, null, Source.CUSTOM_RESOURCE, "a/b"));
        state.put(pod, new Entry(1001, null, Source.CUSTOM_RESOURCE, "a/b"));
        assertEquals(50331649, state.kernel(pod).orElseThrow().peerClass());
        state.classify(pod.address(), 0);
        assertEquals(0, state.kernel(pod).orElseThrow().peerClass());
    }

    @Test
    void theOwnAddressesOfTheNodeAreFlaggedAsLocalNode() {
        Prefix own = Prefix.parse("192.168.0.1/32");
        state.put(own, new Entry(1, null, Source.LOCAL, "n1"));
        assertEquals(KernelEntry.NODE | KernelEntry.LOCAL, state.kernel(own).orElseThrow().flags());
    }

    @Test
    void anAddressBelongsToThePodThatStays() {
        PodAddresses pods = new PodAddresses();
        LabelSet labels = LabelSet.parse("k8s:a=b");
        IpAddress a = IpAddress.parse("10.0.1.5");
        ObjectKey old = new ObjectKey("d", "old");
        ObjectKey next = new ObjectKey("d", "next");
        pods.put(new PodAddresses.Claim(next, "n1", labels, List.of(a), false));
        pods.put(new PodAddresses.Claim(old, "n1", labels, List.of(a), true));
        assertEquals(next, pods.owner(a).orElseThrow().pod());
        pods.remove(next);
        assertEquals(old, pods.owner(a).orElseThrow().pod());
        assertEquals(Set.of(a), pods.addressesWith(labels));
        pods.put(new PodAddresses.Claim(old, "n1", LabelSet.empty(), List.of(), false));
        assertEquals(Optional.empty(), pods.owner(a));
    }
}
