package io.patchbay.node.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.netlink.IfAddress;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.MacAddress;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Route;
import io.patchbay.netlink.Scope;
import io.patchbay.netlink.Sysctl;
import io.patchbay.netlink.VethEnd;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The node's devices as the kernel has them. What is right already is left alone, so that traffic never notices a restart. */
final class NodeDevices {
    static final String HOST = "pb_host";
    static final String NET = "pb_net";
    /** Devices of pods. */
    static final String POD_PREFIX = "lxc";
    private static final Logger LOG = LoggerFactory.getLogger(NodeDevices.class);

    private final NetlinkSocket netlink;

    NodeDevices(NetlinkSocket netlink) {
        this.netlink = netlink;
    }

    record Pair(Link host, Link net) {
    }

    /** pb_host and pb_net, up, without ARP, at this MTU. */
    Pair ensurePair(int mtu) throws IOException {
        Optional<Link> host = netlink.links().find(HOST);
        Optional<Link> net = netlink.links().find(NET);
        boolean pair = host.isPresent() && net.isPresent() && host.get().peerIndex() == net.get().index();
        if (!pair) {
            for (Optional<Link> half : List.of(host, net)) {
                if (half.isEmpty()) continue;
                if (!"veth".equals(half.get().kind())) {
                    throw new IOException("the device " + half.get().name() + " exists and is no veth but a " + half.get().kind()
                            + ": remove or rename it");
                }
                LOG.warn("{} has lost its other end: made again", half.get().name());
                netlink.links().deleteIfExists(half.get().name());
            }
            netlink.links().createVeth(VethEnd.named(HOST).mac(randomMac()).mtu(mtu), VethEnd.named(NET).mac(randomMac()).mtu(mtu));
        }
        // before they go up: a device that filters or resolves would lose the first packets
        for (String name : List.of(HOST, NET)) {
            Link link = netlink.links().get(name);
            if (!link.isNoArp()) netlink.links().setNoArp(link.index(), true);
            if (link.mtu() != mtu) netlink.links().setMtu(link.index(), mtu);
            if (!pair) netlink.links().setNoLinkLocal(link.index());
            sysctl("net/ipv4/conf/" + name + "/rp_filter", "0");
            // packets from pods to this node come out of pb_net with a source that is routed elsewhere
            sysctl("net/ipv4/conf/" + name + "/accept_local", "1");
            if (!link.isUp()) netlink.links().setUp(link.index(), true);
        }
        releaseReversePathFilter();
        return new Pair(netlink.links().get(HOST), netlink.links().get(NET));
    }

    /**
     * The kernel takes the larger of a device's value and that of "all", so strict filtering there would also hold for pb_net. The same
     * strictness moves to the devices themselves.
     */
    private void releaseReversePathFilter() throws IOException {
        if (!"1".equals(Sysctl.read("net/ipv4/conf/all/rp_filter").trim())) return;
        LOG.info("net.ipv4.conf.all.rp_filter=1 would drop packets from pods to this node: it becomes 0, and 1 on every other device");
        sysctl("net/ipv4/conf/default/rp_filter", "1");
        for (Link link : netlink.links().list()) {
            if (isOurs(link)) continue;
            String key = "net/ipv4/conf/" + link.name() + "/rp_filter";
            if ("0".equals(Sysctl.read(key).trim())) sysctl(key, "1");
        }
        sysctl("net/ipv4/conf/all/rp_filter", "0");
    }

    private static void sysctl(String key, String value) throws IOException {
        if (!Sysctl.read(key).trim().equals(value)) Sysctl.write(key, value);
    }

    /** pb_host has exactly these addresses. */
    void ensureAddresses(Link host, Collection<IpAddress> routers) {
        Set<IpAddress> missing = new LinkedHashSet<>(routers);
        for (IfAddress a : netlink.addresses().list(host.index())) {
            if (a.scope() != Scope.UNIVERSE) continue;
            boolean single = a.length() == (a.address().isV4() ? 32 : 128);
            if (!single || !missing.remove(a.address())) netlink.addresses().delete(a);
        }
        for (IpAddress a : missing) netlink.addresses().add(IfAddress.of(host.index(), a, a.isV4() ? 32 : 128));
    }

    /** The overlay's device, if there is one. */
    Optional<Link> tunnel() {
        return netlink.links().list().stream().filter(l -> l.name().startsWith("pb_") && "vxlan".equals(l.kind())).findFirst();
    }

    /**
     * Devices that carry the node's traffic: those with a default route, then those with one of its addresses; or what the option names.
     *
     * @param option device names separated by commas, {@code +} at the end of a name matches the rest; empty: find out
     */
    List<Link> netdevs(String option, Collection<IpAddress> nodeAddresses) {
        List<Link> links = netlink.links().list();
        Set<Integer> found = new LinkedHashSet<>();
        netlink.routes().list().stream().filter(r -> r.destination().length() == 0 && r.kind() == Route.UNICAST && r.linkIndex() != 0)
                .sorted(java.util.Comparator.comparingInt(Route::priority)).forEach(r -> found.add(r.linkIndex()));
        netlink.addresses().list().stream().filter(a -> nodeAddresses.contains(a.address())).forEach(a -> found.add(a.index()));
        List<String> patterns = Arrays.stream(option.split(",")).map(String::trim).filter(s -> !s.isEmpty()).toList();
        if (!patterns.isEmpty()) {
            for (Link link : links) if (patterns.stream().anyMatch(p -> matches(p, link.name()))) found.add(link.index());
        }
        List<Link> result = new ArrayList<>();
        for (int index : found) {
            for (Link link : links) {
                if (link.index() != index || isOurs(link) || link.name().equals("lo")) continue;
                if (patterns.isEmpty() || patterns.stream().anyMatch(p -> matches(p, link.name()))) result.add(link);
            }
        }
        return result;
    }

    static boolean matches(String pattern, String name) {
        return pattern.endsWith("+") ? name.startsWith(pattern.substring(0, pattern.length() - 1)) : name.equals(pattern);
    }

    static boolean isOurs(Link link) {
        return link.name().startsWith("pb_") || link.name().startsWith(POD_PREFIX);
    }

    /** Addresses of global scope on devices that aren't ours. */
    List<IpAddress> ownAddresses() {
        Set<Integer> ours = new HashSet<>();
        for (Link link : netlink.links().list()) if (isOurs(link)) ours.add(link.index());
        return netlink.addresses().list().stream().filter(a -> a.scope() == Scope.UNIVERSE && !ours.contains(a.index()))
                .map(IfAddress::address).distinct().toList();
    }

    /** Unicast, locally administered. */
    private static MacAddress randomMac() {
        byte[] mac = new byte[6];
        new SecureRandom().nextBytes(mac);
        mac[0] = (byte) (mac[0] & 0xfc | 0x02);
        return MacAddress.ofBytes(mac);
    }
}
