package io.patchbay.servicelb.internal;

/** What an entry of the service maps is known by; each kind is a map of its own. */
sealed interface LbKey permits Frontend, LbKey.Slots, LbKey.MemberOf, LbKey.Backend {
    /** {@link LbValue.Slots#SIZE} backends of a set. */
    record Slots(int set, int chunk) implements LbKey {
    }

    record MemberOf(int set, int backend) implements LbKey {
    }

    record Backend(int id) implements LbKey {
    }
}
