package io.patchbay.api.datapath;

import io.patchbay.api.feature.FeatureDescriptor;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * All that a generation is built from; every file is in the content-addressed store, never in a bundle.
 *
 * @param parts   the features that take part, in any order; the core's own stages are added by the datapath
 * @param change  number of the change this generation belongs to; 0 at first start
 * @param title   for the ledger: {@code service-lb 1.2.0 -> 1.3.0}
 * @param oneWay  consent to a map change that has no way back
 */
public record GenerationSpec(List<Part> parts, long change, String title, boolean oneWay) {
    /**
     * @param digest  of the jar the part came from
     * @param objects descriptor's object path to its file in the store
     * @param draining true: this part takes no new state (its {@code pb_draining} constant is 1)
     */
    public record Part(FeatureDescriptor descriptor, String digest, Map<String, Path> objects, boolean draining) {
    }
}
