package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.PolicyEnforcement;
import io.patchbay.api.net.IpAddress;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.util.Optional;

/** An endpoint for {@code -o json} and {@code endpoint get}; identity and policy are the kernel's where it has the endpoint. */
final class EndpointJson {
    private EndpointJson() {
    }

    static JsonObjectBuilder of(Endpoint e, MapEntry kernel, Optional<PolicyEnforcement.Directions> enforced) {
        JsonArrayBuilder addresses = Json.createArrayBuilder();
        e.addresses().forEach(a -> addresses.add(a.toString()));
        JsonArrayBuilder labels = Json.createArrayBuilder();
        e.labels().forEach(l -> labels.add(l.toString()));
        JsonObjectBuilder ports = Json.createObjectBuilder();
        e.namedPorts().forEach(ports::add);
        JsonObjectBuilder annotations = Json.createObjectBuilder();
        e.annotations().forEach(annotations::add);
        JsonObjectBuilder policy = Json.createObjectBuilder().add("class", kernel == null ? 0 : kernel.policyId());
        enforced.ifPresent(d -> policy.add("ingress", d.ingress()).add("egress", d.egress()));
        return Json.createObjectBuilder().add("id", e.id()).add("state", e.state().text()).add("namespace", e.namespace()).add("pod", e.pod())
                .add("podUid", e.podUid()).add("containerId", e.containerId()).add("identity", kernel == null ? e.identity() : kernel.identity())
                .add("labels", labels).add("addresses", addresses).add("device", e.device()).add("ifindex", e.ifindex()).add("netns", e.netns())
                .add("flags", kernel == null ? e.flags() : kernel.flags()).add("inKernel", kernel != null).add("policy", policy)
                .add("namedPorts", ports).add("annotations", annotations);
    }

    static String address(Endpoint e, boolean v4) {
        return e.addresses().stream().filter(a -> a.isV4() == v4).findFirst().map(IpAddress::toString).orElse("");
    }
}
