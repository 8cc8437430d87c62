package io.patchbay.hubble.internal;

import io.patchbay.api.cluster.Change;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.datapath.Layout;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Protocol;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Events as the kernel would write them: the layout is read from the C header, by the rules of the C compiler. */
final class Events {
    static final int TO_ENDPOINT = 1;
    static final int TO_STACK = 2;
    static final int TO_OVERLAY = 3;
    static final int TO_NETWORK = 4;
    static final int TO_HOST = 5;
    static final int ALLOW = 1;
    static final int DENY = 2;
    static final int AUDIT = 3;
    static final int NEW = 1;
    static final int ESTABLISHED = 2;
    static final int REPLY = 3;
    static final int SYN = 0x02;
    static final int ACK = 0x10;

    private static final Path HEADER = Path.of("../../bpf/include/patchbay/event.h");
    private static final Layout LAYOUT = read();

    private Events() {
    }

    private record Member(String path, int offset, int size, String typeName) implements Layout.Field {
    }

    private record Header(int size, List<Layout.Field> fields) implements Layout {
        @Override
        public String typeName() {
            return "pb_event";
        }

        @Override
        public Field field(String path) {
            return fields.stream().filter(f -> f.path().equals(path)).findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("pb_event has no member " + path));
        }

        @Override
        public boolean has(String path) {
            return fields.stream().anyMatch(f -> f.path().equals(path));
        }
    }

    private static Layout read() {
        try {
            String text = Files.readString(HEADER);
            int from = text.indexOf("struct pb_event {");
            Matcher m = Pattern.compile("(?m)^ {4}(struct pb_addr|__u8|__u16|__be16|__u32|__u64) (\\w+);")
                    .matcher(text.substring(from, text.indexOf("\n};", from)));
            List<Layout.Field> fields = new ArrayList<>();
            int at = 0;
            while (m.find()) {
                int size = switch (m.group(1)) {
                    case "__u8" -> 1;
                    case "__u16", "__be16" -> 2;
                    case "__u32" -> 4;
                    case "__u64" -> 8;
                    default -> 16;
                };
                int align = Math.min(size, m.group(1).equals("__u64") ? 8 : 4);
                at = (at + align - 1) / align * align;
                fields.add(new Member(m.group(2), at, size, m.group(1)));
                at += size;
            }
            return new Header((at + 7) / 8 * 8, fields);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Layout layout() {
        return LAYOUT;
    }

    private static Struct event(int type, int code, String from, int sport, String to, int dport, int proto) {
        return new Struct(LAYOUT).set("type", type).set("code", code).set("saddr", IpAddress.parse(from)).set("daddr", IpAddress.parse(to))
                .setPort("sport", sport).setPort("dport", dport).set("proto", proto).set("len", 74);
    }

    static Struct trace(int point, int conntrack, String from, int sport, String to, int dport, Protocol proto) {
        Struct e = event(4, point, from, sport, to, dport, proto.number()).set("ct_state", conntrack).set("stage", 950);
        // Delivery is reported from pod-ingress, whatever hook was entered.
        int flags = (point == TO_ENDPOINT ? EventDecoder.INGRESS : 0) | (conntrack == REPLY ? EventDecoder.REPLY : 0);
        return e.set("flags", flags);
    }

    static Struct drop(int reason, String from, int sport, String to, int dport, Protocol proto) {
        return event(1, reason, from, sport, to, dport, proto.number()).set("ct_state", NEW).set("stage", 600);
    }

    static Struct verdict(int action, int match, String from, int sport, String to, int dport, Protocol proto) {
        return event(5, action, from, sport, to, dport, proto.number()).set("policy_match", match).set("ct_state", NEW).set("stage", 600);
    }

    static Endpoint endpoint(int id, String namespace, String pod, String address, int identity, String... labels) {
        return new Endpoint(id, "c" + id, namespace, pod, "", List.of(IpAddress.parse(address)), id, "lxc" + id, new byte[6], new byte[6], "", identity,
                LabelSet.parse(labels), Map.of(), Map.of(), 1, 0, Endpoint.State.READY);
    }

    static Change<ObjectKey, Pod> pod(String namespace, String name, String address, Map<String, String> labels) {
        Pod pod = Pod.builder(namespace, name).labels(labels).ips(List.of(IpAddress.parse(address))).phase(Pod.Phase.RUNNING).build();
        return new Change<>(pod.key(), null, pod);
    }

    static Change<ObjectKey, Service> service(String namespace, String name, String address, int port, Protocol protocol) {
        Service s = Service.builder(namespace, name).clusterIps(List.of(IpAddress.parse(address)))
                .ports(List.of(new Service.Port("", port, port, "", protocol, 0, ""))).build();
        return new Change<>(s.key(), null, s);
    }

    static Map<Integer, Optional<LabelSet>> identity(int number, String... labels) {
        return Map.of(number, Optional.of(LabelSet.parse(labels)));
    }
}
