package io.patchbay.datapath.testkit;

import io.patchbay.api.datapath.Hook;
import io.patchbay.bpf.BpfFs;
import io.patchbay.datapath.internal.Node;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A node for tests: a namespace that stands for the node, and pods behind veth pairs whose host sides are in it. Everything is
 * named {@code pbt-NAME…} and removed by {@link #close}; what an interrupted run left is swept at the start.
 */
public final class Lab implements AutoCloseable {
    /** @param ifindex of the host side, in the node's namespace */
    public record Pod(String name, String netns, String address, String mac, String device, int ifindex, String hostMac) {
    }

    private final String name;
    private final Path pins;
    private final Path state;
    private final List<Pod> pods = new ArrayList<>();
    private final List<Process> started = new ArrayList<>();
    private Node node;

    public Lab(String name) {
        this.name = "pbt-" + name;
        this.pins = BpfFs.ensureMounted().resolve("patchbay").resolve(this.name);
        try {
            this.state = Files.createTempDirectory(this.name);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        sweep();
        Shell.run("ip", "netns", "add", this.name);
        Shell.run("ip", "-n", this.name, "link", "set", "lo", "up");
        // As on a real node: what escapes the pipeline would be routed, and be seen to arrive.
        in(this.name, "sysctl", "-qw", "net.ipv4.ip_forward=1");
        quiet(this.name);
        node = open();
    }

    private void sweep() {
        for (String line : Shell.run("ip", "netns", "list").split("\n")) {
            String n = line.split(" ")[0];
            if (n.equals(name) || n.startsWith(name + "-")) {
                Shell.run("ip", "netns", "del", n);
            }
        }
        BpfFs.removeTree(pins);
    }

    private Node open() {
        return Node.open(pins, state, netns());
    }

    public Path netns() {
        return Path.of("/run/netns", name);
    }

    public String netnsName() {
        return name;
    }

    public Path pins() {
        return pins;
    }

    public Path state() {
        return state;
    }

    public Node node() {
        return node;
    }

    /** The agent goes; nothing else does. */
    public void closeNode() {
        node.close();
    }

    /** An agent starts again and adopts what is there. */
    public Node reopen() {
        node = open();
        return node;
    }

    /** A pod with address 10.99.0.N, which reaches every other address through its host side. */
    public Pod pod(String pod, int n) {
        String ns = name + "-" + pod;
        String device = "pbv" + n;
        String address = "10.99.0." + n;
        Shell.run("ip", "netns", "add", ns);
        quiet(ns);
        Shell.run("ip", "-n", name, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", ns);
        Shell.run("ip", "-n", ns, "link", "set", "lo", "up");
        Shell.run("ip", "-n", ns, "addr", "add", address + "/32", "dev", "eth0");
        String mac = mac(ns, "eth0");
        String hostMac = mac(name, device);
        int ifindex = ifindex(device);
        Pod p = new Pod(pod, ns, address, mac, device, ifindex, hostMac);
        attach(p);
        Shell.run("ip", "-n", name, "link", "set", device, "up");
        Shell.run("ip", "-n", ns, "link", "set", "eth0", "up");
        Shell.run("ip", "-n", ns, "route", "add", "169.254.1.1", "dev", "eth0", "scope", "link");
        Shell.run("ip", "-n", ns, "route", "add", "default", "via", "169.254.1.1", "dev", "eth0");
        Shell.run("ip", "-n", ns, "neigh", "replace", "169.254.1.1", "lladdr", hostMac, "dev", "eth0", "nud", "permanent");
        // The kernel's own way to the pod, around the pipeline: what a guard has to stop.
        Shell.run("ip", "-n", name, "route", "replace", address + "/32", "dev", device);
        Shell.run("ip", "-n", name, "neigh", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent");
        pods.add(p);
        return p;
    }

    /** No packets but those that a test sends: router solicitations and the like would be in its counts. */
    private static void quiet(String ns) {
        in(ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1");
    }

    private void attach(Pod p) {
        node.attachments().attach(Hook.POD_EGRESS, p.ifindex());
        node.attachments().attach(Hook.POD_INGRESS, p.ifindex());
    }

    private int ifindex(String device) {
        String shown = Shell.run("ip", "-n", name, "-o", "link", "show", device);
        Matcher m = Pattern.compile("(?m)^(\\d+): " + device + "@").matcher(shown);
        if (!m.find()) {
            throw new IllegalStateException("no index of " + device + " in: " + shown);
        }
        return Integer.parseInt(m.group(1));
    }

    private static String mac(String ns, String device) {
        String line = Shell.run("ip", "-n", ns, "-o", "link", "show", device);
        String[] words = line.split("link/ether ");
        return words[1].split(" ")[0];
    }

    /** Runs a command in a namespace of this lab. */
    public static String in(String netns, String... command) {
        return Shell.run(inside(netns, command));
    }

    private static List<String> inside(String netns, String... command) {
        List<String> all = new ArrayList<>(List.of("nsenter", "--net=/run/netns/" + netns));
        all.addAll(List.of(command));
        return all;
    }

    /** Starts a command in a namespace of this lab; it ends with {@link #close}, and after two minutes of itself. */
    public Process start(String netns, String... command) throws IOException {
        List<String> all = new ArrayList<>(List.of("timeout", "--foreground", "120"));
        all.addAll(inside(netns, command));
        Process p = new ProcessBuilder(all).redirectErrorStream(true).start();
        started.add(p);
        return p;
    }

    /** Ends what {@link #start} began, the program behind its time limit first: that would outlive it. */
    static void end(Process p) {
        p.toHandle().descendants().forEach(ProcessHandle::destroyForcibly);
        p.toHandle().destroyForcibly();
    }

    public static byte[] macBytes(String mac) {
        byte[] b = new byte[6];
        String[] parts = mac.split(":");
        for (int i = 0; i < 6; i++) {
            b[i] = (byte) Integer.parseInt(parts[i], 16);
        }
        return b;
    }

    @Override
    public void close() {
        node.close();
        started.forEach(Lab::end);
        sweep();
        try (Stream<Path> all = Files.walk(state)) {
            for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(p);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
