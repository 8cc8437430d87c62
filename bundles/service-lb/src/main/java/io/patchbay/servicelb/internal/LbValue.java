package io.patchbay.servicelb.internal;

import java.util.Arrays;

/** What an entry of the service maps says. */
sealed interface LbValue permits LbValue.Service, LbValue.Slots, LbValue.Membership, LbValue.Backend, LbValue.Maglev, LbValue.Allowed {
    int FLAG_AFFINITY = 1;
    int FLAG_EXTERNAL_LOCAL = 2;
    int FLAG_INTERNAL_LOCAL = 4;
    int FLAG_TWO_SCOPES = 8;
    int FLAG_SOURCE_RANGES = 16;
    int RANDOM = 0;
    int MAGLEV = 1;

    /**
     * @param count slots that new connections choose from
     * @param total slots that are filled
     * @param table size of the set's Maglev table; 0: none
     */
    record Service(int id, int set, int count, int total, int flags, int kind, int algorithm, int affinitySeconds, int table) implements LbValue {
    }

    /** Numbers of backends, 0 behind the last. */
    record Slots(int[] backends) implements LbValue {
        /** LB_SLOTS of lb.h. */
        static final int SIZE = 16;

        @Override
        public boolean equals(Object o) {
            return this == o || o instanceof Slots s && Arrays.equals(backends, s.backends);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(backends);
        }
    }

    enum Membership implements LbValue {
        NEW(1), KEEP(2);

        private final int number;

        Membership(int number) {
            this.number = number;
        }

        int number() {
            return number;
        }
    }

    /** A part of a set's table: as it was read, or as it will be made. */
    final class Maglev implements LbValue {
        /** LB_MAGLEV_PART of lb.h. */
        static final int SIZE = 256;

        private final int[] read;
        private final MaglevTable table;
        private final int part;

        Maglev(int[] backends) {
            this.read = backends;
            this.table = null;
            this.part = 0;
        }

        Maglev(MaglevTable table, int part) {
            this.read = null;
            this.table = table;
            this.part = part;
        }

        /** Numbers of backends, 0 behind the table's end. */
        int[] backends() {
            return read != null ? read : table.part(part);
        }

        @Override
        public boolean equals(Object o) {
            if (this == o) return true;
            if (!(o instanceof Maglev m)) return false;
            return table != null && part == m.part && table.equals(m.table) || Arrays.equals(backends(), m.backends());
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(backends());
        }

        @Override
        public String toString() {
            return Arrays.toString(backends());
        }
    }

    enum Allowed implements LbValue {
        YES
    }

    record Backend(BackendAddress address, BackendState state) implements LbValue {
        // By hand, as keys (LbKey).
        @Override
        public boolean equals(Object o) {
            return o instanceof Backend b && state == b.state && address.equals(b.address);
        }

        @Override
        public int hashCode() {
            return address.hashCode() * 31 + state.ordinal();
        }
    }
}
