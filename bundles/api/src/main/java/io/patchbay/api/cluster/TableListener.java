package io.patchbay.api.cluster;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * What a subscriber hears of a table. The calls come one after the other on the subscriber's executor, never two at a time. One that throws is
 * answered, after a pause, with {@link #onSnapshot} of the then current state: a listener that missed something starts over.
 */
@ConsumerType
public interface TableListener<K, R> {
    /** The state to start from: the first call, and again after a call that threw. Forget what was known before. */
    void onSnapshot(TableSnapshot<K, R> snapshot);

    /**
     * What changed since the previous call. A key appears once; what changed back meanwhile does not appear.
     *
     * @param now     the state with these changes in it
     * @param changes empty if only {@link TableSnapshot#isSynced()} changed
     */
    void onChanges(TableSnapshot<K, R> now, List<Change<K, R>> changes);
}
