package io.patchbay.lab;

import io.patchbay.api.net.IpAddress;
import java.nio.file.Path;

/** A simulated node. @param cgroup its cgroup2 directory, under which each pod has one of its own */
record LabNode(String name, IpAddress address, Path cgroup, Path agentSocket) {
}
