package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;

import java.nio.file.Path;

/**
 * A netlink socket of one network namespace, with what can be asked over it. Requests are serialised: several threads
 * may share it, one waits for the other. The owner closes it.
 */
public final class NetlinkSocket implements AutoCloseable {

    private final Channel channel;
    private final String where;
    private final Links links;
    private final Addresses addresses;
    private final Routes routes;
    private final Neighbours neighbours;
    private final Qdiscs qdiscs;

    NetlinkSocket(Channel channel, String where) {
        this.channel = channel;
        this.where = where;
        this.links = new Links(channel);
        this.addresses = new Addresses(channel);
        this.routes = new Routes(channel);
        this.neighbours = new Neighbours(channel);
        this.qdiscs = new Qdiscs(channel);
    }

    /** In the namespace of the calling thread, which for the agent's threads is the node's. */
    public static NetlinkSocket open() {
        return new NetlinkSocket(Channel.open(), "own namespace");
    }

    /** In the namespace that a file stands for; opened on a thread of its own, usable from any. */
    public static NetlinkSocket open(Path netns) {
        try (NetNs ns = NetNs.open(netns)) {
            return ns.socket();
        }
    }

    public Links links() {
        return links;
    }

    public Addresses addresses() {
        return addresses;
    }

    public Routes routes() {
        return routes;
    }

    public Neighbours neighbours() {
        return neighbours;
    }

    public Qdiscs qdiscs() {
        return qdiscs;
    }

    @Override
    public void close() {
        channel.close();
    }

    @Override
    public String toString() {
        return "netlink socket in " + where;
    }
}
