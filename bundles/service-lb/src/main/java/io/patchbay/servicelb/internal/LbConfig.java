package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * The keys of the feature's configuration that plans depend on.
 *
 * @param nodePorts         whether NodePorts and host ports are served
 * @param nodePortAddresses which of the node's addresses; empty: all
 */
record LbConfig(boolean maglev, boolean nodePorts, List<Prefix> nodePortAddresses) {
    /** @throws IllegalArgumentException for a value that none of the keys has */
    static LbConfig of(Map<String, String> config) {
        String algorithm = config.getOrDefault("algorithm", "random").strip();
        if (!algorithm.equals("random") && !algorithm.equals("maglev")) {
            throw new IllegalArgumentException("service-lb algorithm is random or maglev, not \"" + algorithm + "\"");
        }
        String ports = config.getOrDefault("node-ports", "true").strip();
        if (!ports.equals("true") && !ports.equals("false")) {
            throw new IllegalArgumentException("service-lb node-ports is true or false, not \"" + ports + "\"");
        }
        List<Prefix> addresses = Arrays.stream(config.getOrDefault("node-port-addresses", "").split("[,\\s]+")).filter(s -> !s.isEmpty()).map(Prefix::parse).toList();
        return new LbConfig(algorithm.equals("maglev"), ports.equals("true"), addresses);
    }

    /** Those of the node's addresses that ports are served at. */
    List<IpAddress> addresses(List<IpAddress> all) {
        if (!nodePorts) return List.of();
        return all.stream().filter(a -> nodePortAddresses.isEmpty() || nodePortAddresses.stream().anyMatch(p -> p.contains(a))).toList();
    }
}
