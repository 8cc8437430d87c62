package io.patchbay.api.datapath;

import java.util.Map;
import org.osgi.annotation.versioning.ProviderType;

/** What this kernel can do, by really trying. Names: {@code tcx}, {@code ringbuf}, {@code qdisc:fq}, {@code helper:redirect_peer}… */
@ProviderType
public interface KernelFeatures {
    /** Whether a feature works, and why not. Tried once, remembered. */
    Probe probe(String name);

    /** All that was tried so far. */
    Map<String, Probe> probed();

    record Probe(boolean available, String reason) {
    }
}
