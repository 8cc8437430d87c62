package io.patchbay.cluster.decode;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ConfigMap;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Namespace, Node, ConfigMap and CiliumIdentity. Field names: Kubernetes 1.33's API reference and the CiliumIdentity CRD. */
final class CoreKinds {
    private CoreKinds() {
    }

    static Namespace namespace(Meta meta, Fields fields) {
        fields.optional("spec").ifPresent(t -> t.fields().ignore("finalizers").end());
        fields.ignore("status");
        Map<String, String> labels = new HashMap<>(meta.labels());
        labels.put(Namespace.NAME_LABEL, meta.name());
        return new Namespace(meta.name(), labels, meta.annotations());
    }

    static Node node(Meta meta, Fields fields) {
        List<Prefix> cidrs = new ArrayList<>();
        fields.optional("spec").ifPresent(t -> {
            Fields spec = t.fields();
            cidrs.addAll(Values.prefixes(spec.list("podCIDRs")));
            spec.optional("podCIDR").flatMap(Values::prefix).filter(p -> !cidrs.contains(p)).ifPresent(p -> cidrs.add(0, p));
            spec.ignore("configSource", "externalID", "providerID", "taints", "unschedulable").end();
        });
        List<IpAddress> internal = new ArrayList<>();
        fields.optional("status").ifPresent(t -> {
            Fields status = t.fields();
            for (Tree item : status.list("addresses")) {
                Fields address = item.fields();
                String type = address.required("type").oneOf("InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS");
                Tree value = address.required("address");
                if (type.equals("InternalIP")) Values.address(value).ifPresent(internal::add);
                address.end();
            }
            status.ignore("allocatable", "capacity", "conditions", "config", "daemonEndpoints", "declaredFeatures", "features", "images",
                    "nodeInfo", "phase", "runtimeHandlers", "volumesAttached", "volumesInUse").end();
        });
        return new Node(meta.name(), meta.labels(), meta.annotations(), internal, cidrs);
    }

    static ConfigMap configMap(Meta meta, Fields fields) {
        Map<String, String> data = fields.stringMap("data");
        fields.ignore("binaryData", "immutable");
        return new ConfigMap(meta.namespace(), meta.name(), meta.labels(), data);
    }

    static CiliumIdentity identity(Meta meta, Fields fields) {
        long id = 0;
        try {
            id = Long.parseLong(meta.name());
            if (id <= 0 || id > 0xFFFFFFFFL) throw new NumberFormatException();
        } catch (NumberFormatException e) {
            fields.object().problem("the name of a CiliumIdentity is its number, not \"" + meta.name() + "\"");
        }
        List<Label> labels = new ArrayList<>();
        Tree security = fields.required("security-labels");
        security.stringMap().forEach((key, value) -> {
            try {
                labels.add(Label.parse(key + "=" + value));
            } catch (IllegalArgumentException e) {
                security.problem("\"" + key + "\": " + e.getMessage());
            }
        });
        fields.ignore("status");
        try {
            return new CiliumIdentity(id, LabelSet.of(labels));
        } catch (IllegalArgumentException e) {
            security.problem(e.getMessage());
            return new CiliumIdentity(id, LabelSet.empty());
        }
    }
}
