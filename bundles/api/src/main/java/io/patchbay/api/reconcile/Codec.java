package io.patchbay.api.reconcile;

import io.patchbay.api.datapath.Struct;
import org.osgi.annotation.versioning.ConsumerType;

/** Between a Java value and a map's key or value. */
@ConsumerType
public interface Codec<T> {
    /** Fills a zeroed struct. */
    void encode(T value, Struct into);

    T decode(Struct from);
}
