package io.patchbay.api.node;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.List;
import java.util.Optional;

/**
 * The node that this agent runs on, once its devices are set up; a service, replaced as a whole when something changes.
 *
 * @param name      Kubernetes node name
 * @param addresses its own, the internal IP first
 * @param podCidrs  assigned to it
 * @param routers   its address in each pod CIDR (the first usable one), on pb_host
 * @param netdevs   devices that carry the node's traffic, the one of the default route first
 * @param mtu       of the path to other nodes, without encapsulation
 */
public record LocalNode(String name, List<IpAddress> addresses, List<Prefix> podCidrs, List<IpAddress> routers, List<Device> netdevs,
                        Device host, Device net, int mtu) {
    public record Device(String name, int ifindex, byte[] mac, int mtu) {
    }

    /** The first IPv4 address. */
    public Optional<IpAddress> v4() {
        return addresses.stream().filter(IpAddress::isV4).findFirst();
    }
}
