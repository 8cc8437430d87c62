package io.patchbay.endpoint.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.netlink.IfAddress;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.MacAddress;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import io.patchbay.netlink.Route;
import io.patchbay.netlink.VethEnd;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The devices of pods: a veth pair each, made directly at both places, guarded before it goes up. Thread-safe. */
final class PodDevices implements AutoCloseable {
    static final String PREFIX = "lxc";
    private final NetlinkSocket netlink = NetlinkSocket.open();
    private final DeviceRemoval removal = new DeviceRemoval();
    private final Attachments attachments;
    private final SecureRandom random = new SecureRandom();

    PodDevices(Attachments attachments) {
        this.attachments = attachments;
    }

    /** Unicast, locally administered. */
    String newMac() {
        byte[] mac = new byte[6];
        random.nextBytes(mac);
        mac[0] = (byte) (mac[0] & 0xfc | 0x02);
        return MacAddress.ofBytes(mac).toString();
    }

    /**
     * Makes the pair, both ends down, with preamble and guard on the host's end. What stands in the way under these names is a leftover of
     * an earlier attempt for the same container, and goes.
     */
    Link make(EndpointRecord r, int deviceMtu, NetNs pod, NetlinkSocket inPod) {
        VethEnd host = VethEnd.named(r.device()).mac(MacAddress.parse(r.hostMac())).mtu(deviceMtu);
        VethEnd inside = VethEnd.named(r.ifname()).mac(MacAddress.parse(r.mac())).mtu(deviceMtu).in(pod);
        Link link;
        try {
            link = netlink.links().createVeth(host, inside);
        } catch (NetlinkException e) {
            if (!e.isExists()) throw e;
            removal.delete(r.device());
            inPod.links().deleteIfExists(r.ifname());
            link = netlink.links().createVeth(host, inside);
        }
        netlink.links().setNoLinkLocal(link.index());
        attach(link.index());
        return link;
    }

    void attach(int ifindex) {
        attachments.attach(Hook.POD_EGRESS, ifindex);
        attachments.attach(Hook.POD_INGRESS, ifindex);
    }

    /** After the device has gone, never before: without its guard it would be open. */
    void detach(int ifindex) {
        attachments.detach(Hook.POD_EGRESS, ifindex);
        attachments.detach(Hook.POD_INGRESS, ifindex);
    }

    /** Addresses while it is down; up; then what needs a device that is up. */
    void open(EndpointRecord r, int ifindex, List<IpAddress> routers, NetlinkSocket inPod) {
        Link eth = address(r, inPod);
        netlink.links().setUp(ifindex, true);
        connect(r, eth, routers, inPod);
    }

    /** The pod's end gets its addresses. */
    Link address(EndpointRecord r, NetlinkSocket inPod) {
        Link eth = inPod.links().get(r.ifname());
        // its addresses are ours to give: nothing is detected, solicited or announced on a link that has one other end
        inPod.links().setNoLinkLocal(eth.index());
        inPod.links().find("lo").filter(lo -> !lo.isUp()).ifPresent(lo -> inPod.links().setUp(lo.index(), true));
        for (IpAddress a : r.addresses()) inPod.addresses().replace(IfAddress.of(eth.index(), a, a.isV4() ? 32 : 128));
        return eth;
    }

    /** The pod's end goes up and gets its routes. */
    void connect(EndpointRecord r, Link eth, List<IpAddress> routers, NetlinkSocket inPod) {
        inPod.links().setUp(eth.index(), true);
        for (IpAddress router : routers) {
            if (r.addresses().stream().noneMatch(a -> a.isV4() == router.isV4())) continue;
            // nobody answers for the router: the datapath takes what is sent to the host's end
            inPod.neighbours().addPermanent(eth.index(), router, MacAddress.parse(r.hostMac()));
            inPod.routes().replace(Route.to(Prefix.of(router), eth.index()));
            Prefix all = router.isV4() ? Prefix.parse("0.0.0.0/0") : Prefix.parse("::/0");
            inPod.routes().replace(Route.to(all, eth.index()).via(router).mtu(r.mtu()).asOnlink());
        }
    }

    Optional<Link> find(String device) {
        return netlink.links().find(device);
    }

    /** Devices with names such as ours, by name. */
    Map<String, Link> all() {
        Map<String, Link> result = new HashMap<>();
        for (Link l : netlink.links().list()) if (l.name().startsWith(PREFIX)) result.put(l.name(), l);
        return result;
    }

    void delete(String device) {
        removal.delete(device);
    }

    @Override
    public void close() {
        removal.close();
        netlink.close();
    }

    /** Whether the namespace is still the one that the record is about. */
    static boolean namespaceExists(EndpointRecord r) {
        if (r.netns().isEmpty()) return true; // unknown: the device says enough
        try (NetNs ns = NetNs.open(Path.of(r.netns()))) {
            return r.netnsInode() == 0 || ns.inode() == r.netnsInode();
        } catch (NetlinkException e) {
            return false;
        }
    }

    /** What is wrong inside the pod and with its device. */
    List<String> check(EndpointRecord r, int ifindex, List<IpAddress> routers) {
        List<String> wrong = new ArrayList<>();
        Optional<Link> host = find(r.device());
        if (host.isEmpty()) return List.of("the device " + r.device() + " is gone");
        if (host.get().index() != ifindex) wrong.add("the device " + r.device() + " is another one than before");
        if (!host.get().isUp()) wrong.add("the device " + r.device() + " is down");
        for (Hook hook : List.of(Hook.POD_EGRESS, Hook.POD_INGRESS)) {
            if (attachments.list().stream().noneMatch(a -> a.hook() == hook && a.ifindex() == ifindex && a.present())) {
                wrong.add("the datapath is not attached at " + hook.text() + " of " + r.device());
            }
        }
        if (r.netns().isEmpty()) return wrong;
        try (NetlinkSocket inPod = NetlinkSocket.open(Path.of(r.netns()))) {
            Optional<Link> eth = inPod.links().find(r.ifname());
            if (eth.isEmpty()) {
                wrong.add("there is no " + r.ifname() + " in " + r.netns());
                return wrong;
            }
            if (!eth.get().isUp()) wrong.add(r.ifname() + " is down");
            if (!MacAddress.parse(r.mac()).equals(eth.get().mac())) wrong.add(r.ifname() + " has the MAC " + eth.get().mac() + ", not " + r.mac());
            List<IpAddress> there = inPod.addresses().list(eth.get().index()).stream().map(IfAddress::address).toList();
            for (IpAddress a : r.addresses()) if (!there.contains(a)) wrong.add(r.ifname() + " lacks the address " + a);
            List<Route> routes = inPod.routes().list();
            for (IpAddress router : routers) {
                if (r.addresses().stream().noneMatch(a -> a.isV4() == router.isV4())) continue;
                if (routes.stream().noneMatch(x -> x.destination().length() == 0 && router.equals(x.gateway()) && x.linkIndex() == eth.get().index())) {
                    wrong.add("there is no default route via " + router);
                }
            }
        } catch (NetlinkException e) {
            wrong.add("the namespace " + r.netns() + " can't be looked at: " + e.getMessage());
        }
        return wrong;
    }
}
