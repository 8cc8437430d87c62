package io.patchbay.api.status;

import java.util.List;
import java.util.Map;

/**
 * One row of {@code status}: label, then cells that line up.
 *
 * @param order   position, in the order of reference rows: see {@link Order}
 * @param label   {@code IPAM}, without colon
 * @param cells   texts after the label
 * @param details lines below the row, shown as they are
 * @param healthy false makes the command exit with 1
 * @param data    for {@code -o json}: strings, numbers, booleans, lists and maps of these
 */
public record StatusRow(int order, String label, List<String> cells, List<String> details, boolean healthy, Map<String, Object> data) {
    public static StatusRow of(int order, String label, String... cells) {
        return new StatusRow(order, label, List.of(cells), List.of(), true, Map.of("text", String.join(" ", cells)));
    }

    /** Positions of the rows that Cilium's users know. */
    public static final class Order {
        public static final int KVSTORE = 10;
        public static final int KUBERNETES = 20;
        public static final int KUBERNETES_APIS = 21;
        public static final int KUBE_PROXY_REPLACEMENT = 30;
        public static final int HOST_FIREWALL = 35;
        public static final int CNI_CHAINING = 36;
        public static final int CNI_CONFIG = 37;
        public static final int AGENT = 40;
        public static final int NODE_MONITOR = 50;
        public static final int HEALTH_DAEMON = 60;
        public static final int IPAM = 70;
        public static final int BANDWIDTH_MANAGER = 80;
        public static final int ROUTING = 90;
        public static final int HOST_ROUTING = 91;
        public static final int ATTACH_MODE = 95;
        public static final int MASQUERADING = 100;
        public static final int CONTROLLERS = 110;
        public static final int PROXY = 120;
        public static final int IDENTITY_RANGE = 125;
        public static final int HUBBLE = 130;
        public static final int FEATURES = 140;
        public static final int ENCRYPTION = 150;
        public static final int CLUSTER_HEALTH = 160;

        private Order() {
        }
    }
}
