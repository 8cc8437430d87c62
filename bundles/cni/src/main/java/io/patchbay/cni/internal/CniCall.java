package io.patchbay.cni.internal;

import io.patchbay.api.endpoint.Endpoints.Attachment;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonException;
import jakarta.json.JsonObject;
import jakarta.json.JsonReader;
import jakarta.json.JsonReaderFactory;
import jakarta.json.JsonValue;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One call as it came: environment and network configuration, checked as far as its command needs.
 *
 * @param version of the configuration, one of {@link #VERSIONS}
 */
record CniCall(String command, String version, String containerId, String ifname, String netns, Map<String, String> arguments, JsonObject config) {
    static final List<String> VERSIONS = List.of("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0");
    static final String NEWEST = "1.1.0";
    /** {@code Json}'s own methods look for the provider again each time, which costs more than a small object. */
    private static final JsonReaderFactory JSON = Json.createReaderFactory(Map.of());

    static CniCall parse(Map<String, String> environment, byte[] stdin) throws CniException {
        String command = environment.getOrDefault("CNI_COMMAND", "");
        if (!Set.of("ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION").contains(command)) {
            throw new CniException(CniException.INVALID_ENVIRONMENT, "CNI_COMMAND is '" + command + "'; known: ADD, DEL, CHECK, STATUS, GC, VERSION");
        }
        JsonObject config = config(stdin, command);
        String version = config.getString("cniVersion", command.equals("VERSION") ? NEWEST : "");
        if (command.equals("VERSION")) return new CniCall(command, version, "", "", "", Map.of(), config);
        if (!VERSIONS.contains(version)) {
            throw new CniException(CniException.INCOMPATIBLE_VERSION, "cniVersion '" + version + "' is not supported; supported: " + VERSIONS);
        }
        since(command, version, "CHECK", "0.4.0");
        since(command, version, "STATUS", "1.1.0");
        since(command, version, "GC", "1.1.0");
        boolean attachment = Set.of("ADD", "DEL", "CHECK").contains(command);
        String id = environment.getOrDefault("CNI_CONTAINERID", "");
        String ifname = environment.getOrDefault("CNI_IFNAME", "");
        String netns = environment.getOrDefault("CNI_NETNS", "");
        if (attachment) {
            if (!id.matches("[A-Za-z0-9][A-Za-z0-9_.-]*")) throw environment("CNI_CONTAINERID", id);
            if (!ifname.matches("[^\\s/:]{1,15}") || ifname.equals(".") || ifname.equals("..")) throw environment("CNI_IFNAME", ifname);
            if (netns.isEmpty() && !command.equals("DEL")) throw environment("CNI_NETNS", netns);
        }
        return new CniCall(command, version, id, ifname, netns, arguments(environment.getOrDefault("CNI_ARGS", "")), config);
    }

    private static void since(String command, String version, String what, String first) throws CniException {
        if (command.equals(what) && VERSIONS.indexOf(version) < VERSIONS.indexOf(first)) {
            throw new CniException(CniException.INCOMPATIBLE_VERSION, what + " exists since CNI " + first + ", and the configuration is of " + version);
        }
    }

    private static CniException environment(String name, String value) {
        return new CniException(CniException.INVALID_ENVIRONMENT, name + " '" + value + "' is missing or not allowed");
    }

    private static JsonObject config(byte[] stdin, String command) throws CniException {
        if (command.equals("VERSION") && new String(stdin, java.nio.charset.StandardCharsets.UTF_8).isBlank()) return JsonValue.EMPTY_JSON_OBJECT;
        try (JsonReader reader = JSON.createReader(new ByteArrayInputStream(stdin))) {
            JsonObject o = reader.readObject();
            if (!(o.getOrDefault("cniVersion", JsonValue.EMPTY_JSON_OBJECT) instanceof jakarta.json.JsonString) && !command.equals("VERSION")) {
                throw new CniException(CniException.INVALID_CONFIG, "cniVersion is missing or no text");
            }
            return o;
        } catch (JsonException | ClassCastException e) {
            throw new CniException(CniException.DECODE_FAILURE, "the network configuration on standard input is no JSON object", String.valueOf(e.getMessage()));
        }
    }

    /** {@code A=1;B=2}. */
    private static Map<String, String> arguments(String text) throws CniException {
        Map<String, String> result = new HashMap<>();
        for (String pair : text.split(";")) {
            if (pair.isBlank()) continue;
            int equals = pair.indexOf('=');
            if (equals <= 0) throw environment("CNI_ARGS", text);
            result.put(pair.substring(0, equals).trim(), pair.substring(equals + 1));
        }
        return result;
    }

    /** A value of CNI_ARGS that has to be there. */
    String required(String name) throws CniException {
        String value = arguments.getOrDefault(name, "");
        if (value.isEmpty() || value.chars().anyMatch(Character::isWhitespace)) {
            throw new CniException(CniException.INVALID_ENVIRONMENT, "CNI_ARGS lacks " + name + ": this network is for Kubernetes pods");
        }
        return value;
    }

    /** Addresses in prevResult; empty if it has none. */
    Set<IpAddress> previousAddresses() throws CniException {
        Set<IpAddress> result = new HashSet<>();
        try {
            JsonObject previous = config.getJsonObject("prevResult");
            if (previous == null) return result;
            JsonArray ips = previous.getJsonArray("ips");
            if (ips == null) return result;
            for (JsonValue v : ips) result.add(IpAddress.parse(v.asJsonObject().getString("address").replaceFirst("/.*", "")));
            return result;
        } catch (RuntimeException e) {
            throw new CniException(CniException.INVALID_CONFIG, "prevResult can't be read", String.valueOf(e.getMessage()));
        }
    }

    boolean hasPreviousResult() {
        return config.containsKey("prevResult") && config.get("prevResult") != JsonValue.NULL;
    }

    /** GC: what is to stay. */
    Set<Attachment> validAttachments() throws CniException {
        try {
            JsonArray list = Optional.ofNullable(config.getJsonArray("cni.dev/valid-attachments")).orElse(config.getJsonArray("cni.dev/attachments"));
            if (list == null) throw new CniException(CniException.INVALID_CONFIG, "cni.dev/valid-attachments is missing");
            Set<Attachment> result = new HashSet<>();
            for (JsonValue v : list) result.add(new Attachment(v.asJsonObject().getString("containerID"), v.asJsonObject().getString("ifname")));
            return result;
        } catch (ClassCastException | NullPointerException e) {
            throw new CniException(CniException.INVALID_CONFIG, "cni.dev/valid-attachments is no list of {containerID, ifname}");
        }
    }

    /** Whether routes and interfaces may carry an MTU. */
    boolean knowsMtu() {
        return version.equals("1.1.0");
    }

    /** Whether an address says of which family it is. */
    boolean namesFamily() {
        return version.startsWith("0.");
    }

    static String prefix(IpAddress a) {
        return Prefix.of(a).toString();
    }

    List<String> problems(Set<IpAddress> actual) throws CniException {
        List<String> wrong = new ArrayList<>();
        for (IpAddress a : previousAddresses()) if (!actual.contains(a)) wrong.add("prevResult has " + a + ", which the pod has not");
        return wrong;
    }
}
