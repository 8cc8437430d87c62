package io.patchbay.servicelb.internal;

import io.patchbay.api.net.Prefix;

/** What an entry of the service maps is known by; each kind is a map of its own. */
sealed interface LbKey permits Frontend, LbKey.Slots, LbKey.MemberOf, LbKey.Backend, LbKey.Maglev, LbKey.Range {
    /** {@link LbValue.Maglev#SIZE} places of a set's table. */
    record Maglev(int set, int part) implements LbKey {
    }

    /** Clients that may reach a frontend. */
    record Range(int frontend, Prefix clients) implements LbKey {
    }

    /** {@link LbValue.Slots#SIZE} backends of a set. */
    record Slots(int set, int chunk) implements LbKey {
        @Override
        public int hashCode() {
            return set * 31 + chunk;
        }
    }

    record MemberOf(int set, int backend) implements LbKey {
        @Override
        public int hashCode() {
            return set * 0x9E3779B9 + backend;
        }
    }

    record Backend(int id) implements LbKey {
        @Override
        public int hashCode() {
            return id;
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof Backend b && b.id == id;
        }
    }
}
