package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Grace;
import io.patchbay.bpf.Rcu;
import org.osgi.service.component.annotations.Component;

/** {@link Grace} for features, which have no access to the kernel of their own. */
@Component
public final class GraceComponent implements Grace {
    @Override
    public void await() {
        Rcu.grace();
    }
}
