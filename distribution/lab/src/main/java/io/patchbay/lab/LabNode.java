package io.patchbay.lab;

import io.patchbay.api.net.IpAddress;
import java.nio.file.Path;
import java.util.List;

/**
 * A simulated node.
 *
 * @param addresses one of each family; the first one's family is that of pods' first addresses
 * @param cgroup    its cgroup2 directory, under which each pod has one of its own
 */
record LabNode(String name, List<IpAddress> addresses, Path cgroup, Path agentSocket) {
}
