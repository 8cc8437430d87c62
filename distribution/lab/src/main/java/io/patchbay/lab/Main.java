package io.patchbay.lab;

import io.patchbay.api.net.IpAddress;
import io.patchbay.cluster.manifests.ManifestsFolder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;

/**
 * The kubelet of all nodes of one lab. SIGTERM ends it and leaves the pods running; started again it finds them.
 * Usage: {@code lab LAB-DIRECTORY CNI-EXECUTABLE PATH-OF-PODS NODE=IP[,IP]=CGROUP…}
 */
public final class Main {
    private Main() {
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 4) {
            System.err.println("usage: LAB-DIRECTORY CNI-EXECUTABLE PATH-OF-PODS NODE=IP[,IP]=CGROUP...");
            System.exit(2);
        }
        Path lab = Path.of(args[0]);
        Map<String, LabNode> nodes = new TreeMap<>();
        ManifestsFolder folder = new ManifestsFolder(lab.resolve("cluster"));
        folder.create();
        for (String node : List.of(args).subList(3, args.length)) {
            String[] parts = node.split("=", 3);
            List<IpAddress> addresses = Arrays.stream(parts[1].split(",")).map(IpAddress::parse).toList();
            nodes.put(parts[0], new LabNode(parts[0], addresses, Path.of(parts[2]), lab.resolve(parts[0]).resolve("agent.sock")));
            folder.registerNode(parts[0], addresses);
        }
        Kubelet kubelet = new Kubelet(new Surroundings(lab.getFileName().toString(), lab, Path.of(args[1]), args[2]), nodes, folder);
        Runtime.getRuntime().addShutdownHook(new Thread(kubelet::close));
        new CountDownLatch(1).await();
    }
}
