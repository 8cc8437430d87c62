package io.patchbay.netlink;

/** Where an address or a route is valid: RT_SCOPE_* of linux/rtnetlink.h. */
public enum Scope {
    /** Everywhere; what is reached through a gateway. */
    UNIVERSE(0),
    SITE(200),
    /** On this device's network: reached without a gateway. */
    LINK(253),
    /** On this host. */
    HOST(254),
    NOWHERE(255);

    private final int number;

    Scope(int number) {
        this.number = number;
    }

    public int number() {
        return number;
    }

    static Scope ofNumber(int n) {
        for (Scope s : values()) {
            if (s.number == n) {
                return s;
            }
        }
        return UNIVERSE;
    }
}
