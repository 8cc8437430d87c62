package io.patchbay.netlink;

import io.patchbay.netlink.internal.Channel;
import io.patchbay.netlink.internal.Libc;
import io.patchbay.netlink.internal.Reply;
import io.patchbay.netlink.internal.Request;
import io.patchbay.netlink.internal.Rt;

import java.util.List;
import java.util.Optional;

/** Network devices. Every method throws {@link NetlinkException} when the kernel refuses. */
public final class Links {

    private final Channel channel;

    Links(Channel channel) {
        this.channel = channel;
    }

    /** All devices of the namespace, in the kernel's order. */
    public List<Link> list() {
        Request r = new Request(Rt.RTM_GETLINK, 0).link(0, 0, 0, 0).u32(Rt.IFLA_EXT_MASK, Rt.RTEXT_FILTER_SKIP_STATS);
        return channel.dump("list", "links", r).stream().filter(x -> x.type() == Rt.RTM_NEWLINK).map(Link::of).toList();
    }

    public Optional<Link> find(String name) {
        return one(byName(name), name);
    }

    public Optional<Link> find(int index) {
        return one(new Request(Rt.RTM_GETLINK, 0).link(0, index, 0, 0).u32(Rt.IFLA_EXT_MASK, Rt.RTEXT_FILTER_SKIP_STATS), "link " + index);
    }

    /** The device of this name; ENODEV when there is none. */
    public Link get(String name) {
        return find(name).orElseThrow(() -> new NetlinkException("get", name, NetlinkException.ENODEV, null));
    }

    /** The device of this index; ENODEV when there is none. */
    public Link get(int index) {
        return find(index).orElseThrow(() -> new NetlinkException("get", "link " + index, NetlinkException.ENODEV, null));
    }

    private static Request byName(String name) {
        return new Request(Rt.RTM_GETLINK, 0).link(0, 0, 0, 0).u32(Rt.IFLA_EXT_MASK, Rt.RTEXT_FILTER_SKIP_STATS).text(Rt.IFLA_IFNAME, name);
    }

