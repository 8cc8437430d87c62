package io.patchbay.api.feature;

import io.patchbay.api.datapath.Stage;
import java.util.List;

/**
 * What a feature is, as {@code META-INF/patchbay/feature.json} of its jar says: data, readable from a bundle that is only
 * installed. The file's form is in docs/vendor-guide.md.
 *
 * @param name        {@code service-lb}; the same in every room of the house
 * @param summary     one line for {@code feature list}
 * @param datapathAbi version range of the datapath ABI it was built for, {@code [1.0,2)}
 * @param stages      programs at packet and socket hooks
 * @param maps        maps it owns
 * @param uses        maps of others that its objects read
 * @param kernel      what it needs of the kernel, names of {@link io.patchbay.api.datapath.KernelFeatures}
 * @param requires    features that must be enabled with it
 * @param commands    commands it brings, so that the shell can answer for it while it does not run
 * @param onAddPath   whether CNI ADD needs it running
 */
public record FeatureDescriptor(String name, String version, String summary, String datapathAbi, List<Stage> stages, List<OwnedMap> maps,
                                List<UsedMap> uses, List<String> kernel, Disable disable, List<String> requires, List<String> commands,
                                boolean onAddPath) {
    /**
     * @param object     object whose BTF defines it
     * @param schema     its schema version, {@code 1.0}
     * @param migration  what happens when the layout of an existing map differs
     * @param maxEntries 0: as in the object
     */
    public record OwnedMap(String name, String object, String schema, Migration migration, int maxEntries) {
    }

    public record UsedMap(String name, String schema) {
    }

    /** How a feature leaves: at once, after its state has drained, only with an override, or never. */
    public enum Disable { INSTANT, DRAINED, OVERRIDE, NEVER }

    /**
     * What becomes of the entries when the layout changes. COPY: member by member by name, with read-through; REBUILD:
     * the feature fills it again from its sources before the switch; REFUSE: the update is refused.
     */
    public enum Migration { COPY, REBUILD, REFUSE }
}
