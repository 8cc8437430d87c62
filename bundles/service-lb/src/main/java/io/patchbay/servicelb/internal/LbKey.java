package io.patchbay.servicelb.internal;

import io.patchbay.api.net.Prefix;

/**
 * What an entry of the service maps is known by; each kind is a map of its own. Compared by hand: what the compiler makes of a record is slow until it
 * is compiled a second time, which an agent's code is not.
 */
sealed interface LbKey permits Frontend, LbKey.Slots, LbKey.MemberOf, LbKey.Backend, LbKey.Maglev, LbKey.Range {
    /** {@link LbValue.Maglev#SIZE} places of a set's table. */
    record Maglev(int set, int part) implements LbKey {
        /** Parts of one set side by side: its table is made once for all of them. */
        @Override
        public int hashCode() {
            return (set * 0x9E3779B9 << 4) + part;
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof Maglev m && m.set == set && m.part == part;
        }
    }

    /** Clients that may reach a frontend. */
    record Range(int frontend, Prefix clients) implements LbKey {
    }

    /** {@link LbValue.Slots#SIZE} backends of a set. */
    record Slots(int set, int chunk) implements LbKey {
        @Override
        public int hashCode() {
            return set * 0x9E3779B9 + chunk;
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof Slots s && s.set == set && s.chunk == chunk;
        }
    }

    record MemberOf(int set, int backend) implements LbKey {
        @Override
        public int hashCode() {
            return set * 0x9E3779B9 + backend;
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof MemberOf m && m.set == set && m.backend == backend;
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
