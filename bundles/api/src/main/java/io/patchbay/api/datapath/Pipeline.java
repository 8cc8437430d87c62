package io.patchbay.api.datapath;

import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The generations of this node. One change at a time; callers queue. Used by lifecycle.
 */
@ProviderType
public interface Pipeline {
    /** The generation in charge, as the kernel has it; empty on a node that never had one. */
    Optional<Generation> current();

    /**
     * Loads, verifies, fills and pins everything of a new generation. Nothing of the running one changes; when this
     * throws, nothing has happened.
     *
     * @throws DatapathException naming feature, object and program: a verifier's refusal ends with the end of its log;
     *         an incompatible map shows both layouts; a missing kernel feature its probe
     */
    Prepared prepare(GenerationSpec spec);

    /** A map by name. @throws DatapathException naming the known maps when there is none */
    MapHandle map(String name);

    /** All pinned maps. */
    List<MapInfo> maps();

    /** Ledgers of past changes, oldest first. */
    List<Ledger> ledgers();

    /**
     * @param epoch the number that packets are stamped with; grows by one with each switch
     * @param features feature name to version and digest
     */
    record Generation(long epoch, List<FeatureVersion> features, List<StageInfo> stages) {
    }

    record FeatureVersion(String name, String version, String digest) {
    }

    /** One stage as built: its place in the chain and the kernel's program id. */
    record StageInfo(Hook hook, int order, String feature, String program, int index, int programId) {
    }

    record MapInfo(String name, String owner, String schema, String type, int keySize, int valueSize, int maxEntries, int id) {
    }

    /** A generation that is ready to take over. Exactly one of {@link #commit} and {@link #discard} is called. */
    interface Prepared {
        long epoch();

        /** Maps of this generation, for features that fill them before the switch. */
        MapHandle map(String name);

        /** Stores the epoch, waits a grace period, closes the window, drops the old pins. */
        Ledger commit();

        void discard();
    }
}
