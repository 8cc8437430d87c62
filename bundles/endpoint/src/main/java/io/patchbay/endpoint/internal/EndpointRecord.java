package io.patchbay.endpoint.internal;

import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.net.IpAddress;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonBuilderFactory;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * What is kept of an endpoint over restarts: what the kernel doesn't know. Written before anything is made, so that nothing is left
 * behind by whom a kill came in between.
 *
 * @param containerId "" for one that was recovered from the kernel alone
 * @param netnsInode  of the pod's namespace, 0 if unknown
 */
record EndpointRecord(int id, String containerId, String ifname, String netns, long netnsInode, String namespace, String pod, String podUid,
        List<IpAddress> addresses, String device, String mac, String hostMac, int mtu) {
    /** {@code Json}'s own methods look for the provider again each time, which costs more than a small object. */
    private static final JsonBuilderFactory JSON = Json.createBuilderFactory(Map.of());

    /** {@code lxc} and 12 hexadecimal digits: the same whenever it is computed. */
    static String deviceName(String containerId, String ifname) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest((containerId + ":" + ifname).getBytes(StandardCharsets.UTF_8));
            return "lxc" + HexFormat.of().formatHex(digest, 0, 6);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java platform has it
        }
    }

    Endpoints.Attachment attachment() {
        return new Endpoints.Attachment(containerId, ifname);
    }

    String json() {
        JsonArrayBuilder list = JSON.createArrayBuilder();
        addresses.forEach(a -> list.add(a.toString()));
        return JSON.createObjectBuilder().add("id", id).add("containerId", containerId).add("ifname", ifname).add("netns", netns)
                .add("netnsInode", netnsInode).add("namespace", namespace).add("pod", pod).add("podUid", podUid).add("addresses", list)
                .add("device", device).add("mac", mac).add("hostMac", hostMac).add("mtu", mtu).build().toString();
    }

    /** @throws RuntimeException if it is no record */
    static EndpointRecord parse(JsonObject o) {
        return new EndpointRecord(o.getInt("id"), o.getString("containerId"), o.getString("ifname"), o.getString("netns"),
                o.getJsonNumber("netnsInode").longValueExact(), o.getString("namespace"), o.getString("pod"), o.getString("podUid"),
                o.getJsonArray("addresses").getValuesAs(JsonString.class).stream().map(s -> IpAddress.parse(s.getString())).toList(),
                o.getString("device"), o.getString("mac"), o.getString("hostMac"), o.getInt("mtu"));
    }
}
