package io.patchbay.cluster.decode;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.api.net.Protocol;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** Values that several kinds have: addresses, prefixes, protocols, port names. What doesn't parse is reported and left out. */
public final class Values {
    private static final Pattern PORT_NAME = Pattern.compile("[a-z0-9]([a-z0-9]|-(?!-))*");

    private Values() {
    }

    /** An IP address; host names aren't looked up but refused. */
    public static Optional<IpAddress> address(Tree tree) {
        String text = tree.string();
        if (!tree.isPresent() || !tree.isString()) return Optional.empty();
        try {
            return Optional.of(IpAddress.parse(text));
        } catch (IllegalArgumentException e) {
            tree.problem("\"" + text + "\" is not an IP address");
            return Optional.empty();
        }
    }

    public static List<IpAddress> addresses(List<Tree> trees) {
        List<IpAddress> addresses = new ArrayList<>();
        for (Tree tree : trees) address(tree).ifPresent(addresses::add);
        return addresses;
    }

    /** A prefix in CIDR notation. */
    public static Optional<Prefix> prefix(Tree tree) {
        String text = tree.string();
        if (!tree.isPresent() || !tree.isString()) return Optional.empty();
        try {
            if (text.indexOf('/') > 0) return Optional.of(Prefix.parse(text));
        } catch (IllegalArgumentException e) {
            // reported below, in the same words as a missing length
        }
        tree.problem("\"" + text + "\" is not a CIDR, as 10.0.0.0/8 is");
        return Optional.empty();
    }

    public static List<Prefix> prefixes(List<Tree> trees) {
        List<Prefix> prefixes = new ArrayList<>();
        for (Tree tree : trees) prefix(tree).ifPresent(prefixes::add);
        return prefixes;
    }

    /** TCP (also when absent), UDP or SCTP. */
    public static Protocol protocol(Optional<Tree> tree) {
        if (tree.isEmpty()) return Protocol.TCP;
        return switch (tree.get().oneOf("TCP", "UDP", "SCTP")) {
            case "UDP" -> Protocol.UDP;
            case "SCTP" -> Protocol.SCTP;
            default -> Protocol.TCP;
        };
    }

    /** The name of a container's port (IANA service name): at most 15 of a-z, 0-9 and '-', with at least one letter. */
    public static String portName(Tree tree) {
        String name = tree.string();
        if (tree.isPresent() && tree.isString() && !isPortName(name)) {
            tree.problem("\"" + name + "\" is not a valid port name: at most 15 of a-z, 0-9 and '-', at least one letter");
        }
        return name;
    }

    public static boolean isPortName(String name) {
        return name.length() <= 15 && PORT_NAME.matcher(name).matches() && !name.endsWith("-")
                && name.chars().anyMatch(c -> c >= 'a' && c <= 'z');
    }
}
