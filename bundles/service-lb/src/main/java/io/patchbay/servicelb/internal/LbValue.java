package io.patchbay.servicelb.internal;

import java.util.Arrays;

/** What an entry of the service maps says. */
sealed interface LbValue permits LbValue.Service, LbValue.Slots, LbValue.Membership, LbValue.Backend {
    int FLAG_AFFINITY = 1;

    /**
     * @param count slots that new connections choose from
     * @param total slots that are filled
     */
    record Service(int id, int set, int count, int total, int flags, int kind, int algorithm, int affinitySeconds) implements LbValue {
    }

    /** Numbers of backends, 0 behind the last. */
    record Slots(int[] backends) implements LbValue {
        /** LB_SLOTS of lb.h. */
        static final int SIZE = 16;

        @Override
        public boolean equals(Object o) {
            return o instanceof Slots s && Arrays.equals(backends, s.backends);
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

    record Backend(BackendAddress address, BackendState state) implements LbValue {
    }
}
