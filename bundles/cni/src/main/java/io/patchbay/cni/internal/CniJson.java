package io.patchbay.cni.internal;

import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.net.IpAddress;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonBuilderFactory;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonValue;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** What a call answers, in the form of its version. */
final class CniJson {
    /** {@code Json}'s own methods look for the provider again each time, which costs more than a small object. */
    private static final JsonBuilderFactory JSON = Json.createBuilderFactory(Map.of());

    private CniJson() {
    }

    /** @param routers this node's address in each family */
    static String added(CniCall call, Endpoint e, List<IpAddress> routers, int deviceMtu, int routeMtu) {
        JsonObjectBuilder host = JSON.createObjectBuilder().add("name", e.device()).add("mac", mac(e.hostMac()));
        JsonObjectBuilder pod = JSON.createObjectBuilder().add("name", call.ifname()).add("mac", mac(e.mac()))
                .add("sandbox", call.netns());
        if (call.knowsMtu()) {
            host.add("mtu", deviceMtu);
            pod.add("mtu", deviceMtu);
        }
        JsonArrayBuilder ips = JSON.createArrayBuilder();
        JsonArrayBuilder routes = JSON.createArrayBuilder();
        // IPv6 first, as Cilium does
        for (boolean v4 : new boolean[] {false, true}) {
            IpAddress router = routers.stream().filter(a -> a.isV4() == v4).findFirst().orElse(null);
            for (IpAddress a : e.addresses()) {
                if (a.isV4() != v4) continue;
                JsonObjectBuilder ip = JSON.createObjectBuilder();
                if (call.namesFamily()) ip.add("version", v4 ? "4" : "6");
                ip.add("address", CniCall.prefix(a)).add("interface", 1);
                if (router != null) ip.add("gateway", router.toString());
                ips.add(ip);
                if (router == null) continue;
                routes.add(JSON.createObjectBuilder().add("dst", CniCall.prefix(router)));
                JsonObjectBuilder all = JSON.createObjectBuilder().add("dst", v4 ? "0.0.0.0/0" : "::/0").add("gw", router.toString());
                if (call.knowsMtu()) all.add("mtu", routeMtu);
                routes.add(all);
            }
        }
        JsonValue dns = call.config().getOrDefault("dns", JsonValue.EMPTY_JSON_OBJECT);
        return JSON.createObjectBuilder().add("cniVersion", call.version()).add("interfaces", JSON.createArrayBuilder().add(host).add(pod))
                .add("ips", ips).add("routes", routes).add("dns", dns).build().toString();
    }

    private static String mac(byte[] bytes) {
        return HexFormat.ofDelimiter(":").formatHex(bytes);
    }

    static String versions(String asked) {
        JsonArrayBuilder list = JSON.createArrayBuilder();
        CniCall.VERSIONS.forEach(list::add);
        return JSON.createObjectBuilder().add("cniVersion", asked).add("supportedVersions", list).build().toString();
    }

    static String error(String version, CniException e) {
        JsonObjectBuilder o = JSON.createObjectBuilder().add("cniVersion", version).add("code", e.code()).add("msg", String.valueOf(e.getMessage()));
        if (!e.details().isEmpty()) o.add("details", e.details());
        return o.build().toString();
    }
}
