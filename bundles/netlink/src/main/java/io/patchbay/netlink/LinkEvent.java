package io.patchbay.netlink;

/** What a {@link LinkMonitor} tells. */
public sealed interface LinkEvent {

    /** A device was made or changed: flags, MTU, name, master, carrier. */
    record Changed(Link link) implements LinkEvent {
    }

    /** A device is gone from the namespace. */
    record Removed(Link link) implements LinkEvent {
    }

    record AddressAdded(IfAddress address) implements LinkEvent {
    }

    record AddressRemoved(IfAddress address) implements LinkEvent {
    }

    /** Filters of a device were removed, alone or with the discipline they were on; only for who asked for it. */
    record FiltersRemoved(int linkIndex) implements LinkEvent {
    }

    /** Events were lost: read everything again. */
    record Overrun() implements LinkEvent {
    }
}