    private Optional<Link> one(Request r, String object) {
        try {
            for (Reply x : channel.get("get", object, r)) {
                if (x.type() == Rt.RTM_NEWLINK) {
                    return Optional.of(Link.of(x));
                }
            }
            return Optional.empty();
        } catch (NetlinkException e) {
            if (e.isNotFound()) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Counters of a device, read now. */
    public LinkStats stats(int index) {
        List<Reply> all = channel.get("read counters of", "link " + index, new Request(Rt.RTM_GETLINK, 0).link(0, index, 0, 0));
        return all.stream().filter(x -> x.type() == Rt.RTM_NEWLINK).map(LinkStats::of).findFirst()
                .orElseThrow(() -> new NetlinkException("read counters of", "link " + index, NetlinkException.ENODEV, null));
    }

    /**
     * Makes a veth pair, both ends down, each directly in its namespace. EEXIST when either name is taken.
     *
     * @return {@code here}, when it is in this socket's namespace, else {@code peer}; at least one must be
     */
    public Link createVeth(VethEnd here, VethEnd peer) {
        if (here.namespace() != null && peer.namespace() != null) {
            throw new IllegalArgumentException("one end of " + here.name() + " must be in the socket's namespace");
        }
        Request r = create().link(0, 0, 0, 0);
        end(r, here);
        int info = r.begin(Rt.IFLA_LINKINFO);
        r.text(Rt.IFLA_INFO_KIND, "veth");
        int data = r.begin(Rt.IFLA_INFO_DATA);
        int other = r.begin(Rt.VETH_INFO_PEER);
        r.link(0, 0, 0, 0);
        end(r, peer);
        r.end(other).end(data).end(info);
        channel.change("create", "veth " + here.name() + " and " + peer.name(), r);
        return get(here.namespace() == null ? here.name() : peer.name());
    }

    private static void end(Request r, VethEnd e) {
        r.text(Rt.IFLA_IFNAME, e.name());
        if (e.mac() != null) {
            r.bytes(Rt.IFLA_ADDRESS, e.mac().toBytes());
        }
        if (e.mtu() != 0) {
            r.u32(Rt.IFLA_MTU, e.mtu());
        }
        if (e.namespace() != null) {
            r.u32(Rt.IFLA_NET_NS_FD, e.namespace().fd());
        }
    }

    /** Makes a collect-metadata VXLAN device, down. */
    public Link createVxlan(VxlanSpec s) {
        Request r = create().link(0, 0, 0, 0).text(Rt.IFLA_IFNAME, s.name());
        if (s.mac() != null) {
            r.bytes(Rt.IFLA_ADDRESS, s.mac().toBytes());
        }
        if (s.mtu() != 0) {
            r.u32(Rt.IFLA_MTU, s.mtu());
        }
        int info = r.begin(Rt.IFLA_LINKINFO);
        r.text(Rt.IFLA_INFO_KIND, "vxlan");
        int data = r.begin(Rt.IFLA_INFO_DATA);
        r.u8(Rt.IFLA_VXLAN_COLLECT_METADATA, 1).u8(Rt.IFLA_VXLAN_LEARNING, 0).u16be(Rt.IFLA_VXLAN_PORT, s.port());
        r.u8(Rt.IFLA_VXLAN_UDP_CSUM, 0).u8(Rt.IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1).u8(Rt.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
        if (s.sourceHigh() != 0) {
            r.bytes(Rt.IFLA_VXLAN_PORT_RANGE, (byte) (s.sourceLow() >> 8), (byte) s.sourceLow(), (byte) (s.sourceHigh() >> 8),
                    (byte) s.sourceHigh());
        }
        r.end(data).end(info);
        channel.change("create", "vxlan " + s.name(), r);
        return get(s.name());
    }

    /** Makes a device of a kind that needs no options: {@code dummy}, {@code bridge}, {@code ifb}. Down. */
    public Link create(String name, String kind) {
        Request r = create().link(0, 0, 0, 0).text(Rt.IFLA_IFNAME, name);
        int info = r.begin(Rt.IFLA_LINKINFO);
        r.text(Rt.IFLA_INFO_KIND, kind).end(info);
        channel.change("create", kind + " " + name, r);
        return get(name);
    }

    private static Request create() {
        return new Request(Rt.RTM_NEWLINK, Rt.NLM_F_CREATE | Rt.NLM_F_EXCL);
    }

    public void setUp(int index, boolean up) {
        channel.change(up ? "set up" : "set down", "link " + index, flag(index, Rt.IFF_UP, up));
    }

    /** With NOARP the device resolves no neighbours: it sends to the address that a permanent entry or the frame has. */
    public void setNoArp(int index, boolean noArp) {
        channel.change(noArp ? "set noarp on" : "set arp on", "link " + index, flag(index, Rt.IFF_NOARP, noArp));
    }

    private static Request flag(int index, int flag, boolean on) {
        return new Request(Rt.RTM_SETLINK, 0).link(0, index, on ? flag : 0, flag);
    }

    private static Request set(int index) {
        return new Request(Rt.RTM_SETLINK, 0).link(0, index, 0, 0);
    }

    public void setMtu(int index, int mtu) {
        channel.change("set MTU " + mtu + " on", "link " + index, set(index).u32(Rt.IFLA_MTU, mtu));
    }

    /** Kernels before 6.2 rename only what is down. */
    public void rename(int index, String name) {
        channel.change("rename to " + name, "link " + index, set(index).text(Rt.IFLA_IFNAME, name));
    }

    public void setMac(int index, MacAddress mac) {
        channel.change("set address " + mac + " on", "link " + index, set(index).bytes(Rt.IFLA_ADDRESS, mac.toBytes()));
    }

    /** @param master index of a bridge or bond, 0 to leave it */
    public void setMaster(int index, int master) {
        channel.change("set master " + master + " on", "link " + index, set(index).u32(Rt.IFLA_MASTER, master));
    }

    /** The device gives itself no IPv6 link-local address (and so sends nothing of its own) when it goes up. */
    public void setNoLinkLocal(int index) {
        Request r = set(index);
        int spec = r.begin(Rt.IFLA_AF_SPEC);
        int v6 = r.begin(Libc.AF_INET6);
        r.u8(Rt.IFLA_INET6_ADDR_GEN_MODE, Rt.IN6_ADDR_GEN_MODE_NONE).end(v6).end(spec);
        channel.change("switch link-local addresses off on", "link " + index, r);
    }

    public void moveTo(int index, NetNs ns) {
        channel.change("move to " + ns, "link " + index, set(index).u32(Rt.IFLA_NET_NS_FD, ns.fd()));
    }

    /** ENODEV when there is none. A veth's peer goes with it. */
    public void delete(int index) {
        channel.change("delete", "link " + index, new Request(Rt.RTM_DELLINK, 0).link(0, index, 0, 0));
    }

    /** By name; false when there was none. */
    public boolean deleteIfExists(String name) {
        try {
            channel.change("delete", name, new Request(Rt.RTM_DELLINK, 0).link(0, 0, 0, 0).text(Rt.IFLA_IFNAME, name));
            return true;
        } catch (NetlinkException e) {
            if (e.isNotFound()) {
                return false;
            }
            throw e;
        }
    }

    /** Puts a device into a group, a number without a meaning to the kernel (0 at first); false when there is no such device. */
    public boolean setGroup(String name, int group) {
        try {
            channel.change("set group " + group + " on", name,
                    new Request(Rt.RTM_SETLINK, 0).link(0, 0, 0, 0).text(Rt.IFLA_IFNAME, name).u32(Rt.IFLA_GROUP, group));
            return true;
        } catch (NetlinkException e) {
            if (e.isNotFound()) {
                return false;
            }
            throw e;
        }
    }

    /**
     * Deletes every device of a group (not 0) at once, which costs the kernel the waits for readers and addresses of one. All or none of
     * them; false when the group is empty.
     */
    public boolean deleteGroup(int group) {
        if (group == 0) {
            throw new IllegalArgumentException("group 0 is every device that was given none");
        }
        try {
            channel.change("delete", "group " + group, new Request(Rt.RTM_DELLINK, 0).link(0, 0, 0, 0).u32(Rt.IFLA_GROUP, group));
            return true;
        } catch (NetlinkException e) {
            if (e.isNotFound()) {
                return false;
            }
            throw e;
        }
    }
}
