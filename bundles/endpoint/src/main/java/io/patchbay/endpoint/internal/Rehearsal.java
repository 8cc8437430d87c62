package io.patchbay.endpoint.internal;

import io.patchbay.api.net.IpAddress;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes a device and takes it away again, some times, before the first pod comes: what makes pods' devices is loaded and compiled by then, and the
 * first burst of pods after a start does not wait for it. The device's other end is in a namespace of the rehearsal's own, its addresses are those
 * of documentation (RFC 5737), and the node's end is never up: no packet meets it, and no map, record or address knows of it.
 */
final class Rehearsal {
    private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);
    /** As often as a method has to be called until it is compiled (patchbay-agent sets a fifth of the JVM's 200). */
    private static final int TIMES = 40;
    private static final int MTU = 1500;
    private static final String CONTAINER = "rehearsal of endpoint";
    private static final IpAddress ADDRESS = IpAddress.parse("192.0.2.2");
    private static final IpAddress ROUTER = IpAddress.parse("192.0.2.1");

    /** An update of a running agent has done without, and makes one pod slower, not a hundred. */
    private static final Duration AFTER_START = Duration.ofSeconds(60);

    private final PodDevices devices;

    Rehearsal(PodDevices devices) {
        this.devices = devices;
    }

    /** On a thread of its own: it takes a second, most of which it waits for the kernel. */
    void run() {
        if (ProcessHandle.current().info().startInstant().map(t -> t.plus(AFTER_START).isBefore(Instant.now())).orElse(true)) return;
        long begun = System.nanoTime();
        String device = EndpointRecord.deviceName(CONTAINER, "eth0");
        try (NetNs apart = NetNs.create(); NetlinkSocket inside = apart.socket()) {
            for (int i = 0; i < TIMES && !Thread.currentThread().isInterrupted(); i++) {
                EndpointRecord r = new EndpointRecord(0, CONTAINER, "eth0", apart.toString(), apart.inode(), "", "", "", List.of(ADDRESS), device,
                        devices.newMac(), devices.newMac(), MTU);
                Link link = devices.make(r, MTU, apart, inside);
                devices.connect(r, devices.address(r, inside), List.of(ROUTER), inside);
                devices.delete(device);
                devices.detach(link.index());
            }
            LOG.info("Rehearsed {} devices in {} ms", TIMES, (System.nanoTime() - begun) / 1_000_000);
        } catch (NetlinkException | IllegalStateException e) {
            LOG.warn("The rehearsal of pods' devices ended early: {}", e.getMessage());
            devices.delete(device);
        }
    }
}
